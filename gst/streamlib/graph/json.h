// SPDX-License-Identifier: LGPL-2.1-or-later
// A JSON value (RFC 8259) that keeps the order of its members and the whole range of integers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "gst/support/result.h"

namespace streamlib::graph {

class Json {
public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  // In the order of the text; names are unique (the parser refuses a second one).
  using Object = std::vector<Member>;

  Json() = default;
  // Not inline: GCC 12 sees uninitialised parts in a variant that it moves in place.
  Json(const Json &other);
  Json(Json &&other) noexcept;
  Json &operator=(const Json &other);
  Json &operator=(Json &&other) noexcept;
  ~Json();
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(static_cast<int64_t>(value)) {}
  Json(unsigned value) : value_(static_cast<int64_t>(value)) {}
  Json(int64_t value) : value_(value) {}
  // Up to INT64_MAX it is the same value as the signed one.
  Json(uint64_t value);
  Json(double value) : value_(value) {}
  Json(const char *value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_integer() const { return is_signed() || is_unsigned(); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  // "null", "boolean", "integer", "number", "string", "array", "object".
  const char *type_name() const;

  // Null when it is of another type, or does not fit.
  std::optional<bool> boolean() const;
  std::optional<int64_t> int64() const;
  std::optional<uint64_t> uint64() const;
  std::optional<double> number() const;
  const std::string *string() const { return std::get_if<std::string>(&value_); }
  const Array *array() const { return std::get_if<Array>(&value_); }
  Array *array() { return std::get_if<Array>(&value_); }
  const Object *object() const { return std::get_if<Object>(&value_); }
  Object *object() { return std::get_if<Object>(&value_); }

  // Of an object; null when there is none, or this is no object.
  const Json *find(std::string_view name) const;
  Json *find(std::string_view name);
  // Of an object (a null becomes one): replaces or appends.
  Json &set(std::string_view name, Json value);
  bool remove(std::string_view name);
  void append(Json value);

  // Objects are equal whatever the order of their members; 1 and 1.0 differ.
  friend bool operator==(const Json &one, const Json &other);

private:
  bool is_signed() const { return std::holds_alternative<int64_t>(value_); }
  bool is_unsigned() const { return std::holds_alternative<uint64_t>(value_); }

  // uint64_t only above INT64_MAX.
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Array, Object> value_;
};

// The failure's text says line, column and what was expected; a second member of the same name and
// a nesting of more than 128 levels are refused.
support::Result<Json> parse_json(std::string_view text);

enum class JsonStyle { Compact, Pretty };
std::string write_json(const Json &value, JsonStyle style = JsonStyle::Compact);

// One step of a JSON pointer (RFC 6901): "/" and the name, with "~" and "/" escaped.
std::string pointer_step(std::string_view name);
std::string pointer_step(size_t index);

}  // namespace streamlib::graph
