// SPDX-License-Identifier: LGPL-2.1-or-later
// Finds out for whom a call is made. The rule stands in interpose.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace streamlib::interpose {

enum class Owner { kOurs, kFloor, kOther };

struct Place {
  Owner owner;
  // The return address that decided.
  uintptr_t address;
};

// Object names that begin so are ours.
void add_ours(const char *prefix);
void set_task_function(void *function);

// Reads which objects are loaded where. Not while attribute() runs in another thread.
void map_objects();

// `caller`: the return address of the interposed function.
Place attribute(void *caller);

// Writes "object+offset" of `address` to `text`.
void describe(uintptr_t address, char *text, size_t size);

}  // namespace streamlib::interpose
