// SPDX-License-Identifier: LGPL-2.1-or-later
// What a connection tells the log: at INFO what a user wants to know of it in one line each,
// without secrets; at LOG the descriptions.
#include <glib.h>

#include "ext/webrtc/peer/connection.h"
#include "ext/webrtc/signalling/header_fields.h"

namespace streamlib::webrtc {

namespace {

const char *name_of(Direction direction)
{
  switch (direction) {
    case Direction::SendOnly:
      return "sendonly";
    case Direction::RecvOnly:
      return "recvonly";
    case Direction::SendRecv:
      return "sendrecv";
    case Direction::Inactive:
      break;
  }
  return "inactive";
}

// "video VP8 (96) sendonly"; all codecs, where it is to be chosen from them.
std::string text_of(MediaKind kind, const std::vector<Codec> &codecs, const char *direction)
{
  std::string text = kind == MediaKind::Video ? "video" : "audio";
  for (size_t i = 0; i < codecs.size(); i++)
    text += (i == 0 ? " " : ", ") + codecs[i].name + " (" + std::to_string(codecs[i].payload_type) +
            ")";
  return text + " " + direction;
}

}  // namespace

void Connection::note_offer()
{
  owner_.noted(GST_LEVEL_INFO, "offering to " + origin_of(settings_.http.endpoint) + ": " +
                                   std::to_string(described_.transport.candidates.size()) +
                                   " addresses of ours");
  owner_.noted(GST_LEVEL_LOG, "our description:\n" + write_description(described_));
}

void Connection::note_agreement(const Negotiated &negotiated)
{
  std::string media;
  for (const NegotiatedMedia &agreed : negotiated.media) {
    const bool is_on = agreed.sends || agreed.receives;
    media += (media.empty() ? "" : "; ") +
             text_of(agreed.local.kind, agreed.local.codecs,
                     is_on ? name_of(agreed.local.direction) : "not taken");
  }
  owner_.noted(GST_LEVEL_INFO, "agreed: " + media + "; " +
                                   std::to_string(negotiated.remote.candidates.size()) +
                                   " addresses of the peer; the server " +
                                   (signalling_.can_trickle() ? "takes" : "takes no") + " PATCH");
}

void Connection::note_connected(const char *how)
{
  const TransportStats stats = transport_->stats();
  owner_.noted(GST_LEVEL_INFO, std::string(how) + " after " +
                                   std::to_string(stats.connect_us / 1000) +
                                   " ms: " + stats.local_address + " to " + stats.remote_address +
                                   ", " + stats.srtp_profile + ", certificate verified");
}

}  // namespace streamlib::webrtc
