// SPDX-License-Identifier: LGPL-2.1-or-later
// The JSON value itself.
#include "gst/streamlib/graph/json.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace streamlib::graph {

namespace {

// Beyond this many members a comparison sorts them first.
constexpr size_t kSmallObject = 16;

template <typename Members>
auto find_member(Members &members, std::string_view name)
{
  return std::find_if(members.begin(), members.end(),
                      [name](const auto &member) { return member.first == name; });
}

std::vector<size_t> by_name(const Json::Object &members)
{
  std::vector<size_t> order(members.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&members](size_t one, size_t other) {
    return members[one].first < members[other].first;
  });
  return order;
}

bool same_members(const Json::Object &one, const Json::Object &other)
{
  if (one.size() != other.size())
    return false;
  if (one.size() <= kSmallObject) {
    return std::all_of(one.begin(), one.end(), [&other](const Json::Member &member) {
      const auto found = find_member(other, member.first);
      return found != other.end() && found->second == member.second;
    });
  }
  const std::vector<size_t> order = by_name(one);
  const std::vector<size_t> other_order = by_name(other);
  for (size_t i = 0; i < order.size(); i++) {
    if (one[order[i]] != other[other_order[i]])
      return false;
  }
  return true;
}

}  // namespace

Json::Json(const Json &other) = default;
Json::Json(Json &&other) noexcept = default;
Json &Json::operator=(const Json &other) = default;
Json &Json::operator=(Json &&other) noexcept = default;
Json::~Json() = default;

Json::Json(uint64_t value)
{
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    value_ = static_cast<int64_t>(value);
  else
    value_ = value;
}

const char *Json::type_name() const
{
  static constexpr const char *kNames[] = {"null",   "boolean", "integer", "integer",
                                           "number", "string",  "array",   "object"};
  return kNames[value_.index()];
}

std::optional<bool> Json::boolean() const
{
  const bool *value = std::get_if<bool>(&value_);
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<int64_t> Json::int64() const
{
  const int64_t *value = std::get_if<int64_t>(&value_);
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<uint64_t> Json::uint64() const
{
  if (const uint64_t *value = std::get_if<uint64_t>(&value_))
    return *value;
  const int64_t *value = std::get_if<int64_t>(&value_);
  return value != nullptr && *value >= 0 ? std::optional(static_cast<uint64_t>(*value))
                                         : std::nullopt;
}

std::optional<double> Json::number() const
{
  if (const double *value = std::get_if<double>(&value_))
    return *value;
  if (const int64_t *value = std::get_if<int64_t>(&value_))
    return static_cast<double>(*value);
  const uint64_t *value = std::get_if<uint64_t>(&value_);
  return value != nullptr ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

const Json *Json::find(std::string_view name) const
{
  const Object *members = object();
  if (members == nullptr)
    return nullptr;
  const auto found = find_member(*members, name);
  return found != members->end() ? &found->second : nullptr;
}

Json *Json::find(std::string_view name)
{
  return const_cast<Json *>(static_cast<const Json *>(this)->find(name));
}

Json &Json::set(std::string_view name, Json value)
{
  if (Json *found = find(name)) {
    *found = std::move(value);
    return *found;
  }
  if (!is_object())
    value_ = Object();
  Object *members = object();
  members->emplace_back(std::string(name), std::move(value));
  return members->back().second;
}

bool Json::remove(std::string_view name)
{
  Object *members = object();
  if (members == nullptr)
    return false;
  const auto found = find_member(*members, name);
  if (found == members->end())
    return false;
  members->erase(found);
  return true;
}

void Json::append(Json value)
{
  if (!is_array())
    value_ = Array();
  array()->push_back(std::move(value));
}

bool operator==(const Json &one, const Json &other)
{
  if (one.value_.index() != other.value_.index())
    return false;
  if (const Json::Object *members = one.object())
    return same_members(*members, *other.object());
  return one.value_ == other.value_;
}

std::string pointer_step(std::string_view name)
{
  std::string step = "/";
  for (const char c : name) {
    if (c == '~')
      step += "~0";
    else if (c == '/')
      step += "~1";
    else
      step += c;
  }
  return step;
}

std::string pointer_step(size_t index)
{
  return "/" + std::to_string(index);
}

}  // namespace streamlib::graph
