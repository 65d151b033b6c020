// SPDX-License-Identifier: LGPL-2.1-or-later
// Edit distances between names.
#include "gst/streamlib/graph/nearest.h"

#include <algorithm>

namespace streamlib::graph {

namespace {

constexpr size_t kLongestName = 128;
constexpr size_t kListed = 12;

char folded(char c)
{
  if (c >= 'A' && c <= 'Z')
    return static_cast<char>(c - 'A' + 'a');
  return c == '_' ? '-' : c;
}

// How many letters have to be put in, taken out, replaced or swapped with their neighbour; anything
// above the limit is the limit and one.
size_t distance_of(std::string_view one, std::string_view other, size_t limit)
{
  const size_t apart =
      one.size() > other.size() ? one.size() - other.size() : other.size() - one.size();
  if (apart > limit)
    return limit + 1;
  const size_t width = other.size() + 1;
  std::vector<size_t> before_last(width), last(width), row(width);
  for (size_t column = 0; column < width; column++)
    last[column] = column;
  for (size_t i = 1; i <= one.size(); i++) {
    row[0] = i;
    size_t best = row[0];
    for (size_t j = 1; j < width; j++) {
      const char a = folded(one[i - 1]);
      const char b = folded(other[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a == b ? 0 : 1)});
      if (i > 1 && j > 1 && a == folded(other[j - 2]) && folded(one[i - 2]) == b)
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      best = std::min(best, row[j]);
    }
    if (best > limit)
      return limit + 1;
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[width - 1];
}

}  // namespace

std::string did_you_mean(std::string_view name, const std::vector<std::string_view> &candidates)
{
  if (name.empty() || name.size() > kLongestName)
    return {};
  size_t limit = std::clamp<size_t>(name.size() / 3, 1, 3);
  std::string_view found;
  for (const std::string_view candidate : candidates) {
    const size_t distance = distance_of(name, candidate, limit);
    if (distance > limit || (!found.empty() && distance == limit))
      continue;
    limit = distance;
    found = candidate;
    if (distance == 0)
      break;
  }
  return found.empty() ? std::string() : "did you mean '" + std::string(found) + "'?";
}

std::string list_of(const std::vector<std::string_view> &names)
{
  std::string text;
  const size_t shown = std::min(names.size(), kListed);
  for (size_t i = 0; i < shown; i++) {
    if (i > 0)
      text += i + 1 == names.size() ? " or " : ", ";
    text += "'" + std::string(names[i]) + "'";
  }
  if (shown < names.size())
    text += ", …";
  return text;
}

}  // namespace streamlib::graph
