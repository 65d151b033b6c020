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

void run_both(MediaSync &sync, Shown &one, Shown &other, int64_t end)
{
  for (int64_t now = std::min(one.taken, other.taken); now < end; now += 10 * kMs) {
    one.run_to(sync, now);
    other.run_to(sync, now);
  }
}

}  // namespace

GST_START_TEST(test_the_earlier_waits_for_the_later)
{
  MediaSync sync;
  Shown picture(video(150 * kMs));
  Shown sound(audio(20 * kMs));
  run_both(sync, picture, sound, kSecond);
  // Nothing is known yet.
  ck_assert_int_eq(picture.late, 150 * kMs);
  ck_assert_int_eq(sound.late, 20 * kMs);
  name(sync);
  picture.source.report(sync, kSecond);
  sound.source.report(sync, kSecond);
  run_both(sync, picture, sound, kSecond + 100 * kMs);
  ck_assert_int_eq((picture.late + kMs / 2) / kMs, 150);
  ck_assert_int_eq((sound.late + kMs / 2) / kMs, 150);
  ck_assert_int_eq((sync.delay(2) + kMs / 2) / kMs, 130);
}
GST_END_TEST

// What jitter buffers estimate changes by half a second while they start, one after the other.
GST_START_TEST(test_estimates_that_settle)
{
  MediaSync sync;
  name(sync);
  Shown picture(video(800 * kMs));
  Shown sound(audio(500 * kMs));
  run_both(sync, picture, sound, 200 * kMs);
  picture.source.report(sync, 200 * kMs);
  sound.source.report(sync, 200 * kMs);
  run_both(sync, picture, sound, 250 * kMs);
  int64_t worst = 0;
  for (int64_t now = 300 * kMs; now < 5 * kSecond; now += 100 * kMs) {
    picture.source.late = std::max<int64_t>(picture.source.late - 100 * kMs, 20 * kMs);
    if (now > kSecond)
      sound.source.late = std::max<int64_t>(sound.source.late - 30 * kMs, 10 * kMs);
    run_both(sync, picture, sound, now);
    worst = std::max(worst, std::abs(picture.late - sound.late));
  }
  ck_assert_int_lt(worst, 15 * kMs);
  ck_assert_int_lt(picture.late, 25 * kMs);
}
GST_END_TEST

// A report that takes the time at which it leaves for that of the last packet.
GST_START_TEST(test_reports_that_are_inexact)
{
  MediaSync sync;
  name(sync);
  Shown picture(video(50 * kMs));
  Shown sound(audio(50 * kMs));
  GRand *random = g_rand_new_with_seed(7);
  for (int64_t now = kSecond; now < 60 * kSecond; now += kSecond) {
    run_both(sync, picture, sound, now);
    picture.source.report(sync, now, g_rand_int_range(random, 0, 33) * kMs);
    sound.source.report(sync, now, g_rand_int_range(random, 0, 20) * kMs);
    if (now > 2 * kSecond)
      ck_assert_int_lt(std::abs(picture.late - sound.late), kLimit);
  }
  g_rand_free(random);
}
GST_END_TEST

GST_START_TEST(test_another_name_is_another_clock)
{
  MediaSync sync;
  name(sync, "one", "other");
  Shown picture(video(150 * kMs));
  Shown sound(audio(20 * kMs));
  sound.source.clock = 9 * kSecond;
  run_both(sync, picture, sound, kSecond);
  picture.source.report(sync, kSecond);
  sound.source.report(sync, kSecond);
  run_both(sync, picture, sound, 2 * kSecond);
  ck_assert_int_eq(picture.late, 150 * kMs);
  ck_assert_int_eq(sound.late, 20 * kMs);
}
GST_END_TEST

GST_START_TEST(test_times_that_wrap)
{
  MediaSync sync;
  name(sync);
  Shown picture(video(150 * kMs));
  Shown sound(audio(20 * kMs));
  picture.source.first_rtp = 0xffffffff - 3 * 90000;
  sound.source.first_rtp = 0xffffffff - 2 * 48000;
  run_both(sync, picture, sound, kSecond);
  for (int64_t now = kSecond; now < 6 * kSecond; now += kSecond) {
    // Sound is told of ahead of its packets.
    picture.source.report(sync, now);
    sound.source.report(sync, now + 300 * kMs);
    run_both(sync, picture, sound, now + kSecond);
    ck_assert_int_lt(std::abs(picture.late - 150 * kMs), kMs);
    ck_assert_int_lt(std::abs(sound.late - 150 * kMs), kMs);
  }
}
GST_END_TEST

