// SPDX-License-Identifier: LGPL-2.1-or-later
// The connection that an OpenGL sink draws through, and whether its server still lives.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <gst/gst.h>
#include <gst/support/ownership.h>
#include <gst/support/result.h>

#include "sys/display/geometry.h"

namespace streamlib::display {

// Xlib ends the whole process when its server dies, through a handler that each connection can
// replace. So the connection to an X server is made here and given to the sink, with a handler that
// takes note and returns.
class GlDisplay {
public:
  // A display such as ":0" or "wayland-0", by default that of the environment. Can wait for as long
  // as the server takes to answer.
  static support::Result<std::shared_ptr<GlDisplay>> open(const std::string &name);

  // For gst_element_set_context() of a GL element.
  GstContext *context() const { return context_.get(); }
  const std::string &name() const { return name_; }

  // Any thread. Whether the server has ended or closed the connection; known of X servers alone.
  bool is_gone() const;

private:
  GlDisplay() = default;

  support::MiniPtr<GstContext> context_;
  std::string name_;
  // The connection, while it is one to an X server; otherwise -1.
  int fd_ = -1;
  // Lives as long as the connection, which others may share.
  std::shared_ptr<std::atomic<bool>> gone_;
};

// In the thread of `context`, a GstGLContext: where the next picture is drawn, from the lower left.
void set_viewport(GstObject *context, const Rect &rectangle);

}  // namespace streamlib::display
