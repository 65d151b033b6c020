// SPDX-License-Identifier: LGPL-2.1-or-later
// Times that keep sound and picture of a peer together.
#include <gst/check/gstcheck.h>
#include <gst/rtp/rtp.h>

#include "ext/webrtc/session/media_sync.h"

using streamlib::webrtc::MediaSync;

namespace {

constexpr int64_t kMs = GST_MSECOND;
constexpr int64_t kSecond = GST_SECOND;
constexpr int64_t kLimit = 40 * kMs;

// A stream of the peer: packets of one interval, which come some time after they were taken.
struct Source {
  uint32_t ssrc;
  int rate;
  int64_t interval;
  int64_t late;        // From taking to coming, in nanoseconds.
  uint32_t first_rtp;  // At the beginning of the peer's clock.
  int64_t clock = 5000 * kSecond;

  uint32_t rtp(int64_t taken) const
  {
    return first_rtp + static_cast<uint32_t>(
                           gst_util_uint64_scale(static_cast<guint64>(taken), rate, GST_SECOND));
  }
  void report(MediaSync &sync, int64_t taken, int64_t error = 0) const
  {
    sync.take_report(ssrc, clock + taken + error, rtp(taken));
  }
};

Source video(int64_t late)
{
  return {1, 90000, 33 * kMs, late, 0x80000000};
}

Source audio(int64_t late)
{
  return {2, 48000, 20 * kMs, late, 1000};
}

void name(MediaSync &sync, const char *of_video = "peer", const char *of_audio = "peer")
{
  sync.take_cname(1, of_video);
  sync.take_cname(2, of_audio);
}

// Carries one stream on, and knows how late its packets are shown.
struct Shown {
  explicit Shown(Source of) : source(of) {}

  void run_to(MediaSync &sync, int64_t end)
  {
    for (; taken < end; taken += source.interval) {
      const int64_t arrival = kSecond + taken + source.late;
      const int64_t at = sync.place(source.ssrc, source.rate, source.rtp(taken), arrival, arrival);
      ck_assert_int_ge(at, last);
      last = at;
      late = at - kSecond - taken;
    }
  }

  Source source;
  int64_t taken = 0;
  int64_t last = 0;
  int64_t late = 0;
};

// A picture and its sound, of one clock of the peer unless their names differ.
struct Pair {
  // A null pointer: they have no names yet.
  Pair(int64_t picture_late, int64_t sound_late, const char *of_picture = "peer",
       const char *of_sound = "peer")
      : picture(video(picture_late)), sound(audio(sound_late))
  {
    if (of_picture != nullptr)
      name(sync, of_picture, of_sound);
  }

  void run_to(int64_t end)
  {
    for (int64_t now = std::min(picture.taken, sound.taken); now < end; now += 10 * kMs) {
      picture.run_to(sync, now);
      sound.run_to(sync, now);
    }
  }
  void report_picture(int64_t taken, int64_t error = 0)
  {
    picture.source.report(sync, taken, error);
  }
  void report_sound(int64_t taken, int64_t error = 0) { sound.source.report(sync, taken, error); }
  void report(int64_t taken)
  {
    report_picture(taken);
    report_sound(taken);
  }
  int64_t apart() const { return std::abs(picture.late - sound.late); }

  MediaSync sync;
  Shown picture;
  Shown sound;
};

}  // namespace

GST_START_TEST(test_the_earlier_waits_for_the_later)
{
  Pair pair(150 * kMs, 20 * kMs, nullptr);
  pair.run_to(kSecond);
  // Nothing is known yet.
  ck_assert_int_eq(pair.picture.late, 150 * kMs);
  ck_assert_int_eq(pair.sound.late, 20 * kMs);
  name(pair.sync);
  pair.report(kSecond);
  pair.run_to(kSecond + 100 * kMs);
  ck_assert_int_eq((pair.picture.late + kMs / 2) / kMs, 150);
  ck_assert_int_eq((pair.sound.late + kMs / 2) / kMs, 150);
  ck_assert_int_eq((pair.sync.delay(2) + kMs / 2) / kMs, 130);
}
GST_END_TEST

