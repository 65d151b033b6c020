// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and what sources do: other sizes and rates, changes in the stream, holes.
#include <array>

#include "whip_pipeline.h"

using namespace fixture;

namespace {

void set_caps(const Publisher &publisher, const char *filter, const std::string &caps)
{
  const auto element = adopt_object(gst_bin_get_by_name(GST_BIN(publisher.pipeline()), filter));
  gst_util_set_object_arg(G_OBJECT(element.get()), "caps", caps.c_str());
}

// So many more than there are.
void check_goes_on(Publisher &publisher, const WhipServer &server, MediaKind kind, size_t more)
{
  check_flows(publisher, server, kind, server.buffers_of_last(kind) + more);
}

std::string size(int width, int height)
{
  return "video/x-raw,framerate=30/1,width=" + std::to_string(width) +
         ",height=" + std::to_string(height);
}

}  // namespace

// H.264 with 4:2:0 has even sizes alone, so that a column and a line are left out there.
GST_START_TEST(odd_sizes)
{
  for (const char *codec : {"VP8", "VP9", "H264"}) {
    WhipServer server({.codecs = {codec}});
    Publisher publisher(server, "", to("video_0", "videotestsrc is-live=true ! " + size(321, 241)));
    publisher.play();
    check_flows(publisher, server, MediaKind::Video, 10);
  }
}
GST_END_TEST

// Whatever the colours are, it is the profile 0 that the offer has.
GST_START_TEST(formats_of_colours)
{
  for (const auto &[codec, format] :
       {std::pair("VP9", "Y444"), std::pair("VP9", "I420_10LE"), std::pair("H264", "Y444")}) {
    WhipServer server({.codecs = {codec}});
    Publisher publisher(
        server, "",
        to("video_0", "videotestsrc is-live=true ! " + size(320, 240) + ",format=" + format));
    publisher.play();
    check_flows(publisher, server, MediaKind::Video, 5);
  }
}
GST_END_TEST

// The streams go on with the same SSRC: the receiver's SRTP must be able to follow the numbers.
GST_START_TEST(sizes_change_in_the_stream)
{
  for (const char *codec : {"VP8", "H264"}) {
    WhipServer server({.codecs = {codec}});
    Publisher publisher(
        server, "",
        to("video_0", "videotestsrc is-live=true ! capsfilter name=size caps=" + size(320, 240)));
    publisher.play();
    check_flows(publisher, server, MediaKind::Video, 10);
    for (const auto &[width, height] :
         {std::pair(640, 360), std::pair(160, 120), std::pair(321, 241), std::pair(640, 480),
          std::pair(320, 240), std::pair(176, 144), std::pair(320, 240), std::pair(640, 360)}) {
      const size_t keyframes = server.keyframes_of_last();
      set_caps(publisher, "size", size(width, height));
      check_goes_on(publisher, server, MediaKind::Video, 10);
      ck_assert_uint_gt(server.keyframes_of_last(), keyframes);
    }
    ck_assert_int_eq(server.posts, 1);
    const auto error = publisher.error(0);
    ck_assert_msg(error.text.empty(), "%s: %s", codec, error.text.c_str());
  }
}
GST_END_TEST

GST_START_TEST(sound_of_any_rate)
{
  for (const char *caps : {"rate=44100,channels=1", "rate=8000,channels=1", "rate=96000,channels=2",
                           "rate=48000,channels=6,channel-mask=(bitmask)0x3f"}) {
    WhipServer server;
    Publisher publisher(
        server, "", to("audio_0", std::string("audiotestsrc is-live=true ! audio/x-raw,") + caps));
    publisher.play();
    check_flows(publisher, server, MediaKind::Audio, 20);
  }
}
GST_END_TEST

GST_START_TEST(rates_change_in_the_stream)
{
  WhipServer server;
  Publisher publisher(server, "",
                      to("audio_0",
                         "audiotestsrc is-live=true ! capsfilter name=rate "
                         "caps=audio/x-raw,rate=48000,channels=2"));
  publisher.play();
  check_flows(publisher, server, MediaKind::Audio, 20);
  for (const char *caps :
       {"rate=44100,channels=1", "rate=16000,channels=2", "rate=48000,channels=1",
        "rate=48000,channels=2", "rate=44100,channels=2"}) {
    set_caps(publisher, "rate", std::string("audio/x-raw,") + caps);
    check_goes_on(publisher, server, MediaKind::Audio, 20);
  }
  ck_assert_int_eq(server.posts, 1);
}
GST_END_TEST

// Of encoded media, too: a source that begins anew with another size.
GST_START_TEST(encoded_sizes_change_in_the_stream)
{
  for (const auto &[codec, encoder] :
       {std::pair("VP8", "vp8enc deadline=1 cpu-used=8"),
        std::pair("H264",
                  "x264enc tune=zerolatency speed-preset=ultrafast ! "
                  "video/x-h264,profile=constrained-baseline")}) {
    WhipServer server({.codecs = {codec}});
    Publisher publisher(server, "",
                        to("video_0", "videotestsrc is-live=true ! capsfilter name=size caps=" +
                                          size(320, 240) + " ! " + encoder));
    publisher.play();
    check_flows(publisher, server, MediaKind::Video, 10);
    for (const auto &[width, height] :
         {std::pair(640, 360), std::pair(160, 120), std::pair(320, 240), std::pair(640, 480)}) {
      set_caps(publisher, "size", size(width, height));
      check_goes_on(publisher, server, MediaKind::Video, 10);
    }
    ck_assert_int_eq(server.posts, 1);
  }
}
GST_END_TEST

