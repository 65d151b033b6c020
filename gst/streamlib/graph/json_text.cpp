// SPDX-License-Identifier: LGPL-2.1-or-later
// JSON values from text and to text, by RapidJSON's event interface.
#include <bit>
#include <charconv>
#include <cmath>

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "gst/streamlib/graph/json.h"

namespace streamlib::graph {

using support::Failure;
using support::Result;

namespace {

constexpr size_t kMaxDepth = 128;
// Beyond this many members names are found by a hash.
constexpr size_t kSmallObject = 16;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// RapidJSON lets "\udc00" without the other half pass, and makes bytes of it that are no UTF-8.
bool holds_surrogate(std::string_view text)
{
  for (size_t at = text.find('\xed'); at != std::string_view::npos;
       at = text.find('\xed', at + 1)) {
    if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= 0xa0)
      return true;
  }
  return false;
}

// Finds the members of a large object by their names. It holds no names of its own: their places
// in the object, in a table at most half full.
class NameTable {
public:
  // Members that came since the last time are taken in.
  bool find(const Json::Object &members, std::string_view name)
  {
    if (places_.size() < 2 * (members.size() + 1)) {
      places_.assign(std::bit_ceil(4 * (members.size() + 1)), kFree);
      known_ = 0;
    }
    for (; known_ < members.size(); known_++)
      places_[slot_of(members, members[known_].first)] = static_cast<uint32_t>(known_);
    return places_[slot_of(members, name)] != kFree;
  }

private:
  static constexpr uint32_t kFree = UINT32_MAX;

  // Where the name stands, or where it would.
  size_t slot_of(const Json::Object &members, std::string_view name) const
  {
    size_t slot = std::hash<std::string_view>()(name) & (places_.size() - 1);
    while (places_[slot] != kFree && members[places_[slot]].first != name)
      slot = (slot + 1) & (places_.size() - 1);
    return slot;
  }

  std::vector<uint32_t> places_;
  size_t known_ = 0;
};

// Builds the value from the parser's events; a false ends the parser.
class Builder {
public:
  bool Null() { return add(nullptr); }
  bool Bool(bool value) { return add(value); }
  // Numbers come as text, so that no integer passes through a double.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }

  bool RawNumber(const char *text, rapidjson::SizeType length, bool)
  {
    const char *end = text + length;
    if (std::string_view(text, length).find_first_of(".eE") == std::string_view::npos) {
      int64_t number = 0;
      if (std::from_chars(text, end, number).ec == std::errc())
        return add(number);
      uint64_t big = 0;
      if (std::from_chars(text, end, big).ec == std::errc())
        return add(big);
      return refuse("an integer of more than 64 bits");
    }
    double number = 0;
    const std::from_chars_result read = std::from_chars(text, end, number);
    if (read.ec != std::errc() || read.ptr != end)
      return refuse("a number outside of the range of a double");
    return add(number);
  }

  bool String(const char *text, rapidjson::SizeType length, bool)
  {
    if (holds_surrogate({text, length}))
      return refuse("half of a surrogate pair");
    return add(std::string(text, length));
  }

  bool Key(const char *text, rapidjson::SizeType length, bool)
  {
    Level &level = levels_.back();
    std::string name(text, length);
    if (holds_surrogate(name))
      return refuse("half of a surrogate pair");
    Json::Object &members = *level.value.object();
    const bool known = members.size() < kSmallObject ? level.value.find(name) != nullptr
                                                     : level.names.find(members, name);
    if (known)
      return refuse("a second member \"" + name + "\" in the same object");
    members.emplace_back(std::move(name), Json());
    return true;
  }

  bool StartObject() { return begin(Json::Object()); }
  bool EndObject(rapidjson::SizeType) { return end(); }
  bool StartArray() { return begin(Json::Array()); }
  bool EndArray(rapidjson::SizeType) { return end(); }

  const std::string &refusal() const { return refusal_; }
  Json take() { return std::move(root_); }

private:
  struct Level {
    Json value;
    NameTable names;
  };

  bool refuse(std::string why)
  {
    refusal_ = std::move(why);
    return false;
  }

