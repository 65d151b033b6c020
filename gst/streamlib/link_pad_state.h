// SPDX-License-Identifier: LGPL-2.1-or-later
// What stands behind a GstSlLinkPad: its link, what is wished of it, and the stream's state at both
// ends.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include <gst/gst.h>

#include "gst/streamlib/gstsllinkpad.h"
#include "gst/streamlib/link.h"
#include "gst/support/ownership.h"
#include "gst/support/result.h"
#include "gst/support/running_mean.h"

namespace streamlib {

struct ProcessorState;

// What the properties ask for; 0 and AUTO leave it to the link.
struct LinkSettings {
  std::atomic<GstSlLinkPolicy> policy = GST_SL_LINK_POLICY_AUTO;
  std::atomic<unsigned> depth = 0;
  std::atomic<GstClockTime> max_time = 0;
  std::atomic<uint64_t> max_bytes = 0;
};

class LinkPadState final : public Link::Freshness {
public:
  explicit LinkPadState(GstSlLinkPad *pad);
  LinkPadState(const LinkPadState &) = delete;
  LinkPadState &operator=(const LinkPadState &) = delete;

  // The state of a pad. Lives as long as the pad.
  static LinkPadState &of(GstSlLinkPad *pad);

  GstSlLinkPad *pad() const { return pad_; }
  // Null before the pad is in a processor.
  ProcessorState *processor() const { return processor_.load(std::memory_order_relaxed); }
  // The link that the processor drains.
  Link &link() const { return *link_.load(std::memory_order_acquire); }

  // --- Any thread.
  LinkSettings settings;
  // Puts the settings into effect; what AUTO and 0 mean follows from the stream.
  void update_limits();
  // AUTO is decided anew at the next buffer.
  void redecide() { undecided_.store(true, std::memory_order_relaxed); }
  // The latency that the pipeline has configured.
  void set_latency(GstClockTime latency);
  // What the link adds to the greatest latency that the stream can stand.
  GstClockTime max_latency(GstClockTime upstream_max) const;
  support::StructurePtr stats() const;
  LinkCounters counters() const { return shared_link()->counters(); }
  GstSlLinkPolicy policy() const { return shared_link()->policy(); }
  unsigned depth() const { return shared_link()->depth(); }
  // What the pushing thread gets from now on.
  GstFlowReturn flow() const { return shared_link()->flow(); }
  // How old buffers are when they are taken, in nanoseconds of running time; negative for one that
  // is early.
  const support::RunningMean &age() const { return age_; }
  // Drops what is queued; the pushing thread must be outside.
  void flush() { link().flush(); }
  // A QOS message, if buffers were dropped since the last call. One thread.
  void post_drops(GstElement *element);
  void set_paused(bool paused);

  // --- The state-changing thread.
  // The processor that drains the pad from now on; null when the pad leaves it.
  void set_processor(ProcessorState *processor);
  void activate(bool active);
  // Moves the link of `from`, with all that is queued and counted, to this pad, and the peer after
  // it as soon as the peer's thread is between two buffers. Neither end waits for the other.
  support::Status take_over(LinkPadState &from);

  // --- The pushing thread.
  GstFlowReturn chain(ProcessorState &processor, GstMiniObject *data);
  GstFlowReturn event(ProcessorState &processor, GstEvent *event);
  bool query(ProcessorState &processor, GstQuery *query);
  bool is_ended() const { return inlet().is_ended(); }

  // --- The consuming thread.

  // What comes next; owned by the caller, but for a query.
  LinkItem next();
  // Shows the next item to `look` without taking it; returns what `look` returns, `none` for none.
  template <typename T, typename Look>
  T look_at_next(T none, Look look)
  {
    Link &link = this->link();
    Link::ConsumerScope scope(link, processor());
    // What a flush is about to drop is not shown any more.
    if (!scope || link.flow() == GST_FLOW_FLUSHING)
      return none;
    follow_flush(link);
    const LinkItem item = link.peek(*this);
    return item ? look(item) : none;
  }
  // The next buffer, after what stands in front of it was handled; null when there is none now.
  support::MiniPtr<GstBuffer> peek_buffer();
  support::MiniPtr<GstBuffer> pop_buffer();
  // The next item, if it is a buffer or a list: dropped and counted. False when it is not.
  bool drop_next();
  void note_seen();
  // True while something arrived since the last look; also lets a pusher go on that waits without
  // need, so that the worker may sleep.
  bool has_news();
  // The first buffer that a pause holds back; null when there is none.
  support::MiniPtr<GstBuffer> held_by_pause();
  GstClockTime running_time(GstBuffer *buffer) const;
  bool has_passed(GstBuffer *buffer) override;
  // A buffer of that running time is being taken.
  void note_age(GstClockTime running_time);
  // Follows a serialized event that is about to be handled.
  void follow(GstEvent *event);

  // The stream as the consumer has seen it so far.
  GstSegment segment;
  support::MiniPtr<GstCaps> caps;
  bool eos = false;
  // Downstream has answered EOS: what follows is dropped up to a new segment or stream. Any thread
  // may take it back.
  std::atomic<bool> unwanted = false;
  // A GAP event that stands for data, in processors with several link pads.
  support::MiniPtr<GstBuffer> gap;

private:
  support::RunningMean age_;
  Link &inlet() const { return *inlet_.load(std::memory_order_acquire); }
  GstFlowReturn chain_each(ProcessorState &processor, GstBufferList *list);
  void follow_flush(const Link &link);
  void learn_caps(GstCaps *caps);
  void decide(GstMiniObject *first);
  bool is_live() const;
  void warn_of_backlog(ProcessorState &processor, unsigned waiting);
  void propose_buffers(GstQuery *allocation) const;
  std::shared_ptr<Link> shared_link() const;
  void use_link(const std::shared_ptr<Link> &link, bool feed_it);
  void finish_take_over(GstPad *peer, LinkPadState &from);

  GstSlLinkPad *const pad_;
  std::atomic<ProcessorState *> processor_ = nullptr;
  // Consumer: the flushes that its view of the stream knows of.
  unsigned seen_flushes_ = 0;

  // They differ only while a take-over waits for the peer's thread: the peer still feeds the link
  // that another pad drains by now.
  std::atomic<Link *> link_ = nullptr;
  std::atomic<Link *> inlet_ = nullptr;
  // Every link that an end may still use; guarded by the pad's object lock.
  std::vector<std::shared_ptr<Link>> links_;

  std::atomic<bool> undecided_ = true;
  std::atomic<GstSlLinkPolicy> decided_ = GST_SL_LINK_POLICY_AUTO;
  std::atomic<GstClockTime> duration_ = GST_CLOCK_TIME_NONE;
  std::atomic<GstClockTime> latency_ = GST_CLOCK_TIME_NONE;

  // The stream as the pushing thread has seen it so far.
  enum class Media { Other, RawVideo, RawAudio, EncodedVideo };
  std::atomic<Media> media_ = Media::Other;
  GstSegment pushed_segment_;
  // Watchdog: the drops that were said.
  uint64_t reported_drops_ = 0;
  bool warned_of_backlog_ = false;
};

}  // namespace streamlib