// What jitter buffers estimate changes by half a second while they start, one after the other.
GST_START_TEST(test_estimates_that_settle)
{
  Pair pair(800 * kMs, 500 * kMs);
  pair.run_to(200 * kMs);
  pair.report(200 * kMs);
  pair.run_to(250 * kMs);
  int64_t worst = 0;
  for (int64_t now = 300 * kMs; now < 5 * kSecond; now += 100 * kMs) {
    pair.picture.source.late = std::max<int64_t>(pair.picture.source.late - 100 * kMs, 20 * kMs);
    if (now > kSecond)
      pair.sound.source.late = std::max<int64_t>(pair.sound.source.late - 30 * kMs, 10 * kMs);
    pair.run_to(now);
    worst = std::max(worst, pair.apart());
  }
  ck_assert_int_lt(worst, 15 * kMs);
  ck_assert_int_lt(pair.picture.late, 25 * kMs);
}
GST_END_TEST

// A report that takes the time at which it leaves for that of the last packet.
GST_START_TEST(test_reports_that_are_inexact)
{
  Pair pair(50 * kMs, 50 * kMs);
  GRand *random = g_rand_new_with_seed(7);
  for (int64_t now = kSecond; now < 60 * kSecond; now += kSecond) {
    pair.run_to(now);
    pair.report_picture(now, g_rand_int_range(random, 0, 33) * kMs);
    pair.report_sound(now, g_rand_int_range(random, 0, 20) * kMs);
    if (now > 2 * kSecond)
      ck_assert_int_lt(pair.apart(), kLimit);
  }
  g_rand_free(random);
}
GST_END_TEST

GST_START_TEST(test_another_name_is_another_clock)
{
  Pair pair(150 * kMs, 20 * kMs, "one", "other");
  pair.sound.source.clock = 9 * kSecond;
  pair.run_to(kSecond);
  pair.report(kSecond);
  pair.run_to(2 * kSecond);
  ck_assert_int_eq(pair.picture.late, 150 * kMs);
  ck_assert_int_eq(pair.sound.late, 20 * kMs);
}
GST_END_TEST

GST_START_TEST(test_times_that_wrap)
{
  Pair pair(150 * kMs, 20 * kMs);
  pair.picture.source.first_rtp = 0xffffffff - 3 * 90000;
  pair.sound.source.first_rtp = 0xffffffff - 2 * 48000;
  pair.run_to(kSecond);
  for (int64_t now = kSecond; now < 6 * kSecond; now += kSecond) {
    // Sound is told of ahead of its packets.
    pair.report_picture(now);
    pair.report_sound(now + 300 * kMs);
    pair.run_to(now + kSecond);
    ck_assert_int_lt(std::abs(pair.picture.late - 150 * kMs), kMs);
    ck_assert_int_lt(std::abs(pair.sound.late - 150 * kMs), kMs);
  }
}
GST_END_TEST

// The peer sets its clock; the reports of the two streams do not say so at the same time.
GST_START_TEST(test_the_clock_of_the_peer_is_set)
{
  Pair pair(90 * kMs, 20 * kMs);
  for (int64_t now = kSecond; now < 10 * kSecond; now += kSecond) {
    pair.run_to(now);
    if (now == 4 * kSecond)
      pair.picture.source.clock += 3600 * kSecond;
    if (now == 5 * kSecond)
      pair.sound.source.clock += 3600 * kSecond;
    pair.report(now);
    ck_assert_int_le(pair.picture.late, 91 * kMs);
    ck_assert_int_le(pair.sound.late, 91 * kMs);
  }
  ck_assert_int_lt(pair.apart(), kMs);
}
GST_END_TEST

// RTP times that begin anew are not measured by an old report.
GST_START_TEST(test_a_stream_that_begins_anew)
{
  Pair pair(90 * kMs, 20 * kMs);
  for (int64_t now = kSecond; now < 10 * kSecond; now += kSecond) {
    pair.run_to(now);
    if (now == 4 * kSecond)
      pair.picture.source.first_rtp += 1000 * 90000;
    if (now != 4 * kSecond && now != 5 * kSecond)
      pair.report(now);
    ck_assert_int_le(pair.picture.late, 91 * kMs);
    ck_assert_int_le(pair.sound.late, 91 * kMs);
  }
  ck_assert_int_lt(pair.apart(), kMs);
}
GST_END_TEST

