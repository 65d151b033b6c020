// SPDX-License-Identifier: LGPL-2.1-or-later
// Finds out for whom a call is made. The rule stands in interpose.h.
#include "attribution.h"

#include <array>
#include <cstdio>
#include <cstring>

#include <link.h>
#include <unwind.h>

namespace streamlib::interpose {

namespace {

enum class Kind { kOurs, kTransparent, kInterposer, kOther };

// The code of one loaded object.
struct Range {
  uintptr_t begin;
  uintptr_t end;
  uintptr_t base;
  Kind kind;
  char name[64];
};

// Fixed arrays: whoever counts allocations must not make any.
constexpr size_t kMaxRanges = 512;
constexpr size_t kMaxPrefixes = 16;
constexpr int kMaxFrames = 64;

std::array<Range, kMaxRanges> ranges;
size_t range_count = 0;
std::array<const char *, kMaxPrefixes> ours;
size_t ours_count = 0;
uintptr_t task_function = 0;

// Their frames work for whoever called them.
constexpr const char *kTransparent[] = {
    "libc.so",          "libc-",          "ld-linux",        "libpthread",     "libstdc++",
    "libgcc_s",         "libglib-2.0",    "libgobject-2.0",  "libgio-2.0",     "libgmodule",
    "libgstreamer-1.0", "libgstbase-1.0", "libgstvideo-1.0", "libgstaudio-1.0"};

bool begins_with(const char *text, const char *prefix)
{
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

Kind kind_of(const char *name)
{
  for (size_t i = 0; i < ours_count; i++) {
    if (begins_with(name, ours[i]))
      return Kind::kOurs;
  }
  for (const char *prefix : kTransparent) {
    if (begins_with(name, prefix))
      return Kind::kTransparent;
  }
  return Kind::kOther;
}

void add_code(const dl_phdr_info &info, const ElfW(Phdr) & header)
{
  if (range_count == kMaxRanges)
    return;
  const char *slash = strrchr(info.dlpi_name, '/');
  Range &range = ranges[range_count++];
  range.base = info.dlpi_addr;
  range.begin = info.dlpi_addr + header.p_vaddr;
  range.end = range.begin + header.p_memsz;
  snprintf(range.name, sizeof range.name, "%s", slash != nullptr ? slash + 1 : info.dlpi_name);
  const auto self = reinterpret_cast<uintptr_t>(&map_objects);
  range.kind = self >= range.begin && self < range.end ? Kind::kInterposer : kind_of(range.name);
}

int map_object(dl_phdr_info *info, size_t, void *)
{
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) &header = info->dlpi_phdr[i];
    if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0)
      add_code(*info, header);
  }
  return 0;
}

const Range *range_of(uintptr_t address)
{
  for (size_t i = 0; i < range_count; i++) {
    if (address >= ranges[i].begin && address < ranges[i].end)
      return &ranges[i];
  }
  return nullptr;
}

Kind kind_at(uintptr_t address)
{
  const Range *range = range_of(address);
  return range != nullptr ? range->kind : Kind::kOther;
}

bool is_task_function(uintptr_t return_address)
{
  // The address after a call may belong to the next function already.
  auto *pc = reinterpret_cast<void *>(return_address - 1);
  return task_function != 0 &&
         reinterpret_cast<uintptr_t>(_Unwind_FindEnclosingFunction(pc)) == task_function;
}

struct Walk {
  Place place = {Owner::kOther, 0};
  int frames = 0;
  // The wrapper's own frames come first.
  bool is_inside_wrapper = true;
};

_Unwind_Reason_Code visit(_Unwind_Context *context, void *data)
{
  auto *walk = static_cast<Walk *>(data);
  const uintptr_t address = _Unwind_GetIP(context);
  const Kind kind = kind_at(address);
  if (walk->is_inside_wrapper && kind == Kind::kInterposer)
    return _URC_NO_REASON;
  walk->is_inside_wrapper = false;
  walk->place.address = address;
  if (kind == Kind::kTransparent && !is_task_function(address))
    return ++walk->frames < kMaxFrames ? _URC_NO_REASON : _URC_END_OF_STACK;
  // An interposed function that is no lock and no allocation is a push or a chain.
  walk->place.owner = kind == Kind::kOurs    ? Owner::kOurs
                      : kind == Kind::kOther ? Owner::kOther
                                             : Owner::kFloor;
  return _URC_END_OF_STACK;
}

}  // namespace

void add_ours(const char *prefix)
{
  if (ours_count < kMaxPrefixes)
    ours[ours_count++] = prefix;
}

void set_task_function(void *function)
{
  task_function = reinterpret_cast<uintptr_t>(function);
}

void map_objects()
{
  range_count = 0;
  dl_iterate_phdr(map_object, nullptr);
}

Place attribute(void *caller)
{
  const auto address = reinterpret_cast<uintptr_t>(caller);
  // Most calls are decided by the caller; only what libraries do for others needs the walk.
  const Kind kind = kind_at(address);
  if (kind == Kind::kOurs)
    return {Owner::kOurs, address};
  if (kind == Kind::kOther)
    return {Owner::kOther, address};
  Walk walk;
  _Unwind_Backtrace(visit, &walk);
  return walk.place;
}

void describe(uintptr_t address, char *text, size_t size)
{
  const Range *range = range_of(address);
  if (range == nullptr)
    snprintf(text, size, "%#zx", static_cast<size_t>(address));
  else
    snprintf(text, size, "%s+%#zx", range->name, static_cast<size_t>(address - range->base));
}

}  // namespace streamlib::interpose
