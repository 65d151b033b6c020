// SPDX-License-Identifier: LGPL-2.1-or-later
// What stands between an input and the session: closed until the session is connected.
#pragma once

#include <atomic>
#include <functional>
#include <limits>

#include <gst/gst.h>

#include "gst/support/ownership.h"

#define GST_TYPE_SL_SEND_GATE (gst_sl_send_gate_get_type())
G_DECLARE_FINAL_TYPE(GstSlSendGate, gst_sl_send_gate, GST, SL_SEND_GATE, GstElement)

namespace streamlib::webrtc {

// By how much the inputs that are no live ones are later than their running time, because they had
// to wait; one for all inputs of a session, so that they stay together. Any thread.
class SendPace {
public:
  // What is set at first holds until the next reset().
  GstClockTimeDiff offset_for(GstClockTimeDiff wanted)
  {
    gint64 offset = kUnset;
    if (offset_.compare_exchange_strong(offset, wanted))
      return wanted;
    return offset;
  }
  void reset() { offset_ = kUnset; }

private:
  static constexpr gint64 kUnset = std::numeric_limits<gint64>::min();
  std::atomic<gint64> offset_ = kUnset;
};

struct SendGateHooks {
  // Streaming thread, before the first buffer after an opening, and after each change of caps: the
  // source pad is to be linked to what takes these caps. False: the stream ends with an error,
  // which the hook has posted.
  std::function<bool(GstCaps *caps)> prepare;
  // Streaming thread: the input has ended before anything was prepared.
  std::function<void()> ended_early;
  // Streaming thread, or the one that changes states: the input begins, for the first time or anew.
  std::function<void()> begun;
};

struct SendGateStats {
  guint64 passed = 0;
  guint64 dropped_closed = 0;    // Live input before the session was connected.
  guint64 dropped_no_key = 0;    // Encoded input after such a loss, up to the next keyframe.
  guint64 dropped_unlinked = 0;  // On its way while the session was exchanged.
  bool live = false;
};

// `possible`: the caps that the input may have. `pace` outlives the gate.
support::GObjectPtr<GstElement> make_send_gate(GstCaps *possible, SendPace *pace,
                                               SendGateHooks hooks);

// Any thread. A closed gate drops live input and lets other input wait; what was prepared is
// prepared anew after the next opening.
void set_send_gate_open(GstElement *gate, bool open);
SendGateStats send_gate_stats(GstElement *gate);

}  // namespace streamlib::webrtc
