// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhepsrc and a server: each codec, raw and encoded, the picture and its sound, and what is
// decided when pads are linked.
#include <algorithm>
#include <cmath>

#include "ext/webrtc/play/opus_patience.h"
#include "whep_stage.h"

using namespace fixture;
using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using namespace streamlib::webrtc;

namespace {

// What compression may change.
constexpr int kTolerance = 24;

FarPlan plan_of(Codec video)
{
  FarPlan plan;
  plan.video = {std::move(video)};
  return plan;
}

void check_picture(const Seen &seen)
{
  for (int bar = 0; bar < kBars; bar++) {
    const bool is_flash = bar == kBars - 1;
    const int y = is_flash && seen.y[bar] > 128 ? kFlashY : kBarY[bar];
    ck_assert_int_le(std::abs(seen.y[bar] - y), kTolerance);
    ck_assert_int_le(std::abs(seen.u[bar] - kBarU[bar]), kTolerance);
    ck_assert_int_le(std::abs(seen.v[bar] - kBarV[bar]), kTolerance);
  }
}

// Running times at which something begins.
template <typename IsOn>
std::vector<double> rises(const std::vector<Seen> &all, IsOn is_on)
{
  std::vector<double> times;
  for (size_t i = 1; i < all.size(); i++)
    if (is_on(all[i]) && !is_on(all[i - 1]))
      times.push_back(static_cast<double>(all[i].running) / GST_MSECOND);
  return times;
}

std::vector<double> flashes(Viewer &viewer)
{
  return rises(viewer.seen(kVideo), [](const Seen &seen) { return seen.y[kBars - 1] > 128; });
}

std::vector<double> tones(Viewer &viewer)
{
  return rises(viewer.seen(kAudio), [](const Seen &seen) { return seen.peak > 4000; });
}

void check_raw(Codec codec)
{
  WhepServer server(plan_of(std::move(codec)));
  Viewer viewer(server.endpoint(), {{kVideo, kRawVideo}, {kAudio, kRawAudio}});
  viewer.play();
  const bool flowed =
      eventually([&] { return viewer.count(kVideo) >= 40 && viewer.count(kAudio) >= 60; });
  ck_assert_msg(flowed, "%s", viewer.stats_text().c_str());
  ck_assert_int_eq(viewer.pads_added, 2);
  ck_assert_int_eq(viewer.no_more_pads, 1);
  ck_assert(viewer.state() == "connected");
  const auto pictures = viewer.seen(kVideo);
  check_rising(pictures);
  check_rising(viewer.seen(kAudio));
  for (const Seen &seen : pictures)
    check_picture(seen);
  ck_assert_int_lt(viewer.stop(), 2 * G_USEC_PER_SEC);
  ck_assert_int_eq(server.deletes, 1);
  ck_assert_int_eq(viewer.pads_removed, 2);
}

void check_encoded(Codec codec, const char *caps, const char *decoder)
{
  WhepServer server(plan_of(std::move(codec)));
  const std::string line =
      std::string("capsfilter caps=") + caps + " ! " + decoder + " ! " + kRawVideo;
  Viewer viewer(server.endpoint(),
                {{kVideo, line},
                 {kAudio, std::string("capsfilter caps=audio/x-opus ! opusdec ! ") + kRawAudio}});
  viewer.play();
  const bool flowed =
      eventually([&] { return viewer.count(kVideo) >= 30 && viewer.count(kAudio) >= 30; });
  ck_assert_msg(flowed, "%s", viewer.stats_text().c_str());
  const std::string stats = viewer.stats_text();
  ck_assert_msg(stats.find("decoding=(boolean)true") == std::string::npos, "%s", stats.c_str());
  for (const Seen &seen : viewer.seen(kVideo))
    check_picture(seen);
}

}  // namespace

GST_START_TEST(test_raw_vp8)
{
  check_raw(vp8_codec());
}
GST_END_TEST

GST_START_TEST(test_raw_h264)
{
  check_raw(h264_codec("42e01f"));
}
GST_END_TEST

GST_START_TEST(test_raw_vp9)
{
  check_raw(vp9_codec());
}
GST_END_TEST

GST_START_TEST(test_encoded_vp8)
{
  check_encoded(vp8_codec(), "video/x-vp8", "vp8dec");
}
GST_END_TEST

GST_START_TEST(test_encoded_vp9)
{
  check_encoded(vp9_codec(), "video/x-vp9", "vp9dec");
}
GST_END_TEST

