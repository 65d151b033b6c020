// SPDX-License-Identifier: LGPL-2.1-or-later
// Any text as the description of a graph: what is taken comes back the same and hides its secrets,
// what is refused says where.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "gst/streamlib/graph/description.h"

using namespace streamlib::graph;

namespace {

void require(bool condition)
{
  if (!condition)
    abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  const auto json = parse_json(text);
  if (json) {
    for (const JsonStyle style : {JsonStyle::Compact, JsonStyle::Pretty}) {
      const auto again = parse_json(write_json(*json, style));
      require(again.ok() && *again == *json);
    }
  } else {
    require(json.error().text.starts_with("line "));
  }

  // A folder without files.
  const auto loaded = Description::load(text, {"/proc/self/task/none"});
  if (!loaded) {
    require(!loaded.error().empty() && !to_text(loaded.error()).empty());
    return 0;
  }
  require(json.ok() && loaded->json() == *json);
  const auto again = Description::load(write_json(loaded->json()), {"/proc/self/task/none"});
  require(again.ok() && again->flat() == loaded->flat());
  const Json masked = loaded->masked();
  require(masked.object()->size() == json->object()->size());
  require(masked_json(masked) == masked_json(masked_json(masked)));
  return 0;
}