// An hour, in which the peer's clock is faster than ours by 100 in a million.
GST_START_TEST(test_drift)
{
  Pair pair(500 * kMs, 450 * kMs);
  for (int64_t now = kSecond; now < 3600 * kSecond; now += kSecond) {
    pair.run_to(now);
    pair.picture.source.late -= kMs / 10;
    pair.sound.source.late -= kMs / 10;
    pair.report(now);
    if (now > 2 * kSecond) {
      ck_assert_int_lt(pair.apart(), kMs);
      ck_assert_int_lt(std::abs(pair.picture.late - pair.picture.source.late), 2 * kMs);
    }
  }
}
GST_END_TEST

// One stream ends, and another takes its place.
GST_START_TEST(test_a_stream_that_leaves)
{
  Pair pair(400 * kMs, 20 * kMs);
  pair.run_to(kSecond);
  pair.report(kSecond);
  pair.run_to(2 * kSecond);
  ck_assert_int_gt(pair.sound.late, 390 * kMs);
  pair.sync.forget(1);
  pair.sound.run_to(pair.sync, 5 * kSecond);
  ck_assert_int_lt(pair.sound.late, 25 * kMs);
  Source next = video(100 * kMs);
  next.ssrc = 3;
  Shown after(next);
  after.taken = 5 * kSecond;
  pair.sync.take_cname(3, "peer");
  after.source.report(pair.sync, 5 * kSecond);
  for (int64_t now = 5 * kSecond; now < 6 * kSecond; now += 10 * kMs) {
    after.run_to(pair.sync, now);
    pair.sound.run_to(pair.sync, now);
  }
  ck_assert_int_lt(std::abs(after.late - 100 * kMs), kMs);
  ck_assert_int_lt(std::abs(pair.sound.late - 100 * kMs), kMs);
}
GST_END_TEST

// As they come: a compound packet with a report and a name.
GST_START_TEST(test_packets)
{
  Pair pair(150 * kMs, 20 * kMs, nullptr);
  pair.run_to(kSecond);
  for (const Source &source : {pair.picture.source, pair.sound.source}) {
    GstBuffer *buffer = gst_rtcp_buffer_new(1200);
    GstRTCPBuffer rtcp = GST_RTCP_BUFFER_INIT;
    GstRTCPPacket packet;
    gst_rtcp_buffer_map(buffer, GST_MAP_READWRITE, &rtcp);
    gst_rtcp_buffer_add_packet(&rtcp, GST_RTCP_TYPE_SR, &packet);
    gst_rtcp_packet_sr_set_sender_info(
        &packet, source.ssrc,
        gst_util_uint64_scale(static_cast<guint64>(source.clock + kSecond), guint64{1} << 32,
                              GST_SECOND),
        source.rtp(kSecond), 0, 0);
    gst_rtcp_buffer_add_packet(&rtcp, GST_RTCP_TYPE_SDES, &packet);
    gst_rtcp_packet_sdes_add_item(&packet, source.ssrc);
    gst_rtcp_packet_sdes_add_entry(&packet, GST_RTCP_SDES_CNAME, 4,
                                   reinterpret_cast<const guint8 *>("peer"));
    gst_rtcp_buffer_unmap(&rtcp);
    pair.sync.take(buffer);
    gst_buffer_unref(buffer);
  }
  GstBuffer *noise = gst_buffer_new_memdup("\x80\xc8\xff\xff", 4);
  pair.sync.take(noise);
  gst_buffer_unref(noise);
  pair.run_to(2 * kSecond);
  ck_assert_int_lt(std::abs(pair.sound.late - 150 * kMs), kMs);
}
GST_END_TEST

static Suite *webrtc_media_sync_suite()
{
  Suite *suite = suite_create("webrtc-media-sync");
  TCase *tcase = tcase_create("times");
  tcase_add_test(tcase, test_the_earlier_waits_for_the_later);
  tcase_add_test(tcase, test_estimates_that_settle);
  tcase_add_test(tcase, test_reports_that_are_inexact);
  tcase_add_test(tcase, test_another_name_is_another_clock);
  tcase_add_test(tcase, test_times_that_wrap);
  tcase_add_test(tcase, test_the_clock_of_the_peer_is_set);
  tcase_add_test(tcase, test_a_stream_that_begins_anew);
  tcase_add_test(tcase, test_drift);
  tcase_add_test(tcase, test_a_stream_that_leaves);
  tcase_add_test(tcase, test_packets);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_media_sync)