GST_START_TEST(test_encoded_h264)
{
  check_encoded(h264_codec("42e01f"), "video/x-h264", "h264parse ! avdec_h264");
}
GST_END_TEST

// The sound comes with its picture. On a machine that does not keep up with making the pattern not
// each flash has its tone.
GST_START_TEST(test_sound_and_picture_belong_together)
{
  // Two pictures, and a packet of sound.
  constexpr double kMaxOffsetMs = 90;
  constexpr size_t kEnough = 3;
  WhepServer server;
  Viewer viewer(server.endpoint(), {{kVideo, kRawVideo}, {kAudio, kRawAudio}});
  viewer.play();
  std::vector<double> together;
  const auto look = [&] {
    together.clear();
    const std::vector<double> heard = tones(viewer);
    for (const double flash : flashes(viewer))
      for (const double tone : heard)
        if (std::abs(tone - flash) < kMaxOffsetMs)
          together.push_back(tone - flash);
    return together.size() >= kEnough;
  };
  ck_assert_msg(eventually(look, 20000), "%zu flashes, %zu tones, %zu together",
                flashes(viewer).size(), tones(viewer).size(), together.size());
  g_print("the sound is %.1f ms behind the picture\n", together.back());
}
GST_END_TEST

// PAUSED waits for nothing, and the element says that it is live.
GST_START_TEST(test_live)
{
  WhepServer server;
  Viewer viewer(server.endpoint(), {{kVideo, kRawVideo}});
  g_object_set(viewer.src(), "audio-latency", 60, "video-latency", 150, nullptr);
  ck_assert_int_eq(gst_element_set_state(viewer.pipeline(), GST_STATE_PAUSED),
                   GST_STATE_CHANGE_NO_PREROLL);
  const auto query = adopt_mini(gst_query_new_latency());
  gboolean is_live = FALSE;
  GstClockTime min = 0;
  GstClockTime max = 0;
  ck_assert(gst_element_query(viewer.src(), query.get()));
  gst_query_parse_latency(query.get(), &is_live, &min, &max);
  ck_assert(is_live);
  ck_assert_uint_eq(min, 150 * GST_MSECOND);
  viewer.play();
  ck_assert(eventually([&] { return viewer.count(kVideo) >= 5; }));
  // As a sink asks: through the decoder and the link.
  for (const char *name : {"video_0", "audio_0"}) {
    const auto pad = adopt_object(gst_element_get_static_pad(viewer.src(), name));
    const auto of_pad = adopt_mini(gst_query_new_latency());
    ck_assert(gst_pad_query(pad.get(), of_pad.get()));
    gst_query_parse_latency(of_pad.get(), &is_live, &min, &max);
    ck_assert(is_live);
    const GstClockTime own = (name[0] == 'v' ? 150 : 60) * GST_MSECOND;
    ck_assert_uint_ge(min, own);
    ck_assert_uint_lt(min, own + 100 * GST_MSECOND);
  }
  ck_assert_int_eq(gst_element_set_state(viewer.pipeline(), GST_STATE_PAUSED),
                   GST_STATE_CHANGE_NO_PREROLL);
}
GST_END_TEST

// Sound that may wait for a packet more is not made to wait for the longest one that there is.
GST_START_TEST(test_latency_of_sound)
{
  const struct {
    guint setting_ms;
    guint latency_ms;
  } cases[] = {{60, 80}, {0, 0}};
  for (const auto &entry : cases) {
    WhepServer server;
    Viewer viewer(server.endpoint(), {{kAudio, kRawAudio}});
    g_object_set(viewer.src(), "audio-latency", entry.setting_ms, nullptr);
    viewer.play();
    ck_assert(eventually([&] { return viewer.count(kAudio) >= 5; }));
    const auto pad = adopt_object(gst_element_get_static_pad(viewer.src(), "audio_0"));
    const auto query = adopt_mini(gst_query_new_latency());
    ck_assert(gst_pad_query(pad.get(), query.get()));
    gboolean is_live = FALSE;
    GstClockTime min = 0;
    gst_query_parse_latency(query.get(), &is_live, &min, nullptr);
    ck_assert(is_live);
    ck_assert_uint_eq(min, entry.latency_ms * GST_MSECOND);
  }
}
GST_END_TEST

