// SPDX-License-Identifier: LGPL-2.1-or-later
// A client of WHIP or WHEP from its start to its end: signalling, transport and media session
// together, with every connection that it takes.
//
//   auto peer = Peer::start(GST_ELEMENT(self), runtime, settings, media, session, listener);
//   …
//   peer->end();                 // when the inputs have ended: BYE, DELETE; then state Closed
//   peer->end_and_wait();        // PAUSED to READY
//   peer.reset();
//
// The element implements SessionListener and hands bye_sent() on to the peer.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include <gst/gst.h>

#include "ext/webrtc/peer/peer_settings.h"
#include "ext/webrtc/session/media_session.h"
#include "gst/streamlib/gstslruntime.h"
#include "gst/support/ownership.h"

namespace streamlib::webrtc {

// As the property `state` shows it: "connecting".
const char *name_of(PeerState state);

class Peer {
public:
  // All that an end takes: BYE, close_notify, DELETE.
  static constexpr guint kEndLimitMs = 1900;

  // Any thread that is no streaming thread, such as the one of READY to PAUSED. Returns at once.
  // `owner` is kept until the peer is over; session and listener are part of it. Control of the
  // session (begin, stop, begin_bye) is the peer's from now on, until it is over.
  static std::shared_ptr<Peer> start(GstElement *owner, GstSlRuntime *runtime,
                                     PeerSettings settings, std::vector<PeerMedia> media,
                                     MediaSession &session, PeerListener &listener);

  // Any thread; returns at once. What was begun is ended in order, and the state Closed follows.
  virtual void end() = 0;
  // No streaming thread. Ends it and waits until it is over, for kEndLimitMs and a little: false
  // when that was not enough, which means that something does not return. In the I/O context, which
  // is what would end it, it returns at once.
  virtual bool end_and_wait() = 0;
  // Any thread. No listener is called any more, and the session is the owner's again.
  virtual bool is_over() const = 0;

  // Any thread: of SessionListener.
  virtual void bye_sent() = 0;

  // Any thread.
  virtual PeerState state() const = 0;
  // Any thread. `webrtc-stats`: state, attempts, connections, restarts, last-error, and the
  // structures `transport` and `session`.
  virtual support::StructurePtr stats() const = 0;

protected:
  ~Peer() = default;
};

}  // namespace streamlib::webrtc
