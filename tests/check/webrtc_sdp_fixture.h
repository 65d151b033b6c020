// SPDX-License-Identifier: LGPL-2.1-or-later
// Two sides of a session, and what peers answer to the first of them.
#pragma once

#include <fstream>
#include <iterator>
#include <string>

#include <gst/check/gstcheck.h>

#include "ext/webrtc/sdp/codecs.h"
#include "ext/webrtc/sdp/negotiation.h"

namespace fixture {

using namespace streamlib::webrtc;

// In the style of those peers, as answers to the offer of publisher(); the last one is an offer.
constexpr const char *kSamples[] = {"chromium-answer", "pion-answer",      "aiortc-answer",
                                    "janus-answer",    "webrtcbin-answer", "mediamtx-answer",
                                    "counter-offer"};

inline std::string sample_text(const std::string &name)
{
  std::ifstream file(std::string(SDP_SAMPLES) + "/" + name + ".sdp", std::ios::binary);
  fail_unless(file.good(), "no sample %s", name.c_str());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline LocalSide side_of(Direction direction)
{
  LocalSide side;
  side.session_id = 4711;
  side.direction = direction;
  side.cname = "name";
  side.stream_id = "stream";
  side.transport.credentials = {"ourufrag", "ourpasswordourpassword"};
  side.transport.trickle = true;
  side.transport.fingerprints = {{"sha-256", std::vector<uint8_t>(32, 0xab)}};
  side.transport.candidates = {"1 1 udp 2130706431 192.0.2.1 40000 typ host"};
  side.media = {{MediaKind::Audio, {opus_codec()}, 2001, std::nullopt, "sound"},
                {MediaKind::Video, {h264_codec("42e01f"), vp8_codec()}, 2002, 2003, "picture"}};
  return side;
}

inline LocalSide publisher()
{
  return side_of(Direction::SendOnly);
}
inline LocalSide player()
{
  return side_of(Direction::RecvOnly);
}

}  // namespace fixture
