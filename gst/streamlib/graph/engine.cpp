// SPDX-License-Identifier: LGPL-2.1-or-later
// Edits: from a wish to what runs. engine_states.cpp has the states, engine_messages.cpp what the
// elements say, engine_supervision.cpp what is done about it.
#include "gst/streamlib/graph/engine.h"

#include <chrono>
#include <condition_variable>
#include <memory>

#include "gst/streamlib/graph/clock.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_graph_debug);
#define GST_CAT_DEFAULT gst_sl_graph_debug

namespace streamlib::graph {

using support::Done;

namespace {

constexpr size_t kHistory = 16;
constexpr std::chrono::milliseconds kFreshLookLimit(100);

EditFailure failure(EditCode code, std::string reason, std::string hint = {})
{
  return {code, {Problem{"", std::move(reason), std::move(hint)}}};
}

// What a waiting caller and the worker share.
struct Pending {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<EditResult> result;
};

}  // namespace

Engine::Engine(GstBin *bin) : bin_(bin), events_(GST_ELEMENT(bin)), worker_(bin), observer_(events_)
{}

Engine::~Engine()
{
  end();
}

void Engine::end()
{
  worker_.end();
  for (const auto &[id, node] : running_.nodes)
    pads_.forget(id);
  running_ = {};
  std::lock_guard lock(index_mutex_);
  elements_.clear();
  owners_.clear();
}

void Engine::edit_async(EditFunction edit, EditOptions options,
                        std::function<void(EditResult)> done)
{
  auto shared_done = std::make_shared<std::function<void(EditResult)>>(std::move(done));
  const bool posted = worker_.post([this, edit = std::move(edit), options = std::move(options),
                                    shared_done] { (*shared_done)(apply(edit, options)); });
  if (!posted)
    (*shared_done)(failure(EditCode::Cancelled, "the graph is ending"));
}

bool Engine::may_wait_here() const
{
  if (worker_.is_current())
    return false;
  std::lock_guard lock(index_mutex_);
  return stream_threads_.find(g_thread_self()) == stream_threads_.end();
}

void Engine::set_runtime(GObjectPtr<GstSlRuntime> runtime)
{
  std::lock_guard lock(index_mutex_);
  std::swap(runtime_, runtime);
}

GObjectPtr<GstSlRuntime> Engine::runtime() const
{
  std::lock_guard lock(index_mutex_);
  return runtime_;
}

EditResult Engine::edit(EditFunction edit, EditOptions options)
{
  if (!may_wait_here())
    return failure(EditCode::WrongThread,
                   "a thread of the graph itself cannot wait for an edit of the graph",
                   "use the asynchronous form");
  const WaitScope waiting(*this);
  auto pending = std::make_shared<Pending>();
  edit_async(std::move(edit), std::move(options), [pending](EditResult result) {
    std::lock_guard lock(pending->mutex);
    pending->result.emplace(std::move(result));
    pending->changed.notify_all();
  });
  std::unique_lock lock(pending->mutex);
  pending->changed.wait(lock, [&] { return pending->result.has_value(); });
  return std::move(*pending->result);
}

EditResult Engine::undo()
{
  EditOptions options;
  options.is_undo = true;
  return edit(
      [this](const Description &) -> Result<Description, Problems> {
        std::lock_guard lock(desired_mutex_);
        if (history_.empty())
          return Problems{Problem{"", "there is no commit that could be undone", {}}};
        return history_.back();
      },
      options);
}

std::optional<EditFailure> Engine::conflict(const EditOptions &options) const
{
  std::lock_guard lock(desired_mutex_);
  if (!options.base_revision || *options.base_revision == revision_)
    return std::nullopt;
  return failure(EditCode::Conflict,
                 "the edit was made for revision " + std::to_string(*options.base_revision) +
                     ", and the graph is at " + std::to_string(revision_),
                 "read the graph again, and make the edit for what is there now");
}

CompileHost Engine::new_host()
{
  CompileHost host;
  host.bin = bin_;
  host.worker = &worker_;
  host.events = &events_;
  host.level = level_;
  host.setup_timeout = setup_timeout_.load();
  host.running_time = [this] { return running_time_of(GST_ELEMENT(bin_)); };
  host.own = [this](GstElement *element, const std::string &node) {
    std::lock_guard lock(index_mutex_);
    owners_[element] = node;
    fresh_.insert(element);
  };
  host.disown = [this](GstElement *element) {
    std::lock_guard lock(index_mutex_);
    owners_.erase(element);
    hushed_.erase(element);
    fresh_.erase(element);
    last_errors_.erase(element);
    ended_sinks_.erase(element);
  };
  host.hush = [this](GstElement *element) {
    std::lock_guard lock(index_mutex_);
    hushed_.insert(element);
  };
  host.last_error = [this](GstElement *element) {
    std::lock_guard lock(index_mutex_);
    const auto found = last_errors_.find(element);
    return found != last_errors_.end() ? found->second : std::string();
  };
  host.masked = [this](const std::string &text) { return masked(text); };
  host.watch_pads = [this](Node &node) { pads_.watch(node); };
  host.let_end = [this](std::unique_ptr<ParallelStates> states, std::vector<std::string> owners,
                        std::vector<std::string> names) {
    ending_.push_back({std::move(states), std::move(owners), std::move(names)});
    worker_.post_at(g_get_monotonic_time() + G_TIME_SPAN_SECOND, [this] { look_at_ending(); });
  };
  host.quarantine = [this](const std::string &node, const std::string &what) {
    quarantine(node, what);
  };
  return host;
}

EditResult Engine::apply(const EditFunction &edit, const EditOptions &options)
{
  if (const auto old = conflict(options))
    return *old;
  auto next = edit(desired());
  if (!next)
    return EditFailure{EditCode::Invalid, next.take_error()};
  FlatGraph flat = next->flat();
  Problems problems = validate(flat);
  if (!problems.empty())
    return EditFailure{EditCode::Invalid, std::move(problems)};

  PlanContext context;
  context.is_up = level_ >= GST_STATE_READY;
  context.is_running = level_ >= GST_STATE_PAUSED;
  context.replace = options.replace;
  EditOutcome outcome;
  outcome.revision = revision();
  outcome.plan = make_plan(running_.spec, flat, context);
  if (options.is_dry_run)
    return outcome;

  learn_secrets(flat);
  events_.graph("graph-will-change", outcome.revision);
  events_.graph("compile-started", outcome.revision);
  CompileHost host = new_host();
  host.instant = options.instant;
  host.fault_after = fault_after_.exchange(-1);
  const std::vector<std::string> hidden = hide_fallbacks(flat);
  Compiler compiler(host, running_);
  const auto carried = compiler.carry_out(outcome.plan, flat);
  show_fallbacks(hidden);
  look();
  if (!carried) {
    const CompileFailure &cause = carried.error();
    const EditCode code = cause.cancelled   ? EditCode::Cancelled
                          : cause.timed_out ? EditCode::TimedOut
                                            : EditCode::Failed;
    EditFailure result = masked(EditFailure{code, {cause.problem}});
    const Problem &problem = result.problems.front();
    events_.graph("compile-failed", outcome.revision, problem.pointer + ": " + problem.reason);
    return result;
  }
  record(std::move(*next), options.is_undo);
  outcome.revision = revision();
  events_.graph("compile-finished", outcome.revision);
  events_.graph("graph-did-change", outcome.revision);
  if (level_ >= GST_STATE_PAUSED)
    note_latency();
  check_eos();
  watch();
  dump_dot();
  return outcome;
}

// Worker.
void Engine::look(bool asks)
{
  observer_.sample(running_, level_, asks);
  const bool is_ready = observer_.is_ready();
  if (is_ready_.exchange(is_ready) == is_ready)
    return;
  if (is_ready)
    events_.graph("graph-ready", running_revision());
  g_object_notify(G_OBJECT(bin_), "ready");
}

void Engine::record(Description next, bool is_undo)
{
  std::map<std::string, GObjectPtr<GstElement>> elements;
  std::map<std::string, GstSlPriority> priorities;
  for (const auto &[id, node] : running_.nodes) {
    elements[id] = node->element;
    if (node->spec.priority)
      priorities[id] = *node->spec.priority;
    for (const auto &output : node->outputs)
      keep_eos(output->fanout.get(), node->spec.restart.policy == RestartPolicy::Always);
  }
  {
    std::lock_guard lock(index_mutex_);
    elements_ = std::move(elements);
    priorities_ = std::move(priorities);
    fresh_.clear();
  }
  std::lock_guard lock(desired_mutex_);
  if (is_undo) {
    history_.pop_back();
  } else {
    history_.push_back(std::move(desired_));
    if (history_.size() > kHistory)
      history_.pop_front();
  }
  desired_ = std::move(next);
  running_revision_ = ++revision_;
}

Description Engine::desired() const
{
  std::lock_guard lock(desired_mutex_);
  return desired_;
}

uint64_t Engine::revision() const
{
  std::lock_guard lock(desired_mutex_);
  return revision_;
}

uint64_t Engine::running_revision() const
{
  std::lock_guard lock(desired_mutex_);
  return running_revision_;
}

GObjectPtr<GstElement> Engine::element(const std::string &id) const
{
  std::lock_guard lock(index_mutex_);
  const auto found = elements_.find(id);
  return found != elements_.end() ? found->second : GObjectPtr<GstElement>();
}

std::vector<std::pair<std::string, GObjectPtr<GstElement>>> Engine::elements() const
{
  std::lock_guard lock(index_mutex_);
  return {elements_.begin(), elements_.end()};
}

// The description as it was given, with what became of it.
Json Engine::describe()
{
  const Description description = desired();
  Json result = description.masked();
  result.set("revision", revision());
  Json::Array drift;
  for (const auto &[id, node] : observer_.figures().nodes) {
    if (node.state != NodeState::Failed && node.state != NodeState::Quarantined)
      continue;
    Json entry(Json::Object{});
    entry.set("node", node.id);
    entry.set("state", name_of(node.state));
    entry.set("why", node.trouble);
    drift.push_back(std::move(entry));
  }
  result.set("running-revision", running_revision());
  result.set("drift", Json(std::move(drift)));
  return result;
}

Json Engine::stats()
{
  // A fresh look where the caller may wait for it, and the worker has time. Without one the figures
  // are those of the last look, and say how old they are.
  if (may_wait_here()) {
    auto pending = std::make_shared<Pending>();
    const bool posted = worker_.post([this, pending] {
      look(true);
      std::lock_guard lock(pending->mutex);
      pending->result.emplace(EditOutcome{});
      pending->changed.notify_all();
    });
    std::unique_lock lock(pending->mutex);
    if (posted)
      pending->changed.wait_for(lock, kFreshLookLimit, [&] { return pending->result.has_value(); });
  }
  Figures figures = observer_.figures();
  for (auto &[key, link] : figures.links)
    link.caps_text = masked(link.caps_text);
  figures.stalled_why = masked(figures.stalled_why);
  Json result = to_json(figures, observer_.declared(), threads());
  result.set("revision", revision());
  result.set("running-revision", running_revision());
  result.set("ready", is_ready());
  Json::Array held;
  {
    std::lock_guard lock(index_mutex_);
    for (const auto &[node, what] : quarantined_) {
      Json entry(Json::Object{});
      entry.set("node", node);
      entry.set("holds", what);
      held.push_back(std::move(entry));
    }
  }
  result.set("quarantine", Json(std::move(held)));
  return result;
}

Result<Done, EditFailure> Engine::pause_node(const std::string &id, bool pause)
{
  if (!may_wait_here())
    return failure(EditCode::WrongThread, "a thread of the graph itself cannot wait for the graph",
                   "call it from another thread");
  const WaitScope waiting(*this);
  auto pending = std::make_shared<Pending>();
  const bool posted = worker_.post([this, pending, id, pause] {
    EditResult result = EditOutcome{};
    Node *node = running_.find(id);
    if (node == nullptr) {
      result = EditFailure{EditCode::Invalid, {Problem{"", "there is no node '" + id + "'", {}}}};
    } else if (node->is_paused != pause) {
      node->is_paused = pause;
      set_node_paused(*node, pause);
      node->state = pause ? NodeState::Paused : NodeState::Running;
      events_.node("node-state-changed", id, name_of(node->state));
    }
    std::lock_guard lock(pending->mutex);
    pending->result.emplace(std::move(result));
    pending->changed.notify_all();
  });
  if (!posted)
    return failure(EditCode::Cancelled, "the graph is ending");
  std::unique_lock lock(pending->mutex);
  pending->changed.wait(lock, [&] { return pending->result.has_value(); });
  if (!*pending->result)
    return pending->result->error();
  return Done{};
}

}  // namespace streamlib::graph
