// SPDX-License-Identifier: LGPL-2.1-or-later
// Members of objects with their types checked.
#include "gst/streamlib/graph/loader.h"
#include "gst/streamlib/graph/nearest.h"

namespace streamlib::graph {

namespace {

constexpr uint64_t kLongestMs = 7ULL * 24 * 3600 * 1000;

std::vector<std::string_view> nicks_of(GEnumClass *values)
{
  std::vector<std::string_view> nicks;
  for (guint i = 0; i < values->n_values; i++)
    nicks.emplace_back(values->values[i].value_nick);
  return nicks;
}

std::string article_of(const char *type)
{
  const bool vowel = type[0] == 'a' || type[0] == 'i' || type[0] == 'o';
  return std::string(vowel ? "an " : "a ") + type;
}

std::optional<RestartPolicy> restart_policy(MemberReader &reader, std::string_view name)
{
  const std::optional<int> policy = reader.choice(name, {"never", "on-error", "always"});
  return policy ? std::optional(static_cast<RestartPolicy>(*policy)) : std::nullopt;
}

std::optional<Restart> read_restart(const Json &value, MemberReader &reader)
{
  Restart restart;
  if (!value.is_object()) {
    if (!value.is_string()) {
      reader.problem("restart",
                     "it must be a string or an object, and is " + article_of(value.type_name()));
      return std::nullopt;
    }
    const std::optional<RestartPolicy> policy = restart_policy(reader, "restart");
    restart.policy = policy.value_or(RestartPolicy::Never);
    return policy ? std::optional(restart) : std::nullopt;
  }
  MemberReader inner = reader.inside("restart", value);
  restart.policy = restart_policy(inner, "policy").value_or(RestartPolicy::OnError);
  restart.delay_ms = inner.integer("delay", kLongestMs).value_or(restart.delay_ms);
  restart.max_delay_ms = inner.integer("max-delay", kLongestMs)
                             .value_or(std::max(restart.delay_ms, restart.max_delay_ms));
  restart.attempts = inner.integer("attempts", G_MAXUINT32);
  restart.stall_ms = inner.integer("stall", kLongestMs);
  if (restart.max_delay_ms < restart.delay_ms)
    inner.problem("max-delay",
                  "it is shorter than the delay of " + std::to_string(restart.delay_ms) + " ms");
  return restart;
}

}  // namespace

const Json *MemberReader::typed(std::string_view name, bool (Json::*is)() const, const char *wanted)
{
  const Json *value = object_.find(name);
  if (value == nullptr)
    return nullptr;
  if ((value->*is)())
    return value;
  problem(name, "it must be " + article_of(wanted) + ", and is " +
                    (value->is_null() ? "null" : article_of(value->type_name())));
  return nullptr;
}

const std::string *MemberReader::text(std::string_view name)
{
  const Json *value = typed(name, &Json::is_string, "string");
  return value != nullptr ? value->string() : nullptr;
}

const Json *MemberReader::object(std::string_view name)
{
  return typed(name, &Json::is_object, "object");
}

const Json *MemberReader::array(std::string_view name)
{
  return typed(name, &Json::is_array, "array");
}

std::optional<bool> MemberReader::boolean(std::string_view name)
{
  const Json *value = typed(name, &Json::is_bool, "boolean");
  return value != nullptr ? value->boolean() : std::nullopt;
}

std::optional<double> MemberReader::number(std::string_view name)
{
  const Json *value = typed(name, &Json::is_number, "number");
  return value != nullptr ? value->number() : std::nullopt;
}

std::optional<uint64_t> MemberReader::integer(std::string_view name, uint64_t maximum)
{
  const Json *value = typed(name, &Json::is_integer, "integer");
  if (value == nullptr)
    return std::nullopt;
  const std::optional<uint64_t> number = value->uint64();
  if (number && *number <= maximum)
    return number;
  problem(name, write_json(*value) + " is out of the range from 0 to " + std::to_string(maximum));
  return std::nullopt;
}

std::optional<int> MemberReader::choice(std::string_view name,
                                        const std::vector<std::string_view> &names)
{
  const std::string *value = text(name);
  if (value == nullptr)
    return std::nullopt;
  for (size_t i = 0; i < names.size(); i++) {
    if (names[i] == *value)
      return static_cast<int>(i);
  }
  problem(name, "'" + *value + "' is not one of " + list_of(names), did_you_mean(*value, names));
  return std::nullopt;
}

std::optional<int> MemberReader::choice(std::string_view name, GType type)
{
  auto *values = static_cast<GEnumClass *>(g_type_class_ref(type));
  const std::optional<int> index = choice(name, nicks_of(values));
  const std::optional<int> value =
      index ? std::optional(values->values[*index].value) : std::nullopt;
  g_type_class_unref(values);
  return value;
}

MemberReader MemberReader::inside(std::string_view name, const Json &object) const
{
  return {object, at(name), problems_};
}

void MemberReader::problem(std::string_view name, std::string reason, std::string hint)
{
  problems_.push_back(at(name).problem(std::move(reason), std::move(hint)));
}

Overrides Overrides::over(const Overrides &others) const
{
  Overrides result = *this;
  if (!result.scheduling)
    result.scheduling = others.scheduling;
  if (!result.execution)
    result.execution = others.execution;
  if (!result.priority)
    result.priority = others.priority;
  if (!result.restart)
    result.restart = others.restart;
  if (!result.essential)
    result.essential = others.essential;
  if (!result.on_upstream_removed)
    result.on_upstream_removed = others.on_upstream_removed;
  return result;
}

Overrides read_overrides(MemberReader &reader)
{
  Overrides result;
  if (const auto value = reader.choice("scheduling", GST_TYPE_SL_SCHEDULING))
    result.scheduling = static_cast<GstSlScheduling>(*value);
  if (const auto value = reader.choice("execution", GST_TYPE_SL_EXECUTION))
    result.execution = static_cast<GstSlExecution>(*value);
  if (const auto value = reader.choice("priority", GST_TYPE_SL_PRIORITY))
    result.priority = static_cast<GstSlPriority>(*value);
  if (const Json *restart = reader.member("restart"))
    result.restart = read_restart(*restart, reader);
  result.essential = reader.boolean("essential");
  if (const auto value = reader.choice("on-upstream-removed", {"eos", "gap"}))
    result.on_upstream_removed = static_cast<UpstreamRemoved>(*value);
  return result;
}

}  // namespace streamlib::graph
