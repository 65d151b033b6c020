// SPDX-License-Identifier: LGPL-2.1-or-later
// GLib leaves its table of quarks behind whenever the table grows, and LeakSanitizer cannot tell by
// the stack whose it is.
#pragma once

namespace fuzz {

// Lets the table grow once, to more quarks than a run makes. Before the first name is made.
void grow_quark_table();

}  // namespace fuzz
