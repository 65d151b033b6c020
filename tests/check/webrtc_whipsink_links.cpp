// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and when it is linked: late, in a graph that is edited, to what a demuxer gives.
#include <mutex>

#include <gst/streamlib/streamlib.h>

#include "whip_pipeline.h"

using namespace fixture;

namespace {

// So that it is a pipeline.
constexpr char kNothing[] = "fakesrc num-buffers=0 ! fakesink async=false";

GObjectPtr<GstElement> source_of(const std::string &line)
{
  return streamlib::support::sink_object(
      gst_parse_bin_from_description(line.c_str(), TRUE, nullptr));
}

// As a demuxer does it: all pads are linked before the first of them gives anything.
void link_late(const Publisher &publisher, const std::vector<std::string> &lines)
{
  std::vector<GObjectPtr<GstElement>> sources;
  for (const std::string &line : lines) {
    sources.push_back(source_of(line));
    gst_bin_add(GST_BIN(publisher.pipeline()), sources.back().get());
    ck_assert(gst_element_link(sources.back().get(), publisher.sink()));
  }
  for (const auto &source : sources)
    ck_assert(gst_element_sync_state_with_parent(source.get()));
}

// What a source has left out by itself, because the machine was busy.
guint64 missed_ticks(GstElement *graph, const char *name)
{
  const auto source = adopt_object(gst_bin_get_by_name(GST_BIN(graph), name));
  GstStructure *raw = nullptr;
  g_object_get(source.get(), "stats", &raw, nullptr);
  const StructurePtr stats(raw);
  guint64 missed = 0;
  ck_assert(gst_structure_get_uint64(stats.get(), "missed-ticks", &missed));
  return missed;
}

// The times of all buffers of a sink.
struct Times {
  std::mutex mutex;
  std::vector<GstClockTime> all;

  static void take(GstElement *, GstBuffer *buffer, GstPad *, gpointer data)
  {
    auto *self = static_cast<Times *>(data);
    const std::lock_guard lock(self->mutex);
    self->all.push_back(GST_BUFFER_PTS(buffer));
  }
  size_t count()
  {
    const std::lock_guard lock(mutex);
    return all.size();
  }
  // How many are not there, in all.
  guint64 missing(GstClockTime duration)
  {
    const std::lock_guard lock(mutex);
    guint64 sum = 0;
    for (size_t i = 1; i < all.size(); i++) {
      ck_assert_uint_gt(all[i], all[i - 1]);
      sum += (all[i] - all[i - 1]) / duration - 1;
    }
    return sum;
  }
};

}  // namespace

GST_START_TEST(sources_may_come_while_it_plays)
{
  WhipServer server;
  Publisher publisher(server, "", kNothing);
  publisher.play();
  const auto reminder = publisher.problem(GST_MESSAGE_WARNING, 4000);
  ck_assert_msg(reminder.is(GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE), "%s",
                reminder.text.c_str());
  ck_assert_str_eq(publisher.state().c_str(), "new");
  ck_assert_int_eq(server.posts, 0);
  link_late(publisher, {kVideo, kAudio});
  check_flows(publisher, server, MediaKind::Video, 10);
  check_flows(publisher, server, MediaKind::Audio, 10);
  ck_assert_int_lt(publisher.stop(), 2000);
  ck_assert_int_eq(server.posts, 1);
  ck_assert_int_eq(server.deletes, 1);
}
GST_END_TEST

GST_START_TEST(late_source_without_a_buffer_ends)
{
  WhipServer server;
  Publisher publisher(server, "", kNothing);
  publisher.play();
  link_late(publisher, {"videotestsrc num-buffers=0", "audiotestsrc num-buffers=0"});
  ck_assert(publisher.message(GST_MESSAGE_EOS, 4000));
  publisher.stop();
  ck_assert_int_eq(server.sessions, 0);
}
GST_END_TEST

// Nothing begins after the end, and no reminder comes.
GST_START_TEST(stop_before_anything_is_linked)
{
  WhipServer server;
  Publisher publisher(server, "", kNothing);
  for (int round = 0; round < 3; round++) {
    publisher.play();
    sleep_ms(50);
    ck_assert_int_lt(publisher.stop(), 500);
  }
  ck_assert(!publisher.message(GST_MESSAGE_WARNING, 2000));
  ck_assert_int_eq(server.posts, 0);
}
GST_END_TEST

