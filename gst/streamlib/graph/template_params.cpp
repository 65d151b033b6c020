// SPDX-License-Identifier: LGPL-2.1-or-later
// Parameters of templates: their values, and how these replace what names them.
#include <algorithm>
#include <cmath>

#include "gst/streamlib/graph/loader.h"
#include "gst/streamlib/graph/nearest.h"

namespace streamlib::graph {

namespace {

const std::vector<std::string_view> kTypes = {"any",     "string", "integer", "number",
                                              "boolean", "array",  "object"};

bool has_type(const Json &value, std::string_view type)
{
  if (type == "any")
    return true;
  if (type == "number")
    return value.is_number();
  return type == value.type_name();
}

template <typename Names>
std::vector<std::string_view> keys_of(const Names &names)
{
  std::vector<std::string_view> keys;
  for (const auto &entry : names)
    keys.emplace_back(entry.first);
  return keys;
}

// What a value stands for inside of a text; nothing for arrays, objects and null.
std::optional<std::string> text_of(const Json &value)
{
  if (const std::string *text = value.string())
    return *text;
  if (value.is_number() || value.is_bool())
    return write_json(value);
  return std::nullopt;
}

size_t size_of(const Json &value)
{
  size_t size = sizeof value;
  if (const std::string *text = value.string()) {
    size += text->size();
  } else if (const Json::Array *elements = value.array()) {
    for (const Json &element : *elements)
      size += size_of(element);
  } else if (const Json::Object *members = value.object()) {
    for (const Json::Member &member : *members)
      size += member.first.size() + size_of(member.second);
  }
  return size;
}

class Substitution {
public:
  Substitution(const Params &params, Problems &problems, size_t &budget)
      : params_(params), problems_(problems), budget_(budget)
  {}

  Json of(const Json &value, const Place &place)
  {
    if (exhausted_ || !spend(sizeof value, place))
      return {};
    if (const std::string *text = value.string())
      return of_text(*text, place);
    if (const Json::Array *elements = value.array()) {
      Json::Array result;
      for (size_t i = 0; i < elements->size(); i++)
        result.push_back(of((*elements)[i], place.at(i)));
      return result;
    }
    const Json::Object *members = value.object();
    if (members == nullptr)
      return value;
    if (members->size() == 1 && members->front().first == "param" &&
        members->front().second.is_string()) {
      const Json *param = find(*members->front().second.string(), place.at("param"));
      if (param == nullptr || !spend(size_of(*param), place))
        return {};
      return *param;
    }
    Json::Object result;
    for (const Json::Member &member : *members)
      result.emplace_back(member.first, of(member.second, place.at(member.first)));
    return result;
  }

private:
  bool spend(size_t bytes, const Place &place)
  {
    if (bytes <= budget_) {
      budget_ -= bytes;
      return true;
    }
    if (!exhausted_)
      problems_.push_back(place.problem("the templates expand to more than a graph can hold",
                                        "use fewer or smaller templates within each other"));
    exhausted_ = true;
    // Nothing more is made of any template.
    budget_ = 0;
    return false;
  }

  const Json *find(std::string_view name, const Place &place)
  {
    const auto found = params_.find(name);
    if (found != params_.end())
      return &found->second;
    problems_.push_back(place.problem(
        "the template has no parameter '" + std::string(name) + "'",
        problems_.size() < kHintedProblems ? did_you_mean(name, keys_of(params_)) : std::string()));
    return nullptr;
  }

  Json of_text(const std::string &text, const Place &place)
  {
    std::string result;
    size_t done = 0;
    while (true) {
      const size_t begin = text.find("${", done);
      if (begin == std::string::npos)
        break;
      // "$${" is a "${" that is meant as it stands.
      if (begin > done && text[begin - 1] == '$') {
        result.append(text, done, begin - done);
        result += '{';
        done = begin + 2;
        continue;
      }
      const size_t end = text.find('}', begin);
      if (end == std::string::npos) {
        problems_.push_back(
            place.problem("a '${' has no '}'", "write '$${' where no parameter is meant"));
        break;
      }
      result.append(text, done, begin - done);
      done = end + 1;
      const Json *param = find(std::string_view(text).substr(begin + 2, end - begin - 2), place);
      if (param == nullptr)
        continue;
      const std::optional<std::string> inserted = text_of(*param);
      if (!inserted) {
        problems_.push_back(place.problem(
            std::string("a value of the type ") + param->type_name() + " cannot stand in a text",
            "write {\"param\": \"…\"} in place of the whole value"));
        continue;
      }
      if (!spend(inserted->size(), place))
        return {};
      result += *inserted;
    }
    if (!spend(text.size(), place))
      return {};
    result.append(text, done);
    return result;
  }

