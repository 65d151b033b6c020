// SPDX-License-Identifier: LGPL-2.1-or-later
// Counts the futex calls and the allocations of this process while a window is open.
//
// The program that links this defines the C library's allocation functions and syscall() itself, so
// every library of the process comes here. GLib and the link reach futexes by syscall(); GLib's
// slices are seen when G_SLICE=always-malloc is set.
#pragma once

#include <cstdint>

namespace streamlib::bench {

struct CallCounts {
  uint64_t futex_waits = 0;
  uint64_t futex_wakes = 0;
  uint64_t allocations = 0;
};

void open_call_window();
void close_call_window();
// What was counted between the two, in all threads.
CallCounts counted_calls();

}  // namespace streamlib::bench