// RFC 6716, table 2, and the frames of §3.2.
GST_START_TEST(test_opus_packets_say_how_long_they_sound)
{
  const struct {
    std::vector<guint8> packet;
    double ms;
  } cases[] = {
      {{0x00}, 10},     {{0x08}, 20},        {{0x18}, 60},
      {{0x60}, 10},     {{0x68}, 20},        {{0x80}, 2.5},
      {{0xfc}, 20},     {{0xf8 | 1}, 40},    {{0x18 | 2}, 120},
      {{0x88 | 1}, 10}, {{0x08 | 3, 3}, 60}, {{0x08 | 3, 0xc2}, 40},
      {{0x08 | 3}, 0},  {{0x18 | 3, 3}, 0},  {{}, 0},
  };
  for (const auto &entry : cases)
    ck_assert_uint_eq(opus_packet_duration(entry.packet.data(), entry.packet.size()),
                      static_cast<GstClockTime>(entry.ms * GST_MSECOND));
}
GST_END_TEST

GST_START_TEST(test_stream_collection)
{
  WhepServer server;
  Viewer viewer(server.endpoint(), {});
  viewer.play();
  const auto message = viewer.message(GST_MESSAGE_STREAM_COLLECTION);
  ck_assert(message.get() != nullptr);
  GstStreamCollection *collection = nullptr;
  gst_message_parse_stream_collection(message.get(), &collection);
  ck_assert_uint_eq(gst_stream_collection_get_size(collection), 2);
  GstStreamType types = {};
  for (guint i = 0; i < 2; i++)
    types = static_cast<GstStreamType>(
        types | gst_stream_get_stream_type(gst_stream_collection_get_stream(collection, i)));
  ck_assert_int_eq(types, GST_STREAM_TYPE_AUDIO | GST_STREAM_TYPE_VIDEO);
  gst_object_unref(collection);
  ck_assert(eventually([&] { return viewer.no_more_pads == 1; }));
  const auto pad = adopt_object(gst_element_get_static_pad(viewer.src(), "video_0"));
  const auto event = adopt_mini(gst_pad_get_sticky_event(pad.get(), GST_EVENT_STREAM_START, 0));
  GstStream *stream = nullptr;
  gst_event_parse_stream(event.get(), &stream);
  ck_assert(stream != nullptr);
  gst_object_unref(stream);
}
GST_END_TEST

// Nothing is linked: it plays all the same, and what comes is counted.
GST_START_TEST(test_nothing_is_linked)
{
  WhepServer server;
  Viewer viewer(server.endpoint(), {});
  viewer.play();
  ck_assert(eventually([&] {
    return viewer.no_more_pads == 1 && viewer.pad_stat("video_0", "dropped-unlinked") > 10 &&
           viewer.pad_stat("audio_0", "dropped-unlinked") > 10;
  }));
  ck_assert(viewer.problem(GST_MESSAGE_ERROR, 0).text.empty());
  ck_assert_int_lt(viewer.stop(), 2 * G_USEC_PER_SEC);
}
GST_END_TEST

// A pad that is linked late begins with a keyframe, and may be linked to something else later.
GST_START_TEST(test_what_is_linked_decides)
{
  WhepServer server;
  Viewer viewer(server.endpoint(), {});
  viewer.play();
  ck_assert(eventually([&] {
    return viewer.no_more_pads == 1 && viewer.pad_stat("video_0", "dropped-unlinked") > 5;
  }));
  viewer.link(kVideo, "capsfilter caps=video/x-vp8");
  ck_assert(eventually([&] { return viewer.count(kVideo) >= 5; }));
  ck_assert(viewer.seen(kVideo).front().is_key);
  ck_assert(viewer.seen(kVideo).front().is_discont);
  ck_assert(viewer.caps(kVideo).find("video/x-vp8") == 0);
  viewer.unlink(kVideo);
  const guint64 dropped = viewer.pad_stat("video_0", "dropped-unlinked");
  ck_assert(
      eventually([&] { return viewer.pad_stat("video_0", "dropped-unlinked") > dropped + 3; }));
  const size_t before = viewer.count(kVideo);
  viewer.link(kVideo, kRawVideo);
  ck_assert(eventually([&] { return viewer.count(kVideo) >= before + 5; }));
  ck_assert(viewer.caps(kVideo).find("video/x-raw") == 0);
  check_picture(viewer.seen(kVideo).back());
  check_rising(viewer.seen(kVideo));
  ck_assert(viewer.problem(GST_MESSAGE_ERROR, 0).text.empty());
}
GST_END_TEST

