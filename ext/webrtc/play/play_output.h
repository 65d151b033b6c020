// SPDX-License-Identifier: LGPL-2.1-or-later
// A pad of the element for one received medium: encoded or raw, as whoever is linked takes it.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "ext/webrtc/parameters.h"
#include "gst/support/guards.h"
#include "gst/support/ownership.h"

namespace streamlib::webrtc {

struct PlayOutputSettings {
  MediaKind kind = MediaKind::Video;
  GstClockTime latency = 0;  // Of the jitter buffer, in nanoseconds.
  guint group_id = 0;
  // Any thread.
  std::function<void()> request_keyframe;
};

struct PlayOutputStats {
  uint64_t passed = 0;
  uint64_t dropped_unlinked = 0;
  uint64_t dropped_full = 0;    // Whoever takes it was too slow.
  uint64_t dropped_no_key = 0;  // After one of these, until a keyframe came.
  uint64_t refused = 0;         // Pushed in vain.
  uint64_t times_mended = 0;    // Before the one before, and put right.
  bool is_decoding = false;
};

// session output → link (its own thread) → [decoder] → pad of the element
class PlayOutput {
public:
  // What comes is one of the codecs. The pad is active, and still to be added to the element.
  PlayOutput(GstBin *bin, GstPadTemplate *pad_template, const std::string &name,
             PlayOutputSettings settings, const std::vector<Codec> &codecs);
  // The bin is in READY or NULL, and the pad no pad of the element any more.
  ~PlayOutput();
  PlayOutput(const PlayOutput &) = delete;
  PlayOutput &operator=(const PlayOutput &) = delete;

  MediaKind kind() const { return settings_.kind; }
  GstPad *pad() const { return ghost_.get(); }
  GstStream *stream() const { return stream_.get(); }
  // Before the pad is added to the element.
  void set_collection(GstStreamCollection *collection);
  // Control: joins the output of the session to the link.
  void attach(GstPad *encoded);
  // Any thread: what a new session with the peer may send.
  void set_codecs(const std::vector<Codec> &codecs);
  PlayOutputStats stats() const;

private:
  enum class Form { None, Encoded, Raw };

  void decide(GstPad *peer);
  support::MiniPtr<GstCaps> possible_caps(Form form) const;
  bool build();
  void drop_chain();
  void refuse(GstFlowReturn flow);
  GstEvent *take_event(GstEvent *event);
  bool take_buffer(GstBuffer **buffer);
  void end_unbuilt();

  static void on_linked(GstPad *pad, GstPad *peer, gpointer self);
  static void on_unlinked(GstPad *pad, GstPad *peer, gpointer self);
  static gboolean on_query(GstPad *pad, GstObject *parent, GstQuery *query);
  static GstPadProbeReturn on_arrival(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_leave(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_caps_query(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_latency(GstPad *pad, GstPadProbeInfo *info, gpointer self);

  GstBin *const bin_;
  const PlayOutputSettings settings_;
  support::GObjectPtr<GstElement> link_;
  support::GObjectPtr<GstPad> link_sink_;
  support::GObjectPtr<GstPad> link_src_;
  support::GObjectPtr<GstPad> ghost_;
  support::GObjectPtr<GstStream> stream_;
  support::GObjectPtr<GstStreamCollection> collection_;
  support::PadProbe arrival_probe_;
  support::PadProbe caps_probe_;
  support::PadProbe latency_probe_;
  support::PadProbe leave_probe_;

  // What is wanted, and how often that has changed.
  std::atomic<Form> wanted_ = Form::None;
  std::atomic<guint> decisions_ = 0;

  // A leaf; guards what follows.
  mutable GMutex codecs_mutex_;
  support::MiniPtr<GstCaps> encoded_caps_;

  // --- The link's thread.
  support::GObjectPtr<GstElement> decoder_;
  support::MiniPtr<GstCaps> current_caps_;
  guint built_for_ = 0;
  bool is_built_ = false;
  bool has_failed_ = false;
  bool needs_key_ = false;
  bool is_discont_ = true;
  bool has_decoded_ = false;
  bool has_said_refusal_ = false;

  // --- The thread that pushes out of the pad: the link's, or that of a decoder.
  GstClockTime last_pts_ = GST_CLOCK_TIME_NONE;

  // --- The thread of the session's output.
  bool is_overflowing_ = false;
  bool arrival_needs_key_ = false;

  std::atomic<bool> is_decoding_ = false;
  std::atomic<uint64_t> passed_ = 0;
  std::atomic<uint64_t> dropped_unlinked_ = 0;
  std::atomic<uint64_t> dropped_full_ = 0;
  std::atomic<uint64_t> dropped_no_key_ = 0;
  std::atomic<uint64_t> refused_ = 0;
  std::atomic<uint64_t> times_mended_ = 0;
};

}  // namespace streamlib::webrtc
