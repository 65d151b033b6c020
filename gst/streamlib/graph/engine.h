// SPDX-License-Identifier: LGPL-2.1-or-later
// A graph at work: what is desired, what runs, and everything that leads from one to the other.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "gst/streamlib/graph/compiler.h"
#include "gst/streamlib/graph/description.h"
#include "gst/streamlib/graph/events.h"
#include "gst/streamlib/graph/observer.h"
#include "gst/streamlib/graph/pad_table.h"
#include "gst/streamlib/graph/plan.h"
#include "gst/streamlib/graph/secrets.h"
#include "gst/streamlib/graph/worker.h"
#include "gst/streamlib/gstslruntime_private.h"
#include "gst/streamlib/thread_priority.h"

namespace streamlib::graph {

enum class EditCode { Invalid, Conflict, Failed, TimedOut, Cancelled, WrongThread };

struct EditFailure {
  EditCode code = EditCode::Failed;
  Problems problems;
};

struct EditOptions {
  std::optional<uint64_t> base_revision;
  Instant instant;
  std::vector<std::string> replace;  // Nodes that get a new element although nothing changed.
  bool is_dry_run = false;
  bool is_undo = false;  // The last commit leaves the history.
};

struct EditOutcome {
  uint64_t revision = 0;
  Plan plan;
};

using EditResult = Result<EditOutcome, EditFailure>;
// Makes the next description of the one that is desired now. Worker.
using EditFunction = std::function<Result<Description, Problems>(const Description &current)>;

class Engine {
public:
  explicit Engine(GstBin *bin);
  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;
  ~Engine();

  // The worker ends, and what runs is let go. The bin is in NULL.
  void end();

  // Any thread. `done` is called once, by the worker, or at once when the graph is ending.
  void edit_async(EditFunction edit, EditOptions options, std::function<void(EditResult)> done);
  // Any thread but the graph's own: those of its streams and its worker are refused.
  EditResult edit(EditFunction edit, EditOptions options);
  EditResult undo();
  bool may_wait_here() const;

  // Any thread.
  Description desired() const;
  uint64_t revision() const;
  uint64_t running_revision() const;
  Json describe();
  Json stats();
  bool is_ready() const { return is_ready_.load(); }
  GObjectPtr<GstElement> element(const std::string &id) const;
  std::vector<std::pair<std::string, GObjectPtr<GstElement>>> elements() const;
  Result<support::Done, EditFailure> pause_node(const std::string &id, bool pause);

  // That of the elements.
  void set_runtime(GObjectPtr<GstSlRuntime> runtime);
  void set_setup_timeout(GstClockTime timeout) { setup_timeout_.store(timeout); }
  GstClockTime setup_timeout() const { return setup_timeout_.load(); }

  // The thread that changes the state of the bin, around GstBin's own part: no edit runs between
  // begin and end. The problem is that of a node which could not be set up.
  std::optional<Problem> begin_transition(GstStateChange transition);
  void end_transition(GstStateChange transition, GstStateChangeReturn result);
  // Any thread: sends the EOS to every source, and does not wait until they take it. False when
  // there is no source.
  bool end_sources(GstEvent *eos);
  // Any thread. True when the message goes no further.
  bool take_message(GstMessage *message);

  // The next edit fails after this number of steps.
  void make_up_fault(int after_step) { fault_after_.store(after_step); }

private:
  friend class Observer;

  // Around a wait for the worker, and for what works for the graph: calls to a runtime thread that
  // waits here are answered at once.
  class WaitScope {
  public:
    explicit WaitScope(const Engine &engine)
        : runtime_(engine.runtime()),
          waiting_(runtime_ ? dispatch_queue_of(runtime_.get()) : nullptr, engine.bin_)
    {}

  private:
    const GObjectPtr<GstSlRuntime> runtime_;
    const DispatchQueue::WaitScope waiting_;
  };

  EditResult apply(const EditFunction &edit, const EditOptions &options);
  GObjectPtr<GstSlRuntime> runtime() const;
  CompileHost new_host();
  void look(bool asks = false);
  void record(Description next, bool is_undo);
  std::optional<EditFailure> conflict(const EditOptions &options) const;

