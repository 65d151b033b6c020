// SPDX-License-Identifier: LGPL-2.1-or-later
// Which elements, in which mode, a camera is captured by.
#pragma once

#include <gst/gst.h>
#include <gst/support/result.h>

#include "sys/camera/capture.h"
#include "sys/camera/devicewatch.h"
#include "sys/camera/mode.h"

namespace streamlib::camera {

// What comes after `ghost` has a say in the mode. The codes of failures are those of
// GST_STREAM_ERROR.
support::Result<CaptureSetup> plan_device(const Device &device, const ModeWish &wish,
                                          GstPad *ghost);
support::Result<CaptureSetup> plan_test_picture(const ModeWish &wish, GstPad *ghost);

}  // namespace streamlib::camera
