// SPDX-License-Identifier: LGPL-2.1-or-later
// A file with a text, until the test ends.
#pragma once

#include <fstream>
#include <string>

#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>

#include "gst/support/ownership.h"

namespace fixture {

class TextFile {
public:
  explicit TextFile(const std::string &text)
  {
    gchar *name = nullptr;
    const int file = g_file_open_tmp("streamlib-XXXXXX.pem", &name, nullptr);
    fail_unless(file >= 0);
    g_close(file, nullptr);
    name_.reset(name);
    std::ofstream(name) << text;
  }
  TextFile(const TextFile &) = delete;
  TextFile &operator=(const TextFile &) = delete;
  ~TextFile() { g_unlink(name_.get()); }
  std::string name() const { return name_.get(); }

private:
  streamlib::support::CStr name_;
};

}  // namespace fixture
