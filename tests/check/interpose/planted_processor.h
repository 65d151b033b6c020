// SPDX-License-Identifier: LGPL-2.1-or-later
// A processor that breaks the rules on purpose.
#pragma once

#include <gst/gst.h>

GType planted_processor_get_type();