  const Params &params_;
  Problems &problems_;
  size_t &budget_;
  bool exhausted_ = false;
};

}  // namespace

Json substitute(const Json &value, const Params &params, const Place &place, Problems &problems,
                size_t &budget)
{
  return Substitution(params, problems, budget).of(value, place);
}

bool ParamReader::fits(const Json &value, const Json &param, const Place &place)
{
  const Json *type = param.find("type");
  const std::string *name = type != nullptr ? type->string() : nullptr;
  if (name != nullptr && !has_type(value, *name)) {
    problems_.push_back(place.problem("the parameter is of the type " + *name +
                                      ", and the value of the type " + value.type_name()));
    return false;
  }
  const std::optional<double> number = value.number();
  const Json *minimum = param.find("minimum");
  const Json *maximum = param.find("maximum");
  const bool below =
      number && minimum != nullptr && minimum->number() && *number < *minimum->number();
  const bool above =
      number && maximum != nullptr && maximum->number() && *number > *maximum->number();
  if (below || above) {
    problems_.push_back(place.problem(std::string("the value is ") +
                                      (below ? "below the minimum of " + write_json(*minimum)
                                             : "above the maximum of " + write_json(*maximum))));
    return false;
  }
  const Json *allowed = param.find("enum");
  if (allowed == nullptr || !allowed->is_array())
    return true;
  const Json::Array &values = *allowed->array();
  if (std::find(values.begin(), values.end(), value) != values.end())
    return true;
  problems_.push_back(place.problem("the value is not one of " + write_json(*allowed)));
  return false;
}

Params ParamReader::read(const Json *given, const Place &given_place)
{
  Params params;
  const Json *defined = definition_.find("params");
  static const Json::Object kNone;
  const Json::Object &all = defined != nullptr && defined->is_object() ? *defined->object() : kNone;
  for (const auto &[name, param] : all) {
    const Json *value = given != nullptr ? given->find(name) : nullptr;
    if (value != nullptr) {
      if (fits(*value, param, given_place.at(name)))
        params[name] = *value;
      else
        params[name] = Json();
      continue;
    }
    const Json *by_default = param.find("default");
    if (by_default == nullptr)
      problems_.push_back(
          given_place.problem("the parameter '" + name + "' has no default and must be given"));
    params[name] = by_default != nullptr ? *by_default : Json();
  }
  if (given == nullptr || !given->is_object())
    return params;
  for (const Json::Member &member : *given->object()) {
    if (is_full(problems_))
      break;
    if (params.count(member.first) == 0)
      problems_.push_back(given_place.at(member.first)
                              .problem("the template has no parameter '" + member.first + "'",
                                       did_you_mean(member.first, keys_of(params))));
  }
  return params;
}

bool ParamReader::check()
{
  const size_t before = problems_.size();
  const Json *defined = definition_.find("params");
  if (defined == nullptr)
    return true;
  const Place place = place_.at("params");
  if (!defined->is_object()) {
    problems_.push_back(
        place.problem("it must be an object: names of parameters with their types"));
    return false;
  }
  for (const auto &[name, param] : *defined->object()) {
    if (!param.is_object()) {
      problems_.push_back(place.at(name).problem("it must be an object with 'type' and 'default'"));
      continue;
    }
    MemberReader reader(param, place.at(name), problems_);
    if (reader.has("type") && !reader.choice("type", kTypes))
      continue;
    reader.array("enum");
    reader.number("minimum");
    reader.number("maximum");
    reader.text("description");
    if (const Json *by_default = param.find("default"))
      fits(*by_default, param, place.at(name).at("default"));
  }
  return problems_.size() == before;
}

}  // namespace streamlib::graph
