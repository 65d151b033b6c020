// SPDX-License-Identifier: LGPL-2.1-or-later
// The whole public interface of GstStreamlib.
#pragma once

#include <gst/streamlib/gstslapi.h>
#include <gst/streamlib/gstslbufferpool.h>
#include <gst/streamlib/gstsldispatcher.h>
#include <gst/streamlib/gstslenums.h>
#include <gst/streamlib/gstslexecutor.h>
#include <gst/streamlib/gstslgraph.h>
#include <gst/streamlib/gstsllinkpad.h>
#include <gst/streamlib/gstslprocessor.h>
#include <gst/streamlib/gstslruntime.h>