  bool add(Json value)
  {
    if (levels_.empty())
      root_ = std::move(value);
    else if (Json::Object *members = levels_.back().value.object())
      members->back().second = std::move(value);
    else
      levels_.back().value.array()->push_back(std::move(value));
    return true;
  }

  bool begin(Json value)
  {
    if (levels_.size() == kMaxDepth)
      return refuse("a nesting of more than " + std::to_string(kMaxDepth) + " levels");
    levels_.push_back({std::move(value), {}});
    return true;
  }

  bool end()
  {
    Json value = std::move(levels_.back().value);
    levels_.pop_back();
    return add(std::move(value));
  }

  std::vector<Level> levels_;
  Json root_;
  std::string refusal_;
};

Failure failure_at(std::string_view text, size_t offset, std::string_view what)
{
  offset = std::min(offset, text.size());
  size_t line = 1;
  size_t begin = 0;
  for (size_t i = 0; i < offset; i++) {
    if (text[i] == '\n') {
      line++;
      begin = i + 1;
    }
  }
  // A column is a character, not a byte.
  size_t column = 1;
  for (size_t i = begin; i < offset; i++)
    column += (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;
  return {0,
          "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " +
              std::string(what),
          "at byte " + std::to_string(offset) + " of " + std::to_string(text.size())};
}

template <typename Writer>
void write(Writer &writer, const Json &value)
{
  if (const Json::Object *members = value.object()) {
    writer.StartObject();
    for (const Json::Member &member : *members) {
      writer.Key(member.first.data(), static_cast<rapidjson::SizeType>(member.first.size()));
      write(writer, member.second);
    }
    writer.EndObject();
  } else if (const Json::Array *elements = value.array()) {
    writer.StartArray();
    for (const Json &element : *elements)
      write(writer, element);
    writer.EndArray();
  } else if (const std::string *text = value.string()) {
    writer.String(text->data(), static_cast<rapidjson::SizeType>(text->size()));
  } else if (const std::optional<bool> boolean = value.boolean()) {
    writer.Bool(*boolean);
  } else if (const std::optional<int64_t> number = value.int64()) {
    writer.Int64(*number);
  } else if (const std::optional<uint64_t> big = value.uint64()) {
    writer.Uint64(*big);
  } else if (const std::optional<double> real = value.number(); real && std::isfinite(*real)) {
    // The shortest text that reads back as the same value, and never as an integer.
    char text[64];
    char *end = std::to_chars(text, text + sizeof text - 2, *real).ptr;
    if (std::string_view(text, static_cast<size_t>(end - text)).find_first_of(".e") ==
        std::string_view::npos) {
      *end++ = '.';
      *end++ = '0';
    }
    writer.RawValue(text, static_cast<size_t>(end - text), rapidjson::kNumberType);
  } else {
    // JSON has no word for an infinite number either.
    writer.Null();
  }
}

}  // namespace

Result<Json> parse_json(std::string_view text)
{
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                              rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  const size_t skipped = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  const std::string_view body = text.substr(skipped);
  rapidjson::MemoryStream stream(body.data(), body.size());
  rapidjson::Reader reader;
  Builder builder;
  const rapidjson::ParseResult parsed = reader.Parse<kFlags>(stream, builder);
  if (parsed.IsError()) {
    const std::string what =
        builder.refusal().empty() ? rapidjson::GetParseError_En(parsed.Code()) : builder.refusal();
    return failure_at(text, skipped + parsed.Offset(), what);
  }
  // The parser takes a zero byte for the end of the text.
  if (stream.Tell() != body.size())
    return failure_at(text, skipped + stream.Tell(), "a zero byte after the value");
  return builder.take();
}

std::string write_json(const Json &value, JsonStyle style)
{
  rapidjson::StringBuffer buffer;
  if (style == JsonStyle::Pretty) {
    rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(buffer);
    writer.SetIndent(' ', 2);
    write(writer, value);
    return std::string(buffer.GetString(), buffer.GetSize()) + "\n";
  }
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  write(writer, value);
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace streamlib::graph
