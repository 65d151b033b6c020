// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/http/httpanswer.h"

#include <algorithm>

#include <gst/base/gsttypefindhelper.h>

#include "gst/support/guards.h"

namespace streamlib::http {

using support::adopt_mini;
using support::MiniPtr;

namespace {

// Enough for what has a head; looking through more would hold the I/O thread.
constexpr gsize kTypeFindBytes = 4096;

// A media type may have signs that the name of caps may not have.
bool is_caps_name(const std::string &type)
{
  return type.find('/') != std::string::npos && g_ascii_isalpha(type[0]) &&
         std::all_of(type.begin(), type.end(), [](char c) {
           return g_ascii_isalnum(c) || std::string("/-_.:+").find(c) != std::string::npos;
         });
}

}  // namespace

MiniPtr<GstCaps> caps_of(GstObject *object, GstBuffer *data, const std::string &type)
{
  GstTypeFindProbability probability = GST_TYPE_FIND_NONE;
  MiniPtr<GstCaps> found;
  {
    const support::MappedBuffer map(data, GST_MAP_READ);
    if (map)
      found = adopt_mini(gst_type_find_helper_for_data(
          object, map.data(), std::min(map.size(), kTypeFindBytes), &probability));
  }
  const bool is_named = is_caps_name(type) && type != "application/octet-stream";
  if (found && (probability >= GST_TYPE_FIND_LIKELY || !is_named))
    return found;
  return adopt_mini(
      gst_caps_new_empty_simple(is_named ? type.c_str() : "application/octet-stream"));
}

}  // namespace streamlib::http
