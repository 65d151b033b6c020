// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#define GST_TYPE_SL_CAMERA_SRC (gst_sl_camera_src_get_type())
G_DECLARE_FINAL_TYPE(GstSlCameraSrc, gst_sl_camera_src, GST, SL_CAMERA_SRC, GstBin)

GST_ELEMENT_REGISTER_DECLARE(slcamerasrc);
