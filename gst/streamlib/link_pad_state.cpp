// SPDX-License-Identifier: LGPL-2.1-or-later
// The pushing end of a link pad, and what follows from the stream for the link.
#include "gst/streamlib/link_pad_state.h"

#include "gst/streamlib/processor_state.h"
#include "gst/support/guards.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_link_debug);
#define GST_CAT_DEFAULT gst_sl_link_debug

namespace streamlib {

using support::adopt_mini;
using support::MiniPtr;
using support::ObjectLock;

namespace {

constexpr unsigned kDefaultDepthLatest = 2;
constexpr unsigned kDefaultDepthInOrder = 32;
constexpr unsigned kDefaultDepthLossless = 16;

// So many events in front of a consumer that does not come are worth a warning.
constexpr unsigned kBacklogWarning = 1000;

// For whoever pushes into the pad.
class StreamLock {
public:
  explicit StreamLock(GstSlLinkPad *pad) : pad_(GST_PAD_CAST(pad)) { GST_PAD_STREAM_LOCK(pad_); }
  StreamLock(const StreamLock &) = delete;
  StreamLock &operator=(const StreamLock &) = delete;
  ~StreamLock() { GST_PAD_STREAM_UNLOCK(pad_); }

private:
  GstPad *const pad_;
};

unsigned default_depth(GstSlLinkPolicy policy)
{
  switch (policy) {
    case GST_SL_LINK_POLICY_LATEST:
      return kDefaultDepthLatest;
    case GST_SL_LINK_POLICY_IN_ORDER:
      return kDefaultDepthInOrder;
    default:
      return kDefaultDepthLossless;
  }
}

GstBuffer *first_buffer(GstMiniObject *data)
{
  if (GST_IS_BUFFER(data))
    return GST_BUFFER_CAST(data);
  auto *list = GST_BUFFER_LIST_CAST(data);
  return gst_buffer_list_length(list) > 0 ? gst_buffer_list_get(list, 0) : nullptr;
}

GstClockTime time_of(const GstSegment &segment, GstBuffer *buffer)
{
  if (buffer == nullptr || segment.format != GST_FORMAT_TIME)
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_running_time(&segment, GST_FORMAT_TIME, GST_BUFFER_DTS_OR_PTS(buffer));
}

}  // namespace

LinkPadState::LinkPadState(GstSlLinkPad *pad) : pad_(pad)
{
  gst_segment_init(&segment, GST_FORMAT_UNDEFINED);
  gst_segment_init(&pushed_segment_, GST_FORMAT_UNDEFINED);
  use_link(std::make_shared<Link>(), true);
}

// --- Any thread ---

void LinkPadState::update_limits()
{
  const GstSlLinkPolicy wish = settings.policy.load();
  const GstSlLinkPolicy decided = decided_.load();
  GstSlLinkPolicy policy = wish == GST_SL_LINK_POLICY_AUTO ? decided : wish;
  if (policy == GST_SL_LINK_POLICY_AUTO)
    policy = GST_SL_LINK_POLICY_LOSSLESS;

  unsigned depth = settings.depth.load();
  if (depth == 0)
    depth = default_depth(policy);
  const GstClockTime latency = latency_.load();
  const GstClockTime duration = duration_.load();
  // A sink that waits for the clock holds each buffer back by the latency; those must all fit.
  if (policy == GST_SL_LINK_POLICY_LATEST && GST_CLOCK_TIME_IS_VALID(latency) &&
      GST_CLOCK_TIME_IS_VALID(duration) && duration > 0)
    depth += static_cast<unsigned>((latency + duration - 1) / duration);

  Link &link = this->link();
  link.set_policy(policy);
  link.set_depth(depth);
  link.set_max_bytes(settings.max_bytes.load());
  link.set_max_time(settings.max_time.load());
  link.set_key_unit_drops(media_.load() == Media::EncodedVideo);
}

void LinkPadState::set_latency(GstClockTime latency)
{
  latency_.store(latency);
  update_limits();
}

GstClockTime LinkPadState::max_latency(GstClockTime upstream_max) const
{
  const GstClockTime duration = duration_.load();
  const Link &link = this->link();
  // A latest link deepens with the latency that is configured, a lossless one makes the source
  // wait: neither sets a limit. Before AUTO is decided nothing is known.
  const bool undecided = settings.policy.load() == GST_SL_LINK_POLICY_AUTO &&
                         decided_.load() == GST_SL_LINK_POLICY_AUTO;
  if (undecided || link.policy() != GST_SL_LINK_POLICY_IN_ORDER)
    return GST_CLOCK_TIME_NONE;
  if (!GST_CLOCK_TIME_IS_VALID(upstream_max) || !GST_CLOCK_TIME_IS_VALID(duration))
    return upstream_max;
  return upstream_max + link.depth() * duration;
}

void LinkPadState::set_paused(bool paused)
{
  link().set_paused(paused);
}

// --- The state-changing thread ---

void LinkPadState::set_processor(ProcessorState *processor)
{
  processor_ = processor;
  if (processor == nullptr)
    return;
  link().set_consumer(processor, processor->parker);
  link().set_paused(processor->is_paused());
}

void LinkPadState::activate(bool active)
{
  if (!active) {
    // Not the inlet: after a take-over that one is another pad's.
    link().close();
    return;
  }
  // GstPad lets a pusher in before it calls this. What comes before the link is open is refused,
  // and who is on the way out is waited for.
  const StreamLock lock(pad_);
  undecided_.store(true);
  decided_.store(GST_SL_LINK_POLICY_AUTO);
  duration_.store(GST_CLOCK_TIME_NONE);
  latency_.store(GST_CLOCK_TIME_NONE);
  media_.store(Media::Other);
  warned_of_backlog_ = false;
  gst_segment_init(&pushed_segment_, GST_FORMAT_UNDEFINED);
  gst_segment_init(&segment, GST_FORMAT_UNDEFINED);
  caps.reset();
  gap.reset();
  eos = false;
  unwanted.store(false);
  age_.clear();
  update_limits();
  link().open();
}

// --- The pushing thread ---

bool LinkPadState::is_live() const
{
  MiniPtr<GstQuery> query = adopt_mini(gst_query_new_latency());
  gboolean live = FALSE;
  if (gst_pad_peer_query(GST_PAD_CAST(pad_), query.get()))
    gst_query_parse_latency(query.get(), &live, nullptr, nullptr);
  return live;
}

void LinkPadState::learn_caps(GstCaps *new_caps)
{
  const GstStructure *structure = gst_caps_get_structure(new_caps, 0);
  const char *name = gst_structure_get_name(structure);
  Media media = Media::Other;
  if (g_str_equal(name, "video/x-raw"))
    media = Media::RawVideo;
  else if (g_str_equal(name, "audio/x-raw"))
    media = Media::RawAudio;
  else if (g_str_has_prefix(name, "video/"))
    media = Media::EncodedVideo;
  media_.store(media);
  int numerator, denominator;
  duration_.store(gst_structure_get_fraction(structure, "framerate", &numerator, &denominator) &&
                          numerator > 0
                      ? gst_util_uint64_scale_int(GST_SECOND, denominator, numerator)
                      : GST_CLOCK_TIME_NONE);
  redecide();
}

void LinkPadState::decide(GstMiniObject *first)
{
  undecided_.store(false, std::memory_order_relaxed);
  GstBuffer *buffer = first_buffer(first);
  if (!GST_CLOCK_TIME_IS_VALID(duration_.load()) && buffer != nullptr)
    duration_.store(GST_BUFFER_DURATION(buffer));
  GstSlLinkPolicy policy = GST_SL_LINK_POLICY_LOSSLESS;
  const Media media = media_.load();
  const bool asks = settings.policy.load() == GST_SL_LINK_POLICY_AUTO;
  if (asks && media == Media::RawVideo && is_live())
    policy = GST_SL_LINK_POLICY_LATEST;
  else if (asks && media == Media::RawAudio && is_live())
    policy = GST_SL_LINK_POLICY_IN_ORDER;
  const GstSlLinkPolicy before = decided_.exchange(policy);
  update_limits();
  if (policy == before || !asks)
    return;
  GST_INFO_OBJECT(pad_, "policy %d", policy);
  if (policy != GST_SL_LINK_POLICY_LOSSLESS)
    gst_element_post_message(processor()->element(), gst_message_new_latency(GST_OBJECT(pad_)));
}

GstFlowReturn LinkPadState::chain_each(ProcessorState &processor, GstBufferList *list)
{
  const MiniPtr<GstBufferList> owned = adopt_mini(list);
  GstFlowReturn flow = GST_FLOW_OK;
  for (guint i = 0; i < gst_buffer_list_length(list) && flow == GST_FLOW_OK; i++)
    flow = chain(processor, GST_MINI_OBJECT_CAST(gst_buffer_ref(gst_buffer_list_get(list, i))));
  return flow;
}

GstFlowReturn LinkPadState::chain(ProcessorState &processor, GstMiniObject *data)
{
  if (processor.is_inline())
    return processor.chain_inline(*this, data);
  if (GST_IS_BUFFER_LIST(data) && !processor.takes_lists())
    return chain_each(processor, GST_BUFFER_LIST_CAST(data));
  if (undecided_.load(std::memory_order_relaxed))
    decide(data);
  const bool needs_time = settings.max_time.load(std::memory_order_relaxed) != 0;
  Link &link = inlet();
  StepJob *job = StepJob::current();
  const Link::Pushed pushed = link.push(
      data, needs_time ? time_of(pushed_segment_, first_buffer(data)) : GST_CLOCK_TIME_NONE,
      job == nullptr ? Link::Wait::Allowed : Link::Wait::Forbidden);
  if (G_UNLIKELY(pushed == Link::Pushed::Suspend))
    job->suspend_on(link.shared_from_this());
  if (pushed != Link::Pushed::Refused)
    return GST_FLOW_OK;
  const GstFlowReturn flow = link.flow();
  return flow != GST_FLOW_OK ? flow : GST_FLOW_EOS;
}

GstFlowReturn LinkPadState::event(ProcessorState &processor, GstEvent *event)
{
  MiniPtr<GstEvent> owned = adopt_mini(event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_START:
      return processor.flush_start(*this, owned.release()) ? GST_FLOW_OK : GST_FLOW_ERROR;
    case GST_EVENT_FLUSH_STOP:
      return processor.flush_stop(*this, owned.release()) ? GST_FLOW_OK : GST_FLOW_ERROR;
    case GST_EVENT_CAPS: {
      GstCaps *new_caps;
      gst_event_parse_caps(event, &new_caps);
      learn_caps(new_caps);
      break;
    }
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment(event, &pushed_segment_);
      redecide();
      break;
    default:
      break;
  }
  if (!GST_EVENT_IS_SERIALIZED(event))
    return gst_pad_event_default(GST_PAD_CAST(pad_), GST_OBJECT_CAST(processor.self()),
                                 owned.release())
               ? GST_FLOW_OK
               : GST_FLOW_ERROR;
  if (processor.is_inline()) {
    const bool is_caps = GST_EVENT_TYPE(event) == GST_EVENT_CAPS;
    if (processor.handle_event(*this, owned.release()))
      return GST_FLOW_OK;
    return is_caps ? GST_FLOW_NOT_NEGOTIATED : GST_FLOW_ERROR;
  }

  // The pad offers it again when the link is open.
  const GstFlowReturn flow = inlet().flow();
  if (flow == GST_FLOW_FLUSHING && inlet().is_closed())
    return flow;
  // A sticky event waits for better times, and downstream that wants no more data still takes
  // events.
  const bool is_eos = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
  const bool waits = flow == GST_FLOW_EOS || (GST_EVENT_IS_STICKY(event) && !is_eos);
  if (flow != GST_FLOW_OK && !waits)
    return flow;
  const unsigned waiting = inlet().push_event(std::move(owned));
  if (G_UNLIKELY(waiting >= kBacklogWarning) && !std::exchange(warned_of_backlog_, true))
    warn_of_backlog(processor, waiting);
  return GST_FLOW_OK;
}

void LinkPadState::warn_of_backlog(ProcessorState &processor, unsigned waiting)
{
  support::CStr blocked;
  for (const auto &src : processor.src_pads()) {
    const auto peer = support::adopt_object(gst_pad_get_peer(src.get()));
    const auto next = support::adopt_object(peer ? gst_pad_get_parent(peer.get()) : nullptr);
    if (next)
      blocked.reset(gst_object_get_path_string(next.get()));
  }
  GST_ELEMENT_WARNING(processor.element(), STREAM, FAILED,
                      ("%u events wait in front of %s, which does not take them.", waiting,
                       blocked ? blocked.get() : GST_OBJECT_NAME(processor.self())),
                      ("link pad %s:%s", GST_DEBUG_PAD_NAME(pad_)));
}

// The pool upstream must not run dry while buffers wait in the link.
void LinkPadState::propose_buffers(GstQuery *allocation) const
{
  const unsigned extra = link().depth() + 1;
  const guint pools = gst_query_get_n_allocation_pools(allocation);
  for (guint i = 0; i < pools; i++) {
    GstBufferPool *pool;
    guint size, min, max;
    gst_query_parse_nth_allocation_pool(allocation, i, &pool, &size, &min, &max);
    support::GObjectPtr<GstBufferPool> owned = support::adopt_object(pool);
    gst_query_set_nth_allocation_pool(allocation, i, pool, size, min + extra,
                                      max == 0 ? 0 : max + extra);
  }
}

bool LinkPadState::query(ProcessorState &processor, GstQuery *query)
{
  GstObject *parent = GST_OBJECT_CAST(processor.self());
  if (GST_QUERY_TYPE(query) == GST_QUERY_CONTEXT && processor.answer_context(query))
    return true;
  if (!GST_QUERY_IS_SERIALIZED(query))
    return gst_pad_query_default(GST_PAD_CAST(pad_), parent, query);
  if (processor.is_inline())
    return processor.handle_query(*this, query);
  if (!inlet().push_query(query))
    return false;
  if (GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION)
    propose_buffers(query);
  return true;
}

// --- The consuming thread ---

// What was known of the stream before the flush is void. Under the link's ConsumerScope, so that no
// event from after the flush can have been seen yet.
void LinkPadState::follow_flush(const Link &link)
{
  if (G_LIKELY(link.flushes() == seen_flushes_))
    return;
  seen_flushes_ = link.flushes();
  gst_segment_init(&segment, GST_FORMAT_UNDEFINED);
  eos = false;
  unwanted.store(false);
  gap.reset();
}

LinkItem LinkPadState::next()
{
  Link &link = this->link();
  Link::ConsumerScope scope(link, processor());
  if (!scope || link.flow() == GST_FLOW_FLUSHING)
    return {};
  follow_flush(link);
  return link.take(link.peek(*this));
}

MiniPtr<GstBuffer> LinkPadState::peek_buffer()
{
  if (processor() == nullptr)
    return nullptr;
  processor()->serve_head(*this);
  if (gap)
    return gap;
  return look_at_next(MiniPtr<GstBuffer>(), [](const LinkItem &item) {
    return item.is_data() ? support::share_mini(first_buffer(item.object)) : MiniPtr<GstBuffer>();
  });
}

MiniPtr<GstBuffer> LinkPadState::pop_buffer()
{
  if (processor() == nullptr)
    return nullptr;
  processor()->serve_head(*this);
  processor()->note_pop();
  if (gap)
    return std::exchange(gap, nullptr);
  const bool is_buffer =
      look_at_next(false, [](const LinkItem &item) { return item.kind == LinkItem::Kind::Buffer; });
  if (!is_buffer)
    return nullptr;
  auto buffer = adopt_mini(GST_BUFFER_CAST(next().object));
  if (buffer && G_UNLIKELY(processor()->is_measuring()))
    note_age(running_time(buffer.get()));
  return buffer;
}

bool LinkPadState::drop_next()
{
  Link &link = this->link();
  Link::ConsumerScope scope(link, processor());
  return scope && link.drop(link.peek(*this));
}

void LinkPadState::note_seen()
{
  Link &link = this->link();
  Link::ConsumerScope scope(link, processor());
  if (scope)
    link.note_seen();
}

bool LinkPadState::has_news()
{
  Link &link = this->link();
  link.wake_waiting_pusher();
  return link.has_news();
}

MiniPtr<GstBuffer> LinkPadState::held_by_pause()
{
  Link &link = this->link();
  Link::ConsumerScope scope(link, processor());
  GstMiniObject *held = scope ? link.held_by_pause() : nullptr;
  return held != nullptr ? support::share_mini(first_buffer(held)) : nullptr;
}

GstClockTime LinkPadState::running_time(GstBuffer *buffer) const
{
  return time_of(segment, buffer);
}

bool LinkPadState::has_passed(GstBuffer *buffer)
{
  const GstClockTime due = running_time(buffer);
  if (!processor()->clock.has_clock() || !GST_CLOCK_TIME_IS_VALID(due))
    return true;
  const GstClockTime now = processor()->clock.running_time();
  const GstClockTime latency = latency_.load(std::memory_order_relaxed);
  // Before PLAYING nothing is late.
  return GST_CLOCK_TIME_IS_VALID(now) &&
         due + (GST_CLOCK_TIME_IS_VALID(latency) ? latency : 0) < now;
}

void LinkPadState::note_age(GstClockTime running_time)
{
  const GstClockTime now = processor()->clock.running_time();
  if (GST_CLOCK_TIME_IS_VALID(now) && GST_CLOCK_TIME_IS_VALID(running_time))
    age_.add(GST_CLOCK_DIFF(running_time, now));
}

void LinkPadState::follow(GstEvent *event)
{
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
      eos = false;
      unwanted.store(false);
      break;
    case GST_EVENT_CAPS: {
      GstCaps *new_caps;
      gst_event_parse_caps(event, &new_caps);
      caps = support::share_mini(new_caps);
      break;
    }
    case GST_EVENT_SEGMENT:
      unwanted.store(false);
      gst_event_copy_segment(event, &segment);
      break;
    case GST_EVENT_EOS:
      eos = true;
      break;
    default:
      break;
  }
}

}  // namespace streamlib
