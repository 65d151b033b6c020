// SPDX-License-Identifier: LGPL-2.1-or-later
// A sample as a PNG file.
#pragma once

#include <string>

#include <gst/gst.h>
#include <gst/support/result.h>

#include "sys/display/geometry.h"

namespace streamlib::display {

// Any thread. Upright, in square pixels. Returns within two seconds.
support::Status write_png(GstSample *sample, Orientation orientation, const std::string &path);

}  // namespace streamlib::display