// A source that says nothing for a while, and one that says so by GAP events.
GST_START_TEST(input_that_stops_comes_back)
{
  WhipServer server({.codecs = {"VP8", "opus"}});
  Publisher publisher(
      server, "",
      to("video_0", std::string(kVideo) + " ! valve name=picture") +
          to("audio_0", std::string(kAudio) + " ! valve name=sound drop-mode=transform-to-gap"));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 10);
  check_flows(publisher, server, MediaKind::Audio, 10);
  for (const char *name : {"picture", "sound"}) {
    const auto valve = adopt_object(gst_bin_get_by_name(GST_BIN(publisher.pipeline()), name));
    g_object_set(valve.get(), "drop", TRUE, nullptr);
  }
  sleep_ms(2000);
  ck_assert(publisher.state() == "connected");
  const size_t pictures = server.buffers_of_last(MediaKind::Video);
  sleep_ms(300);
  ck_assert_uint_eq(server.buffers_of_last(MediaKind::Video), pictures);
  for (const char *name : {"picture", "sound"}) {
    const auto valve = adopt_object(gst_bin_get_by_name(GST_BIN(publisher.pipeline()), name));
    g_object_set(valve.get(), "drop", FALSE, nullptr);
  }
  check_goes_on(publisher, server, MediaKind::Video, 20);
  check_goes_on(publisher, server, MediaKind::Audio, 40);
  ck_assert_int_eq(server.posts, 1);
  ck_assert(
      !publisher.message(static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_WARNING), 0));
}
GST_END_TEST

// A source that runs already may come to its end while the sink is still being started.
GST_START_TEST(input_that_ends_before_the_session_has_begun)
{
  WhipServer server;
  // A line with one element would make no pipeline.
  Publisher publisher(server, "", "identity");
  struct Source {
    GObjectPtr<GstPad> pad;
    bool has_ended = false;
  };
  std::array<Source, 2> sources;
  const std::array names = {"audio_0", "video_0"};
  for (size_t i = 0; i < sources.size(); i++) {
    sources[i].pad = streamlib::support::sink_object(gst_pad_new(nullptr, GST_PAD_SRC));
    const auto sink = adopt_object(
        gst_element_request_pad_simple(publisher.sink(), i == 0 ? "audio_%u" : "video_%u"));
    ck_assert_str_eq(GST_PAD_NAME(sink.get()), names[i]);
    // It is asked for its caps when the session begins.
    gst_pad_set_element_private(sources[i].pad.get(), &sources[i]);
    gst_pad_set_query_function(
        sources[i].pad.get(), [](GstPad *pad, GstObject *parent, GstQuery *query) -> gboolean {
          auto *source = static_cast<Source *>(gst_pad_get_element_private(pad));
          const auto peer = adopt_object(gst_pad_get_peer(pad));
          if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS && !source->has_ended && peer &&
              gst_pad_is_active(peer.get()))
            source->has_ended = gst_pad_push_event(pad, gst_event_new_eos()) != FALSE;
          return gst_pad_query_default(pad, parent, query);
        });
    gst_pad_set_active(sources[i].pad.get(), TRUE);
    gst_pad_push_event(sources[i].pad.get(), gst_event_new_stream_start(names[i]));
    ck_assert_int_eq(gst_pad_link(sources[i].pad.get(), sink.get()), GST_PAD_LINK_OK);
  }
  for (int round = 0; round < 2; round++) {
    for (Source &source : sources)
      source.has_ended = false;
    publisher.play();
    for (const Source &source : sources)
      ck_assert(source.has_ended);
    ck_assert_msg(publisher.message(GST_MESSAGE_EOS, 10000) != nullptr, "%s",
                  publisher.stats_text().c_str());
    publisher.stop();
    for (Source &source : sources) {
      gst_pad_set_active(source.pad.get(), FALSE);
      gst_pad_set_active(source.pad.get(), TRUE);
      gst_pad_push_event(source.pad.get(), gst_event_new_stream_start("again"));
    }
  }
}
GST_END_TEST

static Suite *webrtc_whipsink_inputs_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-whipsink-inputs");
  TCase *tc = tcase_create("inputs");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, odd_sizes);
  tcase_add_test(tc, formats_of_colours);
  tcase_add_test(tc, sizes_change_in_the_stream);
  tcase_add_test(tc, sound_of_any_rate);
  tcase_add_test(tc, rates_change_in_the_stream);
  tcase_add_test(tc, encoded_sizes_change_in_the_stream);
  tcase_add_test(tc, input_that_stops_comes_back);
  tcase_add_test(tc, input_that_ends_before_the_session_has_begun);
  suite_add_tcase(suite, tc);
  return suite;
}

GST_CHECK_MAIN(webrtc_whipsink_inputs)
