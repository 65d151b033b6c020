// SPDX-License-Identifier: LGPL-2.1-or-later
// What a peer asks for again.
#include <map>
#include <mutex>
#include <set>

#include "webrtc_peers.h"

using namespace fixture;

namespace {

constexpr uint32_t kVideoSsrc = 0x11111111;
constexpr uint32_t kRtxSsrc = 0x22222222;
constexpr uint32_t kAudioSsrc = 0x33333333;

constexpr char kLiveAudio[] =
    "audiotestsrc is-live=true samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=2";
constexpr char kLiveVideo[] =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=160,height=120,framerate=30/1";

uint32_t ssrc_of(const std::vector<uint8_t> &packet)
{
  return static_cast<uint32_t>(packet[8]) << 24 | static_cast<uint32_t>(packet[9]) << 16 |
         static_cast<uint32_t>(packet[10]) << 8 | packet[11];
}

int number_at(const std::vector<uint8_t> &packet, size_t at)
{
  return packet[at] << 8 | packet[at + 1];
}

// Which packet a retransmission is (RFC 4588 §4).
int original_number(const std::vector<uint8_t> &packet)
{
  size_t at = 12;
  if ((packet[0] & 0x10) != 0)
    at += 4 + static_cast<size_t>(number_at(packet, at + 2)) * 4;
  return number_at(packet, at);
}

// A generic NACK (RFC 4585 §6.2.1).
MiniPtr<GstBuffer> request_for(uint32_t ssrc, int number)
{
  std::vector<uint8_t> bytes = {0x81, 205, 0, 3, 0x44, 0x44, 0x44, 0x44};
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<uint8_t>(ssrc >> shift));
  bytes.push_back(static_cast<uint8_t>(number >> 8));
  bytes.push_back(static_cast<uint8_t>(number));
  bytes.resize(16);
  return adopt_mini(gst_buffer_new_memdup(bytes.data(), bytes.size()));
}

}  // namespace

// A receiver with much patience asks for what was lost 3.5 s ago, and gets it.
GST_START_TEST(test_old_requests_are_answered)
{
  Pair pair;
  std::mutex mutex;
  std::map<int, int64_t> sent;
  std::set<int> again;
  pair.forth->lose = [&](PacketKind kind, const std::vector<uint8_t> &packet) {
    const std::lock_guard lock(mutex);
    if (kind == PacketKind::Rtp && ssrc_of(packet) == kVideoSsrc)
      sent.emplace(number_at(packet, 2), g_get_monotonic_time());
    if (kind == PacketKind::Rtp && ssrc_of(packet) == kRtxSsrc)
      again.insert(original_number(packet));
    return false;
  };
  pair.a.add_source(MediaKind::Video, kLiveVideo);
  pair.a.add_source(MediaKind::Audio, kLiveAudio);
  pair.a.play();
  pair.b.play();
  pair.begin({sending("v", MediaKind::Video, {vp8()}, kVideoSsrc, kRtxSsrc),
              sending("a", MediaKind::Audio, {opus()}, kAudioSsrc)});
  pair.b.add_output(MediaKind::Video);
  pair.b.add_output(MediaKind::Audio);
  pair.connect();
  ck_assert(eventually([&] { return pair.b.count(MediaKind::Video) >= 5; }));
  sleep_ms(4000);
  int number = -1;
  {
    const std::lock_guard lock(mutex);
    const int64_t wanted = g_get_monotonic_time() - 3500 * 1000;
    for (const auto &[candidate, at] : sent)
      if (number < 0 || std::abs(at - wanted) < std::abs(sent[number] - wanted))
        number = candidate;
  }
  ck_assert_int_ge(number, 0);
  const guint64 before = pair.a.stat("rtx-asked-for");
  // Nothing was agreed for sound.
  pair.back->send(PacketKind::Rtcp, request_for(kAudioSsrc, 1));
  pair.back->send(PacketKind::Rtcp, request_for(kVideoSsrc, number));
  ck_assert_msg(eventually([&] {
                  const std::lock_guard lock(mutex);
                  return again.count(number) > 0;
                }),
                "%u of %u requests answered", static_cast<unsigned>(pair.a.stat("rtx-sent")),
                static_cast<unsigned>(pair.a.stat("rtx-asked-for")));
  ck_assert_uint_eq(pair.a.stat("rtx-asked-for"), before + 1);
}
GST_END_TEST

static Suite *webrtc_session_requests_suite()
{
  Suite *suite = suite_create("webrtc-session-requests");
  TCase *tcase = tcase_create("requests");
  tcase_add_test(tcase, test_old_requests_are_answered);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_session_requests)
