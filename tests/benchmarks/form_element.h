// SPDX-License-Identifier: LGPL-2.1-or-later
// The least element that a queue form can be measured in.
#pragma once

namespace streamlib::bench {

// Registers the factory "benchform" of this process: a link and nothing else, with the properties
// `form` (pointers, lanes, ring), `policy` (lossless, in-order) and `depth`. No flush, no seek, no
// queries in order: it carries one stream from its beginning to EOS.
void register_form_element();

}  // namespace streamlib::bench