// The peer sets its clock; the reports of the two streams do not say so at the same time.
GST_START_TEST(test_the_clock_of_the_peer_is_set)
{
  MediaSync sync;
  name(sync);
  Shown picture(video(90 * kMs));
  Shown sound(audio(20 * kMs));
  for (int64_t now = kSecond; now < 10 * kSecond; now += kSecond) {
    run_both(sync, picture, sound, now);
    if (now == 4 * kSecond)
      picture.source.clock += 3600 * kSecond;
    if (now == 5 * kSecond)
      sound.source.clock += 3600 * kSecond;
    picture.source.report(sync, now);
    sound.source.report(sync, now);
    ck_assert_int_le(picture.late, 91 * kMs);
    ck_assert_int_le(sound.late, 91 * kMs);
  }
  ck_assert_int_lt(std::abs(picture.late - sound.late), kMs);
}
GST_END_TEST

// RTP times that begin anew are not measured by an old report.
GST_START_TEST(test_a_stream_that_begins_anew)
{
  MediaSync sync;
  name(sync);
  Shown picture(video(90 * kMs));
  Shown sound(audio(20 * kMs));
  for (int64_t now = kSecond; now < 10 * kSecond; now += kSecond) {
    run_both(sync, picture, sound, now);
    if (now == 4 * kSecond)
      picture.source.first_rtp += 1000 * 90000;
    if (now != 4 * kSecond && now != 5 * kSecond)
      picture.source.report(sync, now);
    sound.source.report(sync, now);
    ck_assert_int_le(picture.late, 91 * kMs);
    ck_assert_int_le(sound.late, 91 * kMs);
  }
  ck_assert_int_lt(std::abs(picture.late - sound.late), kMs);
}
GST_END_TEST

// An hour, in which the peer's clock is faster than ours by 100 in a million.
GST_START_TEST(test_drift)
{
  MediaSync sync;
  name(sync);
  Shown picture(video(500 * kMs));
  Shown sound(audio(450 * kMs));
  for (int64_t now = kSecond; now < 3600 * kSecond; now += kSecond) {
    run_both(sync, picture, sound, now);
    picture.source.late -= kMs / 10;
    sound.source.late -= kMs / 10;
    picture.source.report(sync, now);
    sound.source.report(sync, now);
    if (now > 2 * kSecond) {
      ck_assert_int_lt(std::abs(picture.late - sound.late), kMs);
      ck_assert_int_lt(std::abs(picture.late - picture.source.late), 2 * kMs);
    }
  }
}
GST_END_TEST

// One stream ends, and another takes its place.
GST_START_TEST(test_a_stream_that_leaves)
{
  MediaSync sync;
  name(sync);
  Shown picture(video(400 * kMs));
  Shown sound(audio(20 * kMs));
  run_both(sync, picture, sound, kSecond);
  picture.source.report(sync, kSecond);
  sound.source.report(sync, kSecond);
  run_both(sync, picture, sound, 2 * kSecond);
  ck_assert_int_gt(sound.late, 390 * kMs);
  sync.forget(1);
  sound.run_to(sync, 5 * kSecond);
  ck_assert_int_lt(sound.late, 25 * kMs);
  Source next = video(100 * kMs);
  next.ssrc = 3;
  Shown after(next);
  after.taken = 5 * kSecond;
  sync.take_cname(3, "peer");
  after.source.report(sync, 5 * kSecond);
  run_both(sync, after, sound, 6 * kSecond);
  ck_assert_int_lt(std::abs(after.late - 100 * kMs), kMs);
  ck_assert_int_lt(std::abs(sound.late - 100 * kMs), kMs);
}
GST_END_TEST

// As they come: a compound packet with a report and a name.
GST_START_TEST(test_packets)
{
  MediaSync sync;
  Shown picture(video(150 * kMs));
  Shown sound(audio(20 * kMs));
  run_both(sync, picture, sound, kSecond);
  for (const Source &source : {picture.source, sound.source}) {
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
    sync.take(buffer);
    gst_buffer_unref(buffer);
  }
  GstBuffer *noise = gst_buffer_new_memdup("\x80\xc8\xff\xff", 4);
  sync.take(noise);
  gst_buffer_unref(noise);
  run_both(sync, picture, sound, 2 * kSecond);
  ck_assert_int_lt(std::abs(sound.late - 150 * kMs), kMs);
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
