// SPDX-License-Identifier: LGPL-2.1-or-later
// The interposed functions, and the counters. What is counted for whom stands in interpose.h.
//
// No header of GLib or GStreamer is included: the functions are defined here by their ABI.
#include "interpose.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <pthread.h>
#include <threads.h>

#include "attribution.h"

namespace streamlib::interpose {

namespace {

enum class What { kLock, kAllocation };

struct Counter {
  std::atomic<unsigned long> locks{0};
  std::atomic<unsigned long> allocations{0};

  void add(What what) { (what == What::kLock ? locks : allocations)++; }
  SlInterposeCalls read() const { return {locks, allocations}; }
  void clear() { locks = allocations = 0; }
};

struct OurPlace {
  std::atomic<uintptr_t> address{0};
  std::atomic<const char *> function{nullptr};
};

std::atomic<bool> window_is_open{false};
Counter ours;
Counter floor_;
Counter other;
std::array<OurPlace, 32> our_places;

// Set while a call is attributed: what the unwinder does is nobody's call.
thread_local bool is_recording __attribute__((tls_model("initial-exec"))) = false;

// Set in the threads that count.
thread_local bool is_watched __attribute__((tls_model("initial-exec"))) = false;

void remember(uintptr_t address, const char *function)
{
  for (OurPlace &place : our_places) {
    uintptr_t expected = 0;
    if (place.address.compare_exchange_strong(expected, address)) {
      place.function = function;
      return;
    }
    if (expected == address)
      return;
  }
}

void count(What what, const char *function, const Place &place)
{
  switch (place.owner) {
    case Owner::kOurs:
      ours.add(what);
      remember(place.address, function);
      break;
    case Owner::kFloor:
      floor_.add(what);
      break;
    case Owner::kOther:
      other.add(what);
      break;
  }
}

// At the beginning of an interposed function. `caller` is its return address.
void record(What what, const char *function, void *caller)
{
  if (!window_is_open.load(std::memory_order_relaxed) || !is_watched || is_recording)
    return;
  is_recording = true;
  count(what, function, attribute(caller));
  is_recording = false;
}

// The function of that name in the objects after this one.
template <typename Function>
Function *real(std::atomic<Function *> &cache, const char *name)
{
  Function *function = cache.load(std::memory_order_relaxed);
  if (function == nullptr) {
    function = reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
    cache.store(function, std::memory_order_relaxed);
  }
  return function;
}

}  // namespace

}  // namespace streamlib::interpose

#define EXPORTED extern "C" __attribute__((visibility("default"), noinline))

// A function that takes a lock, or works on one.
#define LOCKS(result, name, parameters, ...)                 \
  EXPORTED result name parameters                            \
  {                                                          \
    using namespace streamlib::interpose;                    \
    using Function = result parameters;                      \
    static std::atomic<Function *> cache{nullptr};           \
    record(What::kLock, #name, __builtin_return_address(0)); \
    return real<Function>(cache, #name)(__VA_ARGS__);        \
  }

// A function in which GStreamer may do what it must: its frame is the mark.
#define FLOOR(name)                                                                            \
  EXPORTED int name(void *pad, void *data)                                                     \
  {                                                                                            \
    static std::atomic<int (*)(void *, void *)> cache{nullptr};                                \
    streamlib::interpose::is_watched = true;                                                   \
    const int flow = streamlib::interpose::real<int(void *, void *)>(cache, #name)(pad, data); \
    /* So that the frame stays: no call in tail position. */                                   \
    asm volatile("" ::: "memory");                                                             \
    return flow;                                                                               \
  }

// Condition variables of the C library are left alone: their symbols have two versions, and nobody
// waits on one without a mutex.
LOCKS(int, pthread_mutex_lock, (pthread_mutex_t * mutex), mutex)
LOCKS(int, pthread_mutex_trylock, (pthread_mutex_t * mutex), mutex)
LOCKS(int, pthread_mutex_timedlock, (pthread_mutex_t * mutex, const timespec *time), mutex, time)
LOCKS(int, pthread_mutex_clocklock,
      (pthread_mutex_t * mutex, clockid_t clock, const timespec *time), mutex, clock, time)
LOCKS(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), lock)
LOCKS(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), lock)
LOCKS(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t * lock), lock)
LOCKS(int, pthread_rwlock_trywrlock, (pthread_rwlock_t * lock), lock)
LOCKS(int, pthread_spin_lock, (pthread_spinlock_t * lock), lock)
LOCKS(int, pthread_spin_trylock, (pthread_spinlock_t * lock), lock)
LOCKS(int, mtx_lock, (mtx_t * mutex), mutex)
LOCKS(int, mtx_trylock, (mtx_t * mutex), mutex)
LOCKS(int, mtx_timedlock, (mtx_t * mutex, const timespec *time), mutex, time)

LOCKS(void, g_mutex_lock, (void *mutex), mutex)
LOCKS(int, g_mutex_trylock, (void *mutex), mutex)
LOCKS(void, g_rec_mutex_lock, (void *mutex), mutex)
LOCKS(int, g_rec_mutex_trylock, (void *mutex), mutex)
LOCKS(void, g_rw_lock_writer_lock, (void *lock), lock)
LOCKS(int, g_rw_lock_writer_trylock, (void *lock), lock)
LOCKS(void, g_rw_lock_reader_lock, (void *lock), lock)
LOCKS(int, g_rw_lock_reader_trylock, (void *lock), lock)
LOCKS(void, g_cond_wait, (void *cond, void *mutex), cond, mutex)
LOCKS(int, g_cond_wait_until, (void *cond, void *mutex, int64_t time), cond, mutex, time)
LOCKS(void, g_cond_signal, (void *cond), cond)
LOCKS(void, g_cond_broadcast, (void *cond), cond)
LOCKS(void, g_bit_lock, (void *address, int bit), address, bit)
LOCKS(int, g_bit_trylock, (void *address, int bit), address, bit)
LOCKS(void, g_pointer_bit_lock, (void *address, int bit), address, bit)
LOCKS(int, g_pointer_bit_trylock, (void *address, int bit), address, bit)

