// SPDX-License-Identifier: LGPL-2.1-or-later
#include "quark_table.h"

#include <string>

#include <glib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define FUZZ_HAS_LSAN 1
#endif
#endif

namespace fuzz {

#ifdef FUZZ_HAS_LSAN

namespace {

// The first table is made when GLib is loaded, before anything of this program runs but for this.
__attribute__((section(".preinit_array"), used)) void (*const before_libraries)() = __lsan_disable;

}  // namespace

void grow_quark_table()
{
  constexpr int kQuarks = 50000;
  for (int i = 0; i < kQuarks; i++)
    g_quark_from_string(("fuzz-" + std::to_string(i)).c_str());
  __lsan_enable();
}

#else

void grow_quark_table() {}

#endif

}  // namespace fuzz
