// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/devicematch.h"

#include <algorithm>
#include <cctype>

namespace streamlib::camera {

namespace {

using support::Failure;
using support::Result;

bool shares_path(const DeviceInfo &a, const DeviceInfo &b)
{
  return std::any_of(a.paths.begin(), a.paths.end(), [&b](const std::string &path) {
    return std::find(b.paths.begin(), b.paths.end(), path) != b.paths.end();
  });
}

std::string lower(const std::string &text)
{
  std::string result = text;
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// The smaller, the better.
int rank(const DeviceInfo &device, bool by_dev_path)
{
  if (device.api == "v4l2")
    return by_dev_path ? 0 : 2;
  if (device.api == "pipewire")
    return 1;
  return 3;
}

bool is_dev_path(const std::string &query)
{
  return query.rfind("/dev/", 0) == 0;
}

// One entry for each camera: the best backend of each.
std::vector<size_t> distinct(const std::vector<DeviceInfo> &devices,
                             const std::vector<size_t> &found, bool by_dev_path)
{
  std::vector<size_t> result;
  for (size_t index : found) {
    const auto same = std::find_if(result.begin(), result.end(), [&](size_t other) {
      return shares_path(devices[index], devices[other]);
    });
    if (same == result.end())
      result.push_back(index);
    else if (rank(devices[index], by_dev_path) < rank(devices[*same], by_dev_path))
      *same = index;
  }
  return result;
}

template <typename Test>
std::vector<size_t> indices_where(const std::vector<DeviceInfo> &devices, Test test)
{
  std::vector<size_t> result;
  for (size_t i = 0; i < devices.size(); i++) {
    if (test(devices[i]))
      result.push_back(i);
  }
  return result;
}

// How good the match is: first what holds for this test alone decides.
std::vector<size_t> best_level(const std::vector<DeviceInfo> &devices, const std::string &query)
{
  auto found = indices_where(devices, [&](const DeviceInfo &device) {
    return std::find(device.paths.begin(), device.paths.end(), query) != device.paths.end();
  });
  if (found.empty())
    found =
        indices_where(devices, [&](const DeviceInfo &device) { return device.serial == query; });
  if (found.empty())
    found = indices_where(devices, [&](const DeviceInfo &device) { return device.name == query; });
  if (found.empty()) {
    const std::string part = lower(query);
    found = indices_where(devices, [&](const DeviceInfo &device) {
      return lower(device.name).find(part) != std::string::npos;
    });
  }
  return found;
}

}  // namespace

bool same_device(const DeviceInfo &a, const DeviceInfo &b)
{
  if (a.api != b.api)
    return shares_path(a, b);
  if (!a.serial.empty() || !b.serial.empty())
    return a.serial == b.serial && a.name == b.name;
  return a.name == b.name && (shares_path(a, b) || a.paths.empty() || b.paths.empty());
}

Result<size_t> match(const std::vector<DeviceInfo> &devices, const std::string &query)
{
  const auto all = indices_where(devices, [](const DeviceInfo &) { return true; });
  if (devices.empty())
    return Failure{static_cast<int>(MatchError::NoDevice),
                   "There is no camera. Plug one in, let PipeWire or the group `video` give you "
                   "access, or set device=test or fallback=test for a test picture.",
                   "no device of the class Video/Source"};
  if (query.empty())
    return distinct(devices, all, false).front();
  const auto found = distinct(devices, best_level(devices, query), is_dev_path(query));
  if (found.size() == 1)
    return found.front();
  if (found.empty())
    return Failure{
        static_cast<int>(MatchError::Unknown),
        "There is no camera “" + query +
            "”. Set `device` to a path, a serial, or a unique part of a name of these:\n" +
            list(devices),
        std::to_string(devices.size()) + " cameras, none matches"};
  std::vector<DeviceInfo> candidates;
  for (size_t index : found)
    candidates.push_back(devices[index]);
  return Failure{static_cast<int>(MatchError::Ambiguous),
                 "“" + query +
                     "” is more than one camera. Set `device` to the path or the serial of one of "
                     "these:\n" +
                     list(candidates),
                 std::to_string(found.size()) + " cameras match"};
}

std::string list(const std::vector<DeviceInfo> &devices)
{
  std::string text;
  for (const DeviceInfo &device : devices) {
    if (!text.empty())
      text += "\n";
    text += "  “" + device.name + "”";
    if (!device.paths.empty())
      text += ", path " + device.paths.front();
    if (!device.serial.empty())
      text += ", serial " + device.serial;
    if (!device.api.empty())
      text += " (" + device.api + ")";
  }
  return text;
}

}  // namespace streamlib::camera
