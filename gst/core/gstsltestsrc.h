// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/streamlib/streamlib.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_TEST_SRC (gst_sl_test_src_get_type())
G_DECLARE_FINAL_TYPE(GstSlTestSrc, gst_sl_test_src, GST, SL_TEST_SRC, GstSlProcessor)

GST_ELEMENT_REGISTER_DECLARE(sltestsrc)

G_END_DECLS