// Who takes both gets what it names first; who takes another codec cannot be linked.
GST_START_TEST(test_order_of_caps_decides)
{
  WhepServer server;
  Viewer viewer(server.endpoint(),
                {{kVideo, "capsfilter caps=video/x-vp8;video/x-raw"}, {kAudio, "identity"}});
  viewer.play();
  ck_assert(eventually([&] { return viewer.count(kVideo) >= 3 && viewer.count(kAudio) >= 3; }));
  ck_assert(viewer.caps(kVideo).find("video/x-vp8") == 0);
  ck_assert(viewer.caps(kAudio).find("audio/x-raw") == 0);
  viewer.unlink(kVideo);
  const auto pad = adopt_object(gst_element_get_static_pad(viewer.src(), "video_0"));
  const auto filter = streamlib::support::sink_object(gst_element_factory_make("capsfilter", ""));
  gst_util_set_object_arg(G_OBJECT(filter.get()), "caps", "video/x-h264");
  const auto sink = adopt_object(gst_element_get_static_pad(filter.get(), "sink"));
  ck_assert_int_eq(gst_pad_link_full(pad.get(), sink.get(), GST_PAD_LINK_CHECK_CAPS),
                   GST_PAD_LINK_NOFORMAT);
}
GST_END_TEST

// Of two media only one is wanted, and the other one later, as it is.
GST_START_TEST(test_sound_first_and_the_picture_late)
{
  WhepServer server;
  Viewer viewer(server.endpoint(), {{kAudio, kRawAudio}});
  viewer.play();
  ck_assert(eventually([&] { return viewer.count(kAudio) >= 50; }));
  ck_assert_int_eq(viewer.pads_added, 2);
  ck_assert_uint_gt(viewer.pad_stat("video_0", "dropped-unlinked"), 0);
  viewer.link(kVideo, "capsfilter caps=video/x-vp8");
  const size_t sounds = viewer.count(kAudio);
  ck_assert(
      eventually([&] { return viewer.count(kVideo) >= 10 && viewer.count(kAudio) > sounds + 20; }));
  const auto pictures = viewer.seen(kVideo);
  ck_assert(pictures.front().is_key && pictures.front().is_discont);
  // It goes on where the sound is, not at the beginning.
  ck_assert_uint_gt(pictures.front().running + GST_SECOND, viewer.seen(kAudio)[sounds].running);
  ck_assert(viewer.problem(GST_MESSAGE_ERROR, 0).text == "");
  viewer.unlink(kAudio);
  ck_assert(eventually([&] { return viewer.pad_stat("audio_0", "dropped-unlinked") > 10; }));
  const size_t before = viewer.count(kVideo);
  ck_assert(eventually([&] { return viewer.count(kVideo) >= before + 10; }));
}
GST_END_TEST

// Without audio there is no pad for it.
GST_START_TEST(test_only_video)
{
  FarPlan plan;
  plan.audio.clear();
  WhepServer server(plan);
  Viewer viewer(server.endpoint(), {{kVideo, kRawVideo}});
  viewer.play();
  ck_assert(eventually([&] { return viewer.count(kVideo) >= 5; }));
  ck_assert_int_eq(viewer.pads_added, 1);
  ck_assert_int_eq(viewer.no_more_pads, 1);
}
GST_END_TEST

static Suite *webrtc_whepsrc_suite()
{
  Suite *suite = suite_create("webrtc-whepsrc");
  TCase *tcase = tcase_create("media");
  tcase_set_timeout(tcase, 30);
  tcase_add_test(tcase, test_raw_vp8);
  tcase_add_test(tcase, test_raw_h264);
  tcase_add_test(tcase, test_raw_vp9);
  tcase_add_test(tcase, test_encoded_vp8);
  tcase_add_test(tcase, test_encoded_h264);
  tcase_add_test(tcase, test_encoded_vp9);
  tcase_add_test(tcase, test_sound_and_picture_belong_together);
  tcase_add_test(tcase, test_live);
  tcase_add_test(tcase, test_latency_of_sound);
  tcase_add_test(tcase, test_opus_packets_say_how_long_they_sound);
  tcase_add_test(tcase, test_stream_collection);
  tcase_add_test(tcase, test_nothing_is_linked);
  tcase_add_test(tcase, test_what_is_linked_decides);
  tcase_add_test(tcase, test_order_of_caps_decides);
  tcase_add_test(tcase, test_sound_first_and_the_picture_late);
  tcase_add_test(tcase, test_only_video);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_whepsrc)