// Functions of GLib that lock within GLib.
LOCKS(void, g_async_queue_push, (void *queue, void *data), queue, data)
LOCKS(void *, g_async_queue_pop, (void *queue), queue)
LOCKS(void *, g_async_queue_try_pop, (void *queue), queue)
LOCKS(void *, g_async_queue_timeout_pop, (void *queue, uint64_t time), queue, time)
LOCKS(int, g_async_queue_length, (void *queue), queue)
LOCKS(int, g_thread_pool_push, (void *pool, void *data, void *error), pool, data, error)
LOCKS(void, g_main_context_wakeup, (void *context), context)
LOCKS(void, g_main_context_invoke, (void *context, void *function, void *data), context, function,
      data)
LOCKS(unsigned, g_source_attach, (void *source, void *context), source, context)
LOCKS(unsigned, g_idle_add, (void *function, void *data), function, data)
LOCKS(void, g_object_notify, (void *object, const char *name), object, name)
LOCKS(void, g_object_notify_by_pspec, (void *object, void *pspec), object, pspec)
LOCKS(uint32_t, g_quark_from_string, (const char *text), text)
LOCKS(void, g_signal_emit_valist, (void *object, unsigned signal, uint32_t detail, va_list list),
      object, signal, detail, list)

EXPORTED void g_signal_emit(void *object, unsigned signal, uint32_t detail, ...)
{
  using namespace streamlib::interpose;
  using Function = void(void *, unsigned, uint32_t, va_list);
  static std::atomic<Function *> cache{nullptr};
  record(What::kLock, "g_signal_emit", __builtin_return_address(0));
  va_list list;
  va_start(list, detail);
  real<Function>(cache, "g_signal_emit_valist")(object, signal, detail, list);
  va_end(list);
}

FLOOR(gst_pad_push)
FLOOR(gst_pad_push_list)
FLOOR(gst_pad_chain)
FLOOR(gst_pad_chain_list)

// The C library's allocator under its second names: to look for the first ones would allocate.
extern "C" {
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t members, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
}

#define ALLOCATES(name)                 \
  using namespace streamlib::interpose; \
  record(What::kAllocation, #name, __builtin_return_address(0))

EXPORTED void *malloc(size_t size)
{
  ALLOCATES(malloc);
  return __libc_malloc(size);
}

EXPORTED void *calloc(size_t members, size_t size)
{
  ALLOCATES(calloc);
  return __libc_calloc(members, size);
}

EXPORTED void *realloc(void *memory, size_t size)
{
  ALLOCATES(realloc);
  return __libc_realloc(memory, size);
}

EXPORTED void *reallocarray(void *memory, size_t members, size_t size)
{
  ALLOCATES(reallocarray);
  size_t total = 0;
  if (__builtin_mul_overflow(members, size, &total)) {
    errno = ENOMEM;
    return nullptr;
  }
  return __libc_realloc(memory, total);
}

EXPORTED void *memalign(size_t alignment, size_t size)
{
  ALLOCATES(memalign);
  return __libc_memalign(alignment, size);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size)
{
  ALLOCATES(aligned_alloc);
  return __libc_memalign(alignment, size);
}

EXPORTED int posix_memalign(void **memory, size_t alignment, size_t size)
{
  ALLOCATES(posix_memalign);
  *memory = __libc_memalign(alignment, size);
  return *memory != nullptr ? 0 : ENOMEM;
}

using namespace streamlib::interpose;

EXPORTED const char *sl_interpose_problem(void)
{
  for (const char *name : {"g_mutex_lock", "pthread_mutex_lock", "gst_pad_push", "malloc"}) {
    Dl_info found{}, self{};
    void *function = dlsym(RTLD_DEFAULT, name);
    if (function == nullptr || dladdr(function, &found) == 0 ||
        dladdr(reinterpret_cast<void *>(&sl_interpose_problem), &self) == 0 ||
        found.dli_fbase != self.dli_fbase)
      return "the interposer is not the first object after the program: preload it by LD_PRELOAD";
  }
  const char *slices = getenv("G_SLICE");
  if (slices == nullptr || strcmp(slices, "always-malloc") != 0)
    return "set G_SLICE=always-malloc before the program starts: GLib's slices are hidden else";
  return nullptr;
}

EXPORTED void sl_interpose_add_ours(const char *prefix)
{
  add_ours(prefix);
}

EXPORTED void sl_interpose_set_task_function(void *function)
{
  set_task_function(function);
}

EXPORTED void sl_interpose_watch_thread(void)
{
  is_watched = true;
}

EXPORTED void sl_interpose_open(void)
{
  map_objects();
  ours.clear();
  floor_.clear();
  other.clear();
  for (OurPlace &place : our_places) {
    place.address = 0;
    place.function = nullptr;
  }
  window_is_open = true;
}

EXPORTED void sl_interpose_close(void)
{
  window_is_open = false;
}

EXPORTED SlInterposeCounts sl_interpose_counts(void)
{
  return {ours.read(), floor_.read(), other.read()};
}

EXPORTED void sl_interpose_print_places(void)
{
  for (const OurPlace &place : our_places) {
    const char *function = place.function;
    if (function == nullptr)
      continue;
    char text[128];
    describe(place.address, text, sizeof text);
    fprintf(stderr, "  %s for %s\n", function, text);
  }
}
