// SPDX-License-Identifier: LGPL-2.1-or-later
// Counts the futex calls and the allocations of this process while a window is open.
#include "call_counter.h"

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>

#include <dlfcn.h>
#include <linux/futex.h>
#include <sys/syscall.h>

namespace {

std::atomic<bool> window_is_open{false};
std::atomic<uint64_t> futex_waits{0};
std::atomic<uint64_t> futex_wakes{0};
std::atomic<uint64_t> allocations{0};

void count(std::atomic<uint64_t> &counter)
{
  if (window_is_open.load(std::memory_order_relaxed))
    counter.fetch_add(1, std::memory_order_relaxed);
}

void count_futex(int operation)
{
  const int command = operation & FUTEX_CMD_MASK;
  if (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET)
    count(futex_waits);
  else
    count(futex_wakes);
}

}  // namespace

// The C library's own functions under their second names: asking dlsym() for them would allocate.
extern "C" {
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

#define EXPORTED __attribute__((visibility("default")))

EXPORTED void *malloc(size_t size)
{
  count(allocations);
  return __libc_malloc(size);
}

EXPORTED void *calloc(size_t members, size_t size)
{
  count(allocations);
  return __libc_calloc(members, size);
}

EXPORTED void *realloc(void *memory, size_t size)
{
  count(allocations);
  return __libc_realloc(memory, size);
}

EXPORTED void *memalign(size_t alignment, size_t size)
{
  count(allocations);
  return __libc_memalign(alignment, size);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size)
{
  count(allocations);
  return __libc_memalign(alignment, size);
}

EXPORTED int posix_memalign(void **memory, size_t alignment, size_t size)
{
  count(allocations);
  *memory = __libc_memalign(alignment, size);
  return *memory != nullptr ? 0 : ENOMEM;
}

EXPORTED long syscall(long number, ...)
{
  using Syscall = long (*)(long, ...);
  static const auto real = reinterpret_cast<Syscall>(dlsym(RTLD_NEXT, "syscall"));
  // No call takes more than six, and more than were passed do no harm: they are registers.
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long &argument : arguments)
    argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_futex)
    count_futex(static_cast<int>(arguments[1]));
  return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
              arguments[5]);
}

}  // extern "C"

namespace streamlib::bench {

void open_call_window()
{
  futex_waits = 0;
  futex_wakes = 0;
  allocations = 0;
  window_is_open = true;
}

void close_call_window()
{
  window_is_open = false;
}

CallCounts counted_calls()
{
  return {futex_waits, futex_wakes, allocations};
}

}  // namespace streamlib::bench