  // Secrets (engine_secrets.cpp).
  void learn_secrets(const FlatGraph &next);
  std::string masked(std::string_view text) const;
  EditFailure masked(EditFailure failure) const;
  support::MiniPtr<GstMessage> masked_message(GstMessage *message) const;
  void dump_dot() const;

  // States.
  std::optional<Problem> raise(GstState state);
  struct OwnedElement {
    std::string node;
    GObjectPtr<GstElement> element;
  };
  void lower(GstState state);
  void lower(const std::vector<OwnedElement> &all, GstState state, GstClockTime limit);
  void leave_behind(const std::string &node, GstElement *element);
  void recreate_lost();
  void guard_preroll(bool is_last);
  void forgo_first_buffer(const std::string &id, GstElement *sink);
  void play_without(const std::string &id, const GObjectPtr<GstElement> &sink);
  void follow(const std::string &id, const GObjectPtr<GstElement> &sink);

  // Messages.
  NodeThreads threads() const;
  std::string owner_of(GstObject *object, GstElement **child = nullptr) const;
  bool take_error(GstMessage *message);
  void take_stream_status(GstMessage *message);
  void note_latency();
  void check_eos();

  // Supervision; worker only.
  void node_failed(const std::string &id, unsigned generation, const std::string &why);
  void restart_node(const std::string &id, unsigned generation);
  std::vector<std::string> hide_fallbacks(const FlatGraph &desired);
  void show_fallbacks(const std::vector<std::string> &nodes);
  bool cycle(Node &node);
  void let_in_again(const Node &node);
  void move_consumers(Node &node, Node &source);
  void show_fallback(Node &node);
  void hide_fallback(Node &node);
  void end_consumers(Node &node);
  void check_alive();
  void quarantine(const std::string &node, const std::string &what);
  void look_at_ending();
  void watch();
  void tick();

  GstBin *const bin_;
  Events events_;
  Worker worker_;
  Observer observer_;
  PadTable pads_;

  // Worker, and the thread of a state change while the worker is paused.
  Running running_;
  GstState level_ = GST_STATE_NULL;
  std::vector<std::string> lost_;  // Nodes whose elements are in quarantine since a stop.
  struct Ending {
    std::unique_ptr<ParallelStates> states;
    std::vector<std::string> owners;
    std::vector<std::string> names;
  };
  std::vector<Ending> ending_;
  bool ticks_ = false;

  std::atomic<GstClockTime> setup_timeout_ = 5 * GST_SECOND;
  std::atomic<bool> is_ready_ = false;
  std::atomic<bool> is_raising_ = false;
  std::atomic<bool> latency_asked_ = false;
  // Requests that the thread which answers them has not seen done; it may outlive the graph.
  std::shared_ptr<std::atomic<unsigned>> latency_requests_ =
      std::make_shared<std::atomic<unsigned>>(0);
  std::atomic<int> fault_after_ = -1;

  // Guards desired_, revisions and history; nothing is called under it.
  mutable std::mutex desired_mutex_;
  Description desired_;
  uint64_t revision_ = 0;
  uint64_t running_revision_ = 0;
  std::deque<Description> history_;

  // Guards what messages need: who owns an element, what it said last, which threads are streams.
  // Nothing is called under it.
  mutable std::mutex index_mutex_;
  std::unordered_map<const void *, std::string> owners_;
  std::map<std::string, GObjectPtr<GstElement>> elements_;
  std::unordered_map<const void *, std::string> last_errors_;
  std::set<const void *> fresh_;
  std::set<const void *> hushed_;
  struct StreamThread {
    std::string node;
    ThreadFigures figures;
    // Of a foreign element's thread that got a priority.
    std::shared_ptr<ThreadPriority> priority;
  };
  std::map<const GThread *, StreamThread> stream_threads_;
  std::map<std::string, GstSlPriority> priorities_;
  std::shared_ptr<const Secrets> secrets_;
  GObjectPtr<GstSlRuntime> runtime_;
  std::set<const void *> ended_sinks_;
  guint32 eos_seqnum_ = GST_SEQNUM_INVALID;
  std::vector<std::pair<std::string, std::string>> quarantined_;
};

// Worker. What comes to a paused node waits or is dropped by the policy of its links; a paused
// source is not asked for anything.
void set_node_paused(Node &node, bool paused);

}  // namespace streamlib::graph
