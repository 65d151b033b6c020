// SPDX-License-Identifier: LGPL-2.1-or-later
// The media half of a peer: a bin that takes media and gives media, over packets in and out.
//
//   MediaSession session(settings, listener);
//   gst_bin_add(element, session.bin());
//   GstPad *video = session.add_input(MediaKind::Video);   // ghost it on the element
//   session.begin(media, sender);   // the answer is there
//   session.set_connected(true);    // the transport may send
//   …
//   session.begin_bye();            // sends the BYE; listener.bye_sent() is called
//   session.stop();
//
// Threads: the media of an input comes in the thread of whoever pushes it; the media of an output
// leaves in a thread of rtpbin's jitter buffer. The receive step runs in the runtime's I/O thread.
// Control methods are for one thread at a time, which is no streaming thread: the I/O
// context, or the one that changes states. What may be called from any thread says so.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include <gst/gst.h>

#include "ext/webrtc/packet_port.h"
#include "ext/webrtc/session/gstslsendgate.h"
#include "ext/webrtc/session/receive_chain.h"
#include "ext/webrtc/session/send_chain.h"
#include "ext/webrtc/session/session_core.h"
#include "ext/webrtc/session/session_settings.h"
#include "gst/support/ownership.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

class MediaSession final : public PacketReceiver {
public:
  // The listener outlives the session.
  MediaSession(SessionSettings settings, SessionListener *listener);
  // The bin is in state NULL, or in no running parent.
  ~MediaSession();
  MediaSession(const MediaSession &) = delete;
  MediaSession &operator=(const MediaSession &) = delete;

  // To be added to the element; its state is the element's.
  GstElement *bin() const { return bin_.get(); }

  // Control. A sink pad of the bin, for raw or encoded media; one of a kind. It stays until the
  // end.
  GstPad *add_input(MediaKind kind);
  void remove_input(MediaKind kind);
  // Control. Whether the inputs have ended only when this one has, too: true at first, and to be
  // taken back where nothing is linked to it.
  void set_expected(MediaKind kind, bool expected);

  // Control, in PAUSED or PLAYING: the session with a peer, or, when there is one already, a new
  // one in its place. Inputs and outputs stay, and their running time goes on. The gates are closed
  // until set_connected(). `sender` is used until the next begin() or stop() has returned.
  // Waits for the threads of the old session, 1.5 s at most. Where one of them stands in a push of
  // an output, what follows the output is flushed after half a second. A consumer that does not
  // return even then gets a warning message, and no media until it does: let an sllink follow an
  // output whose consumer may block.
  support::Status begin(std::vector<SessionMedia> media, PacketSender *sender);
  // Control. Ends what begin() began, with the same limit; the outputs stay, and say nothing.
  void stop();

  // Any thread. While it is not connected, live input is dropped, and other input waits.
  void set_connected(bool connected);
  // Control. Ends what is sent by a BYE, at once; SessionListener::bye_sent() is called within it,
  // unless the inputs have ended by themselves and the BYE has been said.
  void begin_bye();

  // Control. The output of a kind, once begin() was called with a section that receives it: encoded
  // media, on a source pad of the bin. Null before.
  GstPad *output(MediaKind kind) const;
  // Control. EOS on all outputs.
  void end_outputs();

  // Any thread: asks the peer for a keyframe.
  void request_keyframe();
  // Any thread: asks the encoder of our video for one, where the peer may have missed pictures.
  void send_keyframe();
  // Any thread: of the encoder of an input of raw media, now and after a renewal. In bit/s.
  void set_bitrate(MediaKind kind, guint bitrate);

  // I/O context; the packet is left on a link.
  void received(PacketKind kind, support::MiniPtr<GstBuffer> packet) override;

  // Any thread.
  Liveness liveness() const;
  // Any thread. The structure `session` of the current session (docs/design/webrtc-session.md), or
  // an empty one, with a field for each input and output.
  support::StructurePtr stats() const;

private:
  struct Input;

  std::shared_ptr<SessionCore> core() const;
  void end_core();
  bool have_inputs_ended() const;
  void open_feeder();
  bool prepare(Input &input, GstCaps *caps);
  void make_outputs(const std::vector<SessionMedia> &media);
  std::shared_ptr<Input> input_of(MediaKind kind) const;
  std::vector<std::shared_ptr<Input>> inputs() const;
  std::vector<std::shared_ptr<ReceiveOutput>> outputs() const;

  static GstPadProbeReturn on_chain_event(GstPad *pad, GstPadProbeInfo *info, gpointer input);
  static gboolean answer_query(GstPad *pad, GstObject *parent, GstQuery *query);

  SessionSettings settings_;
  SessionListener *const listener_;
  support::GObjectPtr<GstElement> bin_;
  support::GObjectPtr<GstPad> feeder_;
  SendPace pace_;
  std::atomic<bool> is_connected_ = false;
  std::atomic<uint64_t> dropped_in_ = 0;

  // A leaf; guards the pointer and the lists, which control changes and any thread reads.
  mutable GMutex mutex_;
  std::shared_ptr<SessionCore> core_;
  std::vector<std::shared_ptr<Input>> inputs_;
  std::vector<std::shared_ptr<ReceiveOutput>> outputs_;
};

}  // namespace streamlib::webrtc
