// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/peer/peer.h"

#include <algorithm>
#include <optional>
#include <string>

#include "ext/webrtc/peer/connection.h"
#include "ext/webrtc/peer/peer_stats.h"
#include "ext/webrtc/transport/ice.h"
#include "gst/support/guards.h"

namespace streamlib::webrtc {

using support::Done;
using support::GObjectPtr;
using support::MutexLock;
using support::share_object;
using support::StructurePtr;
using support::Task;

namespace {

// After a connection of this length the back-off begins anew.
constexpr gint64 kGoodConnectionUs = 5 * G_USEC_PER_SEC;
// Looks at the addresses of this machine.
constexpr guint kLookMs = 1000;
// A wait that other waits lead to ends a little later than they do.
constexpr gint64 kMarginUs = 300 * 1000;

// Its element's: what a user has asked for.
GstDebugCategory *category_of(PeerRole role)
{
  return role == PeerRole::Sender ? _gst_debug_category_new("slwhipsink", 0, "WHIP sink")
                                  : _gst_debug_category_new("slwhepsrc", 0, "WHEP source");
}

class PeerImpl final : public Peer,
                       public std::enable_shared_from_this<PeerImpl>,
                       private ConnectionOwner {
public:
  PeerImpl(GstElement *owner, GstSlRuntime *runtime, PeerSettings settings,
           std::vector<PeerMedia> media, MediaSession &session, PeerListener &listener)
      : element_(share_object(owner)),
        runtime_(share_object(runtime)),
        context_(gst_sl_runtime_get_io_context(runtime)),
        settings_(std::move(settings)),
        media_(std::move(media)),
        session_(session),
        listener_(listener),
        category_(category_of(settings_.role))
  {
    g_mutex_init(&mutex_);
    g_cond_init(&over_changed_);
  }
  PeerImpl(const PeerImpl &) = delete;
  PeerImpl &operator=(const PeerImpl &) = delete;
  virtual ~PeerImpl()
  {
    g_cond_clear(&over_changed_);
    g_mutex_clear(&mutex_);
  }

  void begin()
  {
    post([](PeerImpl &self) { support::run<Done>(life(self.shared_from_this()), nullptr); });
  }

  void end() override
  {
    post([](PeerImpl &self) {
      self.is_ending_ = true;
      if (self.connection_)
        self.connection_->stop();
      self.bell_.ring();
    });
  }

  bool end_and_wait() override
  {
    end();
    // It would wait for itself: a message handler of the application, in the I/O thread.
    if (g_main_context_is_owner(context_))
      return is_over_;
    const gint64 end_us = g_get_monotonic_time() + gint64{kEndLimitMs} * 1000 + kMarginUs;
    const MutexLock lock(mutex_);
    while (!is_over_)
      if (!g_cond_wait_until(&over_changed_, &mutex_, end_us))
        break;
    return is_over_;
  }

  bool is_over() const override { return is_over_; }
  PeerState state() const override { return state_; }

  void bye_sent() override
  {
    post([](PeerImpl &self) {
      if (self.connection_)
        self.connection_->bye_sent();
    });
  }

  StructurePtr stats() const override;

private:
  // Runs in the I/O context, later; whoever calls need not be known there.
  void post(void (*call)(PeerImpl &))
  {
    struct Call {
      std::shared_ptr<PeerImpl> self;
      void (*function)(PeerImpl &);
    };
    GSource *source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_name(source, "streamlib WebRTC peer");
    g_source_set_callback(
        source,
        [](gpointer data) -> gboolean {
          const auto *posted = static_cast<Call *>(data);
          posted->function(*posted->self);
          return G_SOURCE_REMOVE;
        },
        new Call{shared_from_this(), call},
        [](gpointer data) { delete static_cast<Call *>(data); });
    g_source_attach(source, context_);
    g_source_unref(source);
  }

  static Task<Done> life(std::shared_ptr<PeerImpl> self)
  {
    co_await self->live();
    self->finish();
    co_return Done{};
  }
  Task<Done> live();
  Task<Done> wait_to_retry(guint delay_ms);
  Task<ConnectionFailure> connect_once(RetryPolicy *policy);
  bool may_retry(const ConnectionFailure &failure) const;
  void finish();
  void set_state(PeerState state);

  void noted(GstDebugLevel level, const std::string &text) override
  {
    GST_CAT_LEVEL_LOG(category_, level, element_.get(), "%s", text.c_str());
  }
  void warn(const PeerProblem &problem)
  {
    noted(GST_LEVEL_WARNING, problem.text);
    listener_.peer_warned(problem);
  }
  void warned(const PeerProblem &problem) override { warn(problem); }
  void transport_made(std::shared_ptr<Transport> transport) override
  {
    std::optional<TransportStats> last;
    if (transport_ && !transport)
      last = transport_->stats();
    const MutexLock lock(mutex_);
    std::swap(transport_, transport);
    last_transport_ = std::move(last);
  }
  void media_begun(const std::vector<SessionMedia> &media) override
  {
    listener_.peer_media_begun(media);
  }
  void interrupted(const PeerProblem &problem) override
  {
    warn(problem);
    set_state(PeerState::Reconnecting);
  }
  void resumed(bool by_restart) override
  {
    restarts_ += by_restart ? 1 : 0;
    set_state(PeerState::Connected);
  }

  // Reset at the end: what it holds may be what holds this.
  GObjectPtr<GstElement> element_;
  const GObjectPtr<GstSlRuntime> runtime_;
  GMainContext *const context_;
  const PeerSettings settings_;
  const std::vector<PeerMedia> media_;
  MediaSession &session_;
  PeerListener &listener_;
  GstDebugCategory *const category_;

  // I/O context.
  std::unique_ptr<Connection> connection_;
  std::vector<std::string> left_sessions_;
  Bell bell_;
  bool is_ending_ = false;
  bool was_connected_ = false;

  std::atomic<PeerState> state_ = PeerState::New;
  std::atomic<bool> is_over_ = false;
  std::atomic<guint> attempts_ = 0;
  std::atomic<guint> connections_ = 0;
  std::atomic<guint> restarts_ = 0;

  // A leaf; guards what follows.
  mutable GMutex mutex_;
  GCond over_changed_;
  std::shared_ptr<Transport> transport_;  // Written in the I/O context.
  std::optional<TransportStats> last_transport_;
  std::string last_error_;
};

void PeerImpl::set_state(PeerState state)
{
  const PeerState before = state_.exchange(state);
  if (before == state)
    return;
  noted(GST_LEVEL_INFO, std::string(name_of(before)) + " -> " + name_of(state));
  listener_.peer_state_changed(state);
}

bool PeerImpl::may_retry(const ConnectionFailure &failure) const
{
  switch (settings_.reconnect) {
    case Reconnect::Never:
      return false;
    case Reconnect::OnFailure:
      return failure.may_pass;
    case Reconnect::Always:
      return failure.may_pass || failure.is_refusal;
  }
  return false;
}

// From the first word to the server to the last.
Task<ConnectionFailure> PeerImpl::connect_once(RetryPolicy *policy)
{
  attempts_++;
  noted(GST_LEVEL_INFO, "attempt " + std::to_string(attempts_));
  connection_ = std::make_unique<Connection>(context_, settings_, media_, session_,
                                             static_cast<ConnectionOwner &>(*this));
  connection_->set_left_sessions(std::move(left_sessions_));
  auto connected = co_await connection_->connect();
  ConnectionFailure failure;
  if (connected) {
    connections_++;
    was_connected_ = true;
    const gint64 since_us = g_get_monotonic_time();
    set_state(PeerState::Connected);
    failure = co_await connection_->stay();
    if (g_get_monotonic_time() - since_us > kGoodConnectionUs)
      policy->reset();
  } else {
    failure = connected.take_error();
  }
  co_await connection_->close(is_ending_);
  left_sessions_ = connection_->left_sessions();
  connection_.reset();
  transport_made(nullptr);
  co_return failure;
}

// A network that comes back with another address is worth an attempt before its time.
Task<Done> PeerImpl::wait_to_retry(guint delay_ms)
{
  const std::vector<std::string> addresses = addresses_of_this_machine();
  const gint64 end_us = g_get_monotonic_time() + gint64{delay_ms} * 1000;
  while (!is_ending_ && addresses_of_this_machine() == addresses) {
    const gint64 left_ms = (end_us - g_get_monotonic_time() + 999) / 1000;
    if (left_ms <= 0)
      break;
    co_await bell_.until([this] { return is_ending_; },
                         std::min(static_cast<guint>(left_ms), kLookMs));
  }
  co_return Done{};
}

Task<Done> PeerImpl::live()
{
  RetryPolicy policy(settings_.limits, [] { return g_random_double(); });
  set_state(PeerState::Connecting);
  while (!is_ending_) {
    const ConnectionFailure failure = co_await connect_once(&policy);
    if (is_ending_)
      break;
    {
      const MutexLock lock(mutex_);
      last_error_ = failure.text;
    }
    const auto delay_ms =
        may_retry(failure) ? policy.next_delay(static_cast<uint64_t>(g_get_monotonic_time()) / 1000,
                                               failure.retry_after_ms)
                           : std::nullopt;
    if (!delay_ms) {
      PeerProblem problem = failure;
      if (may_retry(failure))
        problem.text += " The property reconnect-attempts allows no further attempt.";
      else if (failure.may_pass)
        problem.text += " With reconnect=on-failure it would be tried again.";
      noted(GST_LEVEL_WARNING, problem.text);
      set_state(PeerState::Failed);
      listener_.peer_failed(problem);
      co_return Done{};
    }
    set_state(PeerState::Reconnecting);
    PeerProblem problem = failure;
    problem.text += " It is tried again in " + std::to_string(*delay_ms) + " ms.";
    warn(problem);
    co_await wait_to_retry(static_cast<guint>(*delay_ms));
  }
  set_state(PeerState::Closed);
  co_return Done{};
}

// The element may go with its last reference here.
void PeerImpl::finish()
{
  const GObjectPtr<GstElement> element = std::move(element_);
  const MutexLock lock(mutex_);
  is_over_ = true;
  g_cond_broadcast(&over_changed_);
}

StructurePtr PeerImpl::stats() const
{
  std::shared_ptr<Transport> transport;
  std::optional<TransportStats> figures;
  std::string last_error;
  {
    const MutexLock lock(mutex_);
    transport = transport_;
    figures = last_transport_;
    last_error = last_error_;
  }
  if (transport)
    figures = transport->stats();
  StructurePtr stats(gst_structure_new(
      "webrtc-stats", "state", G_TYPE_STRING, name_of(state_), "attempts", G_TYPE_UINT,
      attempts_.load(), "connections", G_TYPE_UINT, connections_.load(), "restarts", G_TYPE_UINT,
      restarts_.load(), "last-error", G_TYPE_STRING, last_error.c_str(), nullptr));
  if (figures) {
    const StructurePtr entry = structure_of(*figures);
    gst_structure_set(stats.get(), "transport", GST_TYPE_STRUCTURE, entry.get(), nullptr);
  }
  const StructurePtr session = session_.stats();
  gst_structure_set(stats.get(), "session", GST_TYPE_STRUCTURE, session.get(), nullptr);
  return stats;
}

}  // namespace

const char *name_of(PeerState state)
{
  switch (state) {
    case PeerState::New:
      return "new";
    case PeerState::Connecting:
      return "connecting";
    case PeerState::Connected:
      return "connected";
    case PeerState::Reconnecting:
      return "reconnecting";
    case PeerState::Failed:
      return "failed";
    case PeerState::Closed:
      return "closed";
  }
  return "";
}

std::shared_ptr<Peer> Peer::start(GstElement *owner, GstSlRuntime *runtime, PeerSettings settings,
                                  std::vector<PeerMedia> media, MediaSession &session,
                                  PeerListener &listener)
{
  const auto impl = std::make_shared<PeerImpl>(owner, runtime, std::move(settings),
                                               std::move(media), session, listener);
  impl->begin();
  return impl;
}

}  // namespace streamlib::webrtc
