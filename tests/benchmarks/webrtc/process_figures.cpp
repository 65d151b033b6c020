// SPDX-License-Identifier: LGPL-2.1-or-later
#include "process_figures.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>

namespace streamlib::bench {

namespace {

bool begins_with_any(const std::string &name, std::initializer_list<const char *> beginnings)
{
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](const char *beginning) { return name.rfind(beginning, 0) == 0; });
}

Owner owner_of(const std::string &name)
{
  if (begins_with_any(name, {"feed"}))
    return Owner::kSource;
  if (begins_with_any(name, {"rtp", "timer"}))
    return Owner::kRtpbin;
  if (begins_with_any(name, {"pool-", "gmain", "gdbus", "gupnp", "GstSystemClock"}))
    return Owner::kLibrary;
  return Owner::kElement;
}

int count_in(const ThreadNames &names, const std::string &name)
{
  const auto found = names.find(name);
  return found == names.end() ? 0 : found->second;
}

}  // namespace

const char *name_of(Owner owner)
{
  constexpr const char *kNames[kOwners] = {"source", "rtpbin", "library", "element"};
  return kNames[static_cast<int>(owner)];
}

ThreadNames thread_names()
{
  ThreadNames names;
  std::error_code error;
  for (const auto &task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    if (std::getline(file, name))
      names[name]++;
  }
  return names;
}

std::map<Owner, int> new_threads(const ThreadNames &before, const ThreadNames &now)
{
  std::map<Owner, int> found;
  for (const auto &[name, count] : now)
    found[owner_of(name)] += std::max(0, count - count_in(before, name));
  return found;
}

std::string new_thread_text(const ThreadNames &before, const ThreadNames &now)
{
  // Without the numbers in the names.
  ThreadNames kinds;
  for (const auto &[name, count] : now) {
    const int added = count - count_in(before, name);
    std::string kind = name;
    std::erase_if(kind, [](unsigned char c) { return isdigit(c) != 0; });
    if (added > 0 && owner_of(name) != Owner::kSource)
      kinds[kind] += added;
  }
  std::string text;
  for (const auto &[kind, count] : kinds)
    text +=
        (text.empty() ? "" : ", ") + kind + (count > 1 ? " " + std::to_string(count) + "x" : "");
  return text;
}

}  // namespace streamlib::bench
