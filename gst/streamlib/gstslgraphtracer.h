// SPDX-License-Identifier: LGPL-2.1-or-later
// The figures of all graphs of a process as time series in the log.
#pragma once

#include <gst/streamlib/gstslapi.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_GRAPH_TRACER (gst_sl_graph_tracer_get_type())
GST_SL_API GType gst_sl_graph_tracer_get_type(void) G_GNUC_CONST;

G_END_DECLS
