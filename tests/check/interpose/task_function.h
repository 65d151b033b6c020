// SPDX-License-Identifier: LGPL-2.1-or-later
// The function that a GstTask hands to its pool.
#pragma once

namespace streamlib::interpose {

// Learns its address from a pool that is asked to run it.
void *learn_task_function();

}  // namespace streamlib::interpose
