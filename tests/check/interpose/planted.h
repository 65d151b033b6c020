// SPDX-License-Identifier: LGPL-2.1-or-later
// An element that breaks the rules on purpose.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

// Registers two factories of this process. "planted" passes buffers on in the pushing thread and
// commits, for each of them, what its property `violation` says. "plantedprocessor" is a processor
// that locks and allocates for each buffer in its own thread.
__attribute__((visibility("default"))) void planted_register(void);

G_END_DECLS
