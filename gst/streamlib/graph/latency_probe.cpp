// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/latency_probe.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>

namespace streamlib::graph {

using support::adopt_mini;
using support::adopt_object;

namespace {

constexpr int64_t kLeastInterval = 1 * G_TIME_SPAN_SECOND;
constexpr int64_t kShare = 50;
constexpr std::chrono::milliseconds kEndLimit(200);
constexpr std::chrono::milliseconds kFirstAnswers(50);

struct Question {
  std::string key;
  GObjectPtr<GstPad> pad;  // Of an output; without, a sink is asked.
  GObjectPtr<GstElement> element;
};

std::vector<Question> questions_of(const Running &running)
{
  std::vector<Question> questions;
  for (const auto &[id, node] : running.nodes) {
    if (node->outputs.empty())
      questions.push_back({id, {}, node->element});
    for (const auto &output : node->outputs) {
      if (auto pad = adopt_object(gst_pad_get_peer(fanout_sink(output->fanout.get()))))
        questions.push_back({to_text({id, output->pad}), std::move(pad), {}});
    }
  }
  return questions;
}

}  // namespace

struct LatencyProbe::Shared {
  std::mutex mutex;  // Guards the following; nothing is called under it.
  std::condition_variable ended;
  DeclaredLatencies answers;
  std::vector<Question> questions;
  size_t next = 0;
  bool is_under_way = false;
  bool is_over = false;
  int64_t began_at = 0;
  int64_t took = 0;

  void run();
};

void LatencyProbe::Shared::run()
{
  const int64_t began = g_get_monotonic_time();
  std::vector<Question> all;
  size_t at;
  {
    std::lock_guard lock(mutex);
    all.swap(questions);
    at = next;
  }
  for (size_t i = 0; i < all.size(); i++, at++) {
    if (g_get_monotonic_time() - began > kRoundLimit)
      break;
    const Question &question = all[at % all.size()];
    const auto query = adopt_mini(gst_query_new_latency());
    const bool answered = question.pad
                              ? gst_pad_query(question.pad.get(), query.get()) != FALSE
                              : gst_element_query(question.element.get(), query.get()) != FALSE;
    DeclaredLatency answer;
    gboolean live = FALSE;
    gst_query_parse_latency(query.get(), &live, &answer.min, &answer.max);
    answer.is_live = live != FALSE;
    answer.asked_at = g_get_monotonic_time();
    std::lock_guard lock(mutex);
    if (is_over)
      break;
    if (answered)
      answers[question.key] = answer;
    else
      answers.erase(question.key);
  }
  // What they hold is let go outside of the lock.
  all.clear();
  std::lock_guard lock(mutex);
  next = at;
  took = g_get_monotonic_time() - began;
  is_under_way = false;
  ended.notify_all();
}

LatencyProbe::LatencyProbe() : shared_(std::make_shared<Shared>()) {}

// So that an element usually goes with its graph, and not with this thread.
LatencyProbe::~LatencyProbe()
{
  std::unique_lock lock(shared_->mutex);
  shared_->is_over = true;
  shared_->ended.wait_for(lock, kEndLimit, [this] { return !shared_->is_under_way; });
}

void LatencyProbe::ask(const Running &running)
{
  const int64_t now = g_get_monotonic_time();
  {
    std::lock_guard lock(shared_->mutex);
    if (shared_->is_under_way ||
        (shared_->began_at != 0 &&
         now - shared_->began_at < std::max(kLeastInterval, kShare * shared_->took)))
      return;
    shared_->began_at = now;
  }
  std::vector<Question> questions = questions_of(running);
  std::set<std::string> keys;
  for (const Question &question : questions)
    keys.insert(question.key);
  {
    std::lock_guard lock(shared_->mutex);
    std::erase_if(shared_->answers,
                  [&](const auto &answer) { return keys.find(answer.first) == keys.end(); });
    shared_->questions = std::move(questions);
    shared_->is_under_way = true;
  }
  auto *held = new std::shared_ptr<Shared>(shared_);
  const auto run = [](gpointer data) -> gpointer {
    const std::unique_ptr<std::shared_ptr<Shared>> owned(
        static_cast<std::shared_ptr<Shared> *>(data));
    (*owned)->run();
    return nullptr;
  };
  GThread *thread = g_thread_try_new("sl-latency", run, held, nullptr);
  if (thread != nullptr) {
    g_thread_unref(thread);
    return;
  }
  delete held;
  std::lock_guard lock(shared_->mutex);
  shared_->questions.swap(questions);
  shared_->is_under_way = false;
}

DeclaredLatencies LatencyProbe::answers() const
{
  std::unique_lock lock(shared_->mutex);
  shared_->ended.wait_for(lock, kFirstAnswers, [this] { return !shared_->is_under_way; });
  return shared_->answers;
}

}  // namespace streamlib::graph
