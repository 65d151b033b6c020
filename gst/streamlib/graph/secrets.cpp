// SPDX-License-Identifier: LGPL-2.1-or-later
// Secrets by their names, by their form, and by their values.
#include "gst/streamlib/graph/secrets.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace streamlib::graph {

namespace {

// A shorter value is no secret worth its name: what equals it by chance would be unreadable.
constexpr size_t kShortestWithin = 4;

uint32_t first_bytes(std::string_view text)
{
  static_assert(kShortestWithin == sizeof(uint32_t));
  uint32_t bytes = 0;
  memcpy(&bytes, text.data(), sizeof bytes);
  return bytes;
}

bool is_word_char(char c)
{
  return g_ascii_isalnum(c) || c == '-' || c == '_';
}

bool is_space(char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// "streamKey" and "STREAM_KEY" as "stream-key".
std::string dashed(std::string_view name)
{
  std::string result;
  for (size_t i = 0; i < name.size(); i++) {
    const char c = name[i];
    if (g_ascii_isupper(c) && i > 0 && g_ascii_islower(name[i - 1]))
      result += '-';
    result += g_ascii_isalnum(c) ? g_ascii_tolower(c) : '-';
  }
  return result;
}

// A part of a text that is a secret.
struct Span {
  size_t begin;
  size_t end;
};

// What stands behind "name=": with "(type)", in quotes or up to the next separator.
Span value_at(std::string_view text, size_t at)
{
  while (at < text.size() && is_space(text[at]))
    at++;
  if (at < text.size() && text[at] == '(') {
    const size_t close = text.find(')', at);
    if (close != std::string_view::npos)
      at = close + 1;
  }
  size_t quote_begin = at;
  while (quote_begin < text.size() && text[quote_begin] == '\\')
    quote_begin++;
  if (quote_begin < text.size() && (text[quote_begin] == '"' || text[quote_begin] == '\'')) {
    const char quote = text[quote_begin];
    const bool escaped = quote_begin > at;
    const size_t begin = quote_begin + 1;
    for (size_t i = begin; i < text.size(); i++) {
      if (text[i] != quote)
        continue;
      if (escaped)
        return {begin, i - 1};
      if (text[i - 1] != '\\')
        return {begin, i};
    }
    return {begin, text.size()};
  }
  size_t end = at;
  while (end < text.size() && !is_space(text[end]) &&
         std::string_view("&;#,\"'").find(text[end]) == std::string_view::npos)
    end++;
  return {at, end};
}

void find_assignments(std::string_view text, std::vector<Span> &spans)
{
  for (size_t i = text.find('='); i != std::string_view::npos; i = text.find('=', i + 1)) {
    size_t end = i;
    while (end > 0 && is_space(text[end - 1]))
      end--;
    size_t begin = end;
    while (begin > 0 && is_word_char(text[begin - 1]))
      begin--;
    if (begin == end || !is_secret(text.substr(begin, end - begin)))
      continue;
    const Span span = value_at(text, i + 1);
    if (span.end > span.begin)
      spans.push_back(span);
  }
}

// "scheme://user:password@host": all before the '@' but the scheme.
void find_user_infos(std::string_view text, std::vector<Span> &spans)
{
  constexpr std::string_view kMark = "://";
  for (size_t i = text.find(kMark); i != std::string_view::npos;
       i = text.find(kMark, i + kMark.size())) {
    const size_t begin = i + kMark.size();
    size_t at = std::string_view::npos;
    for (size_t j = begin; j < text.size(); j++) {
      const char c = text[j];
      if (c == '/' || c == '?' || c == '#' || c == '"' || is_space(c))
        break;
      if (c == '@')
        at = j;
    }
    if (at != std::string_view::npos && at > begin)
      spans.push_back({begin, at});
  }
}

void find_bearers(std::string_view text, std::vector<Span> &spans)
{
  for (const std::string_view scheme : {"bearer ", "basic "}) {
    for (size_t i = 0; i + scheme.size() < text.size(); i++) {
      if (g_ascii_tolower(text[i]) != scheme[0] ||
          g_ascii_strncasecmp(text.data() + i, scheme.data(), scheme.size()) != 0 ||
          (i > 0 && is_word_char(text[i - 1])))
        continue;
      const size_t begin = i + scheme.size();
      size_t end = begin;
      while (end < text.size() &&
             (g_ascii_isalnum(text[end]) ||
              std::string_view("-._~+/=").find(text[end]) != std::string_view::npos))
        end++;
      // "basic shapes" is a phrase, no credential.
      if (end - begin >= 8)
        spans.push_back({begin, end});
    }
  }
}

std::vector<Span> spans_of(std::string_view text)
{
  std::vector<Span> spans;
  find_assignments(text, spans);
  find_user_infos(text, spans);
  find_bearers(text, spans);
  std::sort(spans.begin(), spans.end(),
            [](const Span &one, const Span &other) { return one.begin < other.begin; });
  return spans;
}

bool holds_value(const Json &value)
{
  const bool is_param = value.is_object() && value.object()->size() == 1 && value.find("param");
  if (const std::string *text = value.string())
    return !text->empty();
  return !value.is_null() && !value.is_bool() && !is_param;
}

// Applies a function to all texts of a value, and masks what has a secret's name.
template <typename Change>
Json changed(const Json &value, const Change &change)
{
  if (const std::string *text = value.string())
    return change(*text);
  if (const Json::Array *elements = value.array()) {
    Json::Array result;
    for (const Json &element : *elements)
      result.push_back(changed(element, change));
    return result;
  }
  if (value.is_number()) {
    // A short one is the same as many by chance.
    const std::string text = write_json(value);
    if (text.size() < kShortestWithin)
      return value;
    const Json masked = change(text);
    return masked == Json(kMask) ? masked : value;
  }
  const Json::Object *members = value.object();
  if (members == nullptr)
    return value;
  Json::Object result;
  for (const Json::Member &member : *members) {
    // A description of a parameter or of a property is no value: its members are looked at.
    if (is_secret(member.first) && !member.second.is_object() && holds_value(member.second))
      result.emplace_back(member.first, kMask);
    else if (is_secret(member.first) && member.second.find("default") != nullptr &&
             holds_value(*member.second.find("default"))) {
      Json definition = changed(member.second, change);
      definition.set("default", kMask);
      result.emplace_back(member.first, std::move(definition));
    } else
      result.emplace_back(member.first, changed(member.second, change));
  }
  return result;
}

}  // namespace

bool is_secret(std::string_view property)
{
  static constexpr std::array kParts = {"token",      "password", "passwd",
                                        "passphrase", "secret",   "credential",
                                        "cookie",     "apikey",   "authorization"};
  static constexpr std::array kWords = {"pw", "pwd", "auth", "bearer", "pin"};
  // Of "pad::property" the last part.
  const size_t colons = property.rfind("::");
  const std::string name =
      dashed(colons == std::string_view::npos ? property : property.substr(colons + 2));
  for (const char *part : kParts) {
    if (name.find(part) != std::string::npos)
      return true;
  }
  const std::string words = "-" + name + "-";
  for (const char *word : kWords) {
    if (words.find("-" + std::string(word) + "-") != std::string::npos)
      return true;
  }
  return name == "key" || (name.ends_with("-key") && !name.ends_with("public-key"));
}

std::string masked_text(std::string_view text)
{
  std::string result;
  size_t done = 0;
  for (const Span &span : spans_of(text)) {
    if (span.end <= done)
      continue;
    if (span.begin > done)
      result.append(text.substr(done, span.begin - done));
    if (span.begin >= done)
      result += kMask;
    done = span.end;
  }
  result.append(text.substr(done));
  return result;
}

Json masked_json(const Json &value)
{
  return changed(value, [](const std::string &text) { return Json(masked_text(text)); });
}

Secrets::Secrets(const FlatGraph &graph)
{
  for (const FlatNode &node : graph.nodes) {
    add_config(node.config);
    add_text(node.bin);
  }
}

void Secrets::add(std::string_view secret)
{
  if (secret.empty() || !values_.emplace(secret).second || secret.size() < kShortestWithin)
    return;
  within_.emplace(first_bytes(secret), secret);
}

size_t Secrets::match(std::string_view text, size_t at) const
{
  if (text.size() - at < kShortestWithin)
    return 0;
  size_t longest = 0;
  const auto [begin, end] = within_.equal_range(first_bytes(text.substr(at)));
  for (auto found = begin; found != end; ++found) {
    if (found->second.size() > longest && text.substr(at).starts_with(found->second))
      longest = found->second.size();
  }
  return longest;
}

void Secrets::add_text(std::string_view text)
{
  for (const Span &span : spans_of(text))
    add(text.substr(span.begin, span.end - span.begin));
}

void Secrets::add_all(const Json &value)
{
  if (const std::string *text = value.string())
    add(*text);
  else if (value.is_number())
    add(write_json(value));
  else if (const Json::Array *elements = value.array())
    for (const Json &element : *elements)
      add_all(element);
  else if (const Json::Object *members = value.object())
    for (const Json::Member &member : *members)
      add_all(member.second);
}

void Secrets::add_config(const Json &config)
{
  if (const std::string *text = config.string()) {
    add_text(*text);
  } else if (const Json::Array *elements = config.array()) {
    for (const Json &element : *elements)
      add_config(element);
  } else if (const Json::Object *members = config.object()) {
    for (const Json::Member &member : *members) {
      if (is_secret(member.first))
        add_all(member.second);
      else
        add_config(member.second);
    }
  }
}

std::string Secrets::masked(std::string_view text) const
{
  const std::string shown = masked_text(text);
  if (values_.count(shown) != 0)
    return kMask;
  if (within_.empty())
    return shown;
  std::string result;
  for (size_t at = 0; at < shown.size();) {
    const size_t length = match(shown, at);
    if (length > 0)
      result += kMask;
    else
      result += shown[at];
    at += std::max<size_t>(length, 1);
  }
  return result;
}

Json Secrets::masked_json(const Json &value) const
{
  return changed(value, [this](const std::string &text) { return Json(masked(text)); });
}

void Secrets::mask(Problems &problems) const
{
  for (Problem &problem : problems) {
    problem.reason = masked(problem.reason);
    problem.hint = masked(problem.hint);
  }
}

}  // namespace streamlib::graph
