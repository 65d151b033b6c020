// SPDX-License-Identifier: LGPL-2.1-or-later
// The enumerations of sldisplaysink's properties.
#pragma once

#include <glib-object.h>

GType gst_sl_display_backend_get_type(void);
GType gst_sl_display_scaling_get_type(void);
GType gst_sl_display_on_close_get_type(void);