// What qtdemux and matroskademux give.
GST_START_TEST(h264_of_a_demuxer)
{
  WhipServer server({.codecs = {"H264"}});
  Publisher publisher(
      server, "",
      to("video_0", std::string(kVideo) + " ! x264enc tune=zerolatency ! video/x-h264,"
                                          "stream-format=avc,profile=constrained-baseline"));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 10);
}
GST_END_TEST

// Another server takes over, and nothing of it is seen in the other branches.
GST_START_TEST(graph_goes_to_another_server)
{
  constexpr GstClockTime kInterval = 20 * GST_MSECOND;
  WhipServer first;
  WhipServer second;
  const auto node_at = [](const WhipServer &server) {
    return R"({"type": "whip", "config": {"video-codec": "VP8", "whip-endpoint": ")" +
           server.endpoint() + R"("}})";
  };
  const std::string description =
      R"({"nodes": {
        "picture": {"type": "test", "config": {"media": "video", "interval": 20000000}},
        "tone": {"type": "test", "config": {"media": "audio", "interval": 20000000}},
        "seen": {"type": "fakesink", "config": {"signal-handoffs": true, "sync": false}},
        "heard": {"type": "fakesink", "config": {"signal-handoffs": true, "sync": false}},
        "publish": )" +
      node_at(first) + R"(},
      "links": [
        {"from": "picture", "to": "publish.video_0"}, {"from": "tone", "to": "publish.audio_0"},
        {"from": "picture", "to": "seen", "policy": "lossless"},
        {"from": "tone", "to": "heard", "policy": "lossless"}]})";
  const auto pipeline =
      adopt_object(static_cast<GstElement *>(gst_object_ref_sink(gst_pipeline_new(nullptr))));
  GstElement *graph = gst_element_factory_make("slgraph", nullptr);
  ck_assert(graph != nullptr);
  g_object_set(graph, "description", description.c_str(), nullptr);
  gst_bin_add(GST_BIN(pipeline.get()), graph);
  ck_assert_int_ne(gst_element_set_state(pipeline.get(), GST_STATE_PLAYING),
                   GST_STATE_CHANGE_FAILURE);
  Times seen;
  Times heard;
  for (const auto &[name, times] : {std::pair("seen", &seen), std::pair("heard", &heard)}) {
    const auto sink = adopt_object(gst_bin_get_by_name(GST_BIN(graph), name));
    ck_assert(sink);
    g_signal_connect(sink.get(), "handoff", G_CALLBACK(Times::take), times);
  }
  const auto flows = [](const WhipServer &server) {
    return eventually([&] {
      return server.buffers_of_last(MediaKind::Video) > 10 &&
             server.buffers_of_last(MediaKind::Audio) > 10;
    });
  };
  ck_assert(flows(first));
  GError *error = nullptr;
  ck_assert_msg(
      gst_sl_graph_replace_node(GST_SL_GRAPH(graph), "publish", node_at(second).c_str(), &error),
      "%s", error != nullptr ? error->message : "");
  ck_assert(flows(second));
  ck_assert(eventually([&] { return first.deletes == 1; }));
  ck_assert_int_eq(second.posts, 1);
  const size_t before = seen.count();
  ck_assert(eventually([&] { return seen.count() > before + 10 && heard.count() > 50; }));
  ck_assert_uint_le(seen.missing(kInterval), missed_ticks(graph, "picture"));
  ck_assert_uint_le(heard.missing(kInterval), missed_ticks(graph, "tone"));
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  ck_assert_int_eq(second.deletes, 1);
}
GST_END_TEST

static Suite *webrtc_whipsink_links_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-whipsink-links");
  TCase *tc = tcase_create("links");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, sources_may_come_while_it_plays);
  tcase_add_test(tc, late_source_without_a_buffer_ends);
  tcase_add_test(tc, stop_before_anything_is_linked);
  tcase_add_test(tc, h264_of_a_demuxer);
  tcase_add_test(tc, graph_goes_to_another_server);
  suite_add_tcase(suite, tc);
  return suite;
}

GST_CHECK_MAIN(webrtc_whipsink_links)
