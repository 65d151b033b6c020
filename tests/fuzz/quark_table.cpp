// SPDX-License-Identifier: LGPL-2.1-or-later
// GLib makes a new table of quarks for every 2048 of them, and leaves the old one behind for those
// who read it without a lock. LeakSanitizer cannot tell by the stack whose it is.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)

#include <cstddef>

#include <sanitizer/allocator_interface.h>
#include <sanitizer/lsan_interface.h>

namespace {

constexpr size_t kBlock = 2048 * sizeof(char *);

void on_malloc(const volatile void *memory, size_t size)
{
  if (size >= kBlock && size % kBlock == 0)
    __lsan_ignore_object(const_cast<const void *>(memory));
}

void on_free(const volatile void *) {}

void install()
{
  __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}

// The first table is made when GLib is loaded.
__attribute__((section(".preinit_array"), used)) void (*const before_libraries)() = install;

}  // namespace

#endif
#endif
