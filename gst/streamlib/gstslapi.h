// SPDX-License-Identifier: LGPL-2.1-or-later
// What every public header needs: symbol visibility and the GStreamer types.
#pragma once

#include <gst/gst.h>

#if defined(GST_SL_STATIC_COMPILATION)
#define GST_SL_API extern
#elif defined(_WIN32) && defined(BUILDING_GST_SL)
#define GST_SL_API __declspec(dllexport) extern
#elif defined(_WIN32)
#define GST_SL_API __declspec(dllimport) extern
#else
#define GST_SL_API __attribute__((visibility("default"))) extern
#endif
