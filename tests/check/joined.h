// SPDX-License-Identifier: LGPL-2.1-or-later
// A processor that joins several pads, and notes what each step found.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "processor_fixture.h"

namespace joined {

using namespace fixture;

struct Head {
  guint64 number;
  GstClockTime running_time;
  GstClockTime duration;
  bool is_gap;
};

// What a step found on each pad; nothing where a pad had nothing.
using Step = std::vector<std::optional<Head>>;

// A rig whose processor takes the head of each pad in each step, and pushes one buffer for them.
class Joined {
public:
  explicit Joined(size_t pads, Kind kind = Kind::Join)
      : is_sink_(kind == Kind::JoinSink), rig(kind, hooks())
  {
    if (kind == Kind::Join)
      rig.add_recorder();
    for (size_t i = 0; i < pads; i++)
      add_pad();
  }

  Feeder &add_pad()
  {
    Feeder &feeder = rig.add_feeder();
    const std::lock_guard lock(mutex_);
    links_.push_back(feeder.sink());
    return feeder;
  }
  void forget_pad(GstSlLinkPad *pad)
  {
    const std::lock_guard lock(mutex_);
    std::erase(links_, pad);
  }
  std::vector<Step> steps() const
  {
    const std::lock_guard lock(mutex_);
    return steps_;
  }
  bool has_steps(size_t count) const
  {
    return eventually([&] { return steps().size() >= count; });
  }
  Recorder &out() { return rig.out(); }
  Feeder &in(size_t i) { return rig.feeder(i); }
  void open_all()
  {
    for (size_t i = 0; i < links_.size(); i++)
      in(i).open();
  }

  // Pads are flushed while steps are taken.
  bool flushes = false;
  // Called at the end of each step, in the processor's thread.
  std::function<void()> after_step;

private:
  mutable std::mutex mutex_;
  std::vector<GstSlLinkPad *> links_;
  std::vector<Step> steps_;
  const bool is_sink_;

  Hooks hooks()
  {
    Hooks hooks;
    hooks.process = [this](GstSlLinkPad *pad, GstBuffer *input, GstBuffer **output) {
      fail_unless(pad == nullptr && input == nullptr);
      return take_heads(output);
    };
    return hooks;
  }

  GstFlowReturn take_heads(GstBuffer **output)
  {
    std::vector<GstSlLinkPad *> links;
    {
      const std::lock_guard lock(mutex_);
      links = links_;
    }
    Step step;
    GstClockTime earliest = GST_CLOCK_TIME_NONE;
    for (GstSlLinkPad *link : links) {
      const auto shown = adopt_mini(gst_sl_link_pad_peek_buffer(link));
      const auto head = adopt_mini(gst_sl_link_pad_pop_buffer(link));
      // A flush may take away what was shown; else it is what comes.
      if (shown && head && !flushes)
        fail_unless_equals_uint64(GST_BUFFER_OFFSET(shown.get()), GST_BUFFER_OFFSET(head.get()));
      fail_unless(flushes || !shown == !head);
      if (!head) {
        step.push_back(std::nullopt);
        continue;
      }
      const GstClockTime time = gst_sl_link_pad_get_running_time(link, head.get());
      earliest = std::min(earliest, time);
      step.push_back(Head{GST_BUFFER_OFFSET(head.get()), time, GST_BUFFER_DURATION(head.get()),
                          GST_BUFFER_FLAG_IS_SET(head.get(), GST_BUFFER_FLAG_GAP) != 0});
    }
    *output = make_buffer(earliest, 0);
    {
      const std::lock_guard lock(mutex_);
      GST_BUFFER_OFFSET(*output) = steps_.size();
      steps_.push_back(step);
    }
    if (is_sink_)
      gst_clear_buffer(output);
    if (after_step)
      after_step();
    return GST_FLOW_OK;
  }

public:
  // After what its hooks use: it stops the processor before that goes.
  Rig rig;
};

inline bool is_of(const Step &step, size_t pad, guint64 number)
{
  return step[pad] && step[pad]->number == number;
}

struct Latency {
  gboolean live = FALSE;
  GstClockTime min = 0;
  GstClockTime max = 0;
};

inline Latency ask_latency(Recorder &out)
{
  const auto query = adopt_mini(gst_query_new_latency());
  fail_unless(gst_pad_peer_query(out.pad(), query.get()));
  Latency answer;
  gst_query_parse_latency(query.get(), &answer.live, &answer.min, &answer.max);
  return answer;
}

inline bool send_seek(Recorder &out, GstSeekFlags flags)
{
  return gst_pad_push_event(out.pad(),
                            gst_event_new_seek(1.0, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET,
                                               GST_SECOND, GST_SEEK_TYPE_NONE, 0)) != FALSE;
}

}  // namespace joined
