// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/unmask.h"

#include <algorithm>

#include "gst/streamlib/graph/place.h"

namespace streamlib::graph {

namespace {

bool has_mask(const Json &value)
{
  if (const std::string *text = value.string())
    return text->find(kMask) != std::string::npos;
  if (const Json::Array *array = value.array())
    return std::any_of(array->begin(), array->end(), has_mask);
  if (const Json::Object *object = value.object())
    return std::any_of(object->begin(), object->end(),
                       [](const Json::Member &member) { return has_mask(member.second); });
  return false;
}

// `shown` is what the graph shows of `current`.
void restore(Json &value, const Json &current, const Json &shown)
{
  if (value == shown) {
    value = current;
    return;
  }
  if (Json::Object *object = value.object()) {
    for (auto &[name, member] : *object) {
      const Json *old = current.find(name);
      const Json *old_shown = shown.find(name);
      if (old != nullptr && old_shown != nullptr)
        restore(member, *old, *old_shown);
    }
    return;
  }
  Json::Array *array = value.array();
  if (array == nullptr || current.array() == nullptr || shown.array() == nullptr)
    return;
  const size_t length = std::min({array->size(), current.array()->size(), shown.array()->size()});
  for (size_t i = 0; i < length; i++)
    restore((*array)[i], (*current.array())[i], (*shown.array())[i]);
}

void find_masks(const Json &value, const Place &place, Problems &problems)
{
  if (const Json::Array *array = value.array()) {
    for (size_t i = 0; i < array->size(); i++)
      find_masks((*array)[i], place.at(i), problems);
  } else if (const Json::Object *object = value.object()) {
    for (const auto &[name, member] : *object) {
      const std::string *text = member.string();
      if (text != nullptr && *text == kMask && is_secret(name))
        problems.push_back(place.at(name).problem(
            "it is the mask of a secret that the graph has not", "give the secret itself"));
      else
        find_masks(member, place.at(name), problems);
    }
  }
}

}  // namespace

support::Result<Description, Problems> unmasked(Description next, const Description &current,
                                                const LoadOptions &options)
{
  if (!has_mask(next.json()))
    return next;
  Json json = next.json();
  restore(json, current.json(), current.masked());
  Problems problems;
  find_masks(json, {}, problems);
  if (!problems.empty())
    return problems;
  return json == next.json() ? support::Result<Description, Problems>(std::move(next))
                             : Description::from_json(std::move(json), options);
}

}  // namespace streamlib::graph
