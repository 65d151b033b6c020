// SPDX-License-Identifier: LGPL-2.1-or-later
// JSON values as values of GObject properties, and back.
#pragma once

#include <string>

#include <gst/gst.h>

#include "gst/streamlib/graph/json.h"
#include "gst/support/result.h"

namespace streamlib::graph {

// The code of a Failure of set_value().
enum class ValueError {
  WrongType = 1,  // A JSON value of another type, or a text that does not read as one of the type.
  OutOfRange,
  UnknownName,  // Of an enumeration or of flags.
  NoText,       // The property's type cannot be described: a pointer or an object.
};

// A GValue that ends with its scope.
class PropertyValue {
public:
  PropertyValue() = default;
  explicit PropertyValue(GType type) { g_value_init(&value_, type); }
  PropertyValue(const PropertyValue &) = delete;
  PropertyValue &operator=(const PropertyValue &) = delete;
  ~PropertyValue()
  {
    if (G_IS_VALUE(&value_))
      g_value_unset(&value_);
  }
  GValue *get() { return &value_; }
  const GValue *get() const { return &value_; }

private:
  GValue value_ = G_VALUE_INIT;
};

// Makes of the JSON value one that the property takes, in a GValue that is empty or has the
// property's type; it is empty after a failure. Nothing is rounded or brought into range. Booleans,
// integers, numbers and strings stand for themselves; besides:
//   enumeration  the nick ("latest"), the name or the number
//   flags        nicks and names with "+" between them ("a+b", "" for none), an array of them, or
//                the number
//   fraction     "30/1", [30, 1] or 30
//   bitmask      the number or "0x3"
//   array, list  an array
//   caps, structure and all else that GStreamer can read: its text
//   null         nothing, where the type has that
// The failure's text is a sentence for the user that never holds the value of a secret property,
// its debug text the nearest right name or what to write, or empty. Any thread.
support::Status set_value(GValue *value, GParamSpec *spec, const Json &json);

// The JSON value that set_value() makes the same value of; null where there is none.
Json value_to_json(const GValue *value);

}  // namespace streamlib::graph
