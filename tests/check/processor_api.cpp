// SPDX-License-Identifier: LGPL-2.1-or-later
// GstSlProcessor: lists, caps, events, and what subclasses call.
#include "processor_fixture.h"

using namespace fixture;

namespace {

GstBufferList *make_list(guint64 first, guint count)
{
  GstBufferList *list = gst_buffer_list_new();
  for (guint64 i = first; i < first + count; i++)
    gst_buffer_list_add(list, make_buffer(i * GST_MSECOND, i));
  return list;
}

// Notes lists as well, which the recorder's pad would get one by one.
struct ListProbe {
  std::atomic<int> lists = 0;

  explicit ListProbe(GstPad *pad)
  {
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER_LIST,
        [](GstPad *, GstPadProbeInfo *, gpointer data) {
          static_cast<ListProbe *>(data)->lists++;
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
};

}  // namespace

GST_START_TEST(list_is_processed_buffer_by_buffer)
{
  std::atomic<int> calls = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
    calls++;
    *output = input;
    return GST_FLOW_OK;
  };
  for (const bool is_inline : {false, true}) {
    calls = 0;
    Rig rig(Kind::Filter, hooks);
    rig.add_recorder();
    Feeder &in = rig.add_feeder();
    if (is_inline)
      rig.set("scheduling", GST_SL_SCHEDULING_INLINE);
    rig.play();
    in.open();
    fail_unless_equals_int(gst_pad_push_list(in.pad(), make_list(0, 5)), GST_FLOW_OK);
    fail_unless_equals_int(gst_pad_push_list(in.pad(), make_list(5, 3)), GST_FLOW_OK);
    fail_unless(eventually([&] { return rig.out().buffers() == 8; }));
    fail_unless_equals_int(calls, 8);
    const auto numbers = rig.out().numbers();
    for (guint64 i = 0; i < 8; i++)
      fail_unless_equals_uint64(numbers[i], i);
  }
}
GST_END_TEST;

// A list stops at the first buffer that fails; the rest is not processed.
GST_START_TEST(list_stops_at_an_error)
{
  std::atomic<int> calls = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
    gst_buffer_unref(input);
    return ++calls == 3 ? GST_FLOW_EOS : GST_FLOW_OK;
  };
  Rig rig(Kind::Filter, hooks);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  gst_pad_push_list(in.pad(), make_list(0, 5));
  fail_unless(eventually([&] { return in.push(0) == GST_FLOW_EOS; }));
  fail_unless_equals_int(calls, 3);
}
GST_END_TEST;

GST_START_TEST(subclass_takes_lists_whole)
{
  GstSlProcessor *processor = nullptr;
  std::atomic<int> lists = 0;
  Hooks hooks;
  hooks.process_list = [&](GstSlLinkPad *, GstBufferList *list) {
    lists++;
    return gst_sl_processor_push_list(processor, nullptr, list);
  };
  Rig rig(Kind::Filter, hooks);
  processor = rig.processor();
  ListProbe probe(rig.add_recorder().pad());
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  gst_pad_push_list(in.pad(), make_list(0, 5));
  gst_pad_push_list(in.pad(), make_list(5, 5));
  fail_unless(eventually([&] { return rig.out().buffers() == 10; }));
  fail_unless_equals_int(lists, 2);
  fail_unless_equals_int(probe.lists, 2);
  fail_unless_equals_uint64(in.stat("pushed"), 10);
  fail_unless_equals_uint64(in.stat("popped"), 10);
}
GST_END_TEST;

// With several link pads there are no lists: each buffer is a head of its own.
GST_START_TEST(joined_pads_get_buffers_of_lists)
{
  std::vector<GstSlLinkPad *> links;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **output) {
    for (GstSlLinkPad *link : links) {
      auto buffer = adopt_mini(gst_sl_link_pad_pop_buffer(link));
      if (buffer && *output == nullptr)
        *output = buffer.release();
    }
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Join, hooks);
  rig.add_recorder();
  for (int i = 0; i < 2; i++)
    links.push_back(rig.add_feeder().sink());
  rig.play();
  for (size_t i = 0; i < 2; i++)
    rig.feeder(i).open();
  gst_pad_push_list(rig.feeder(0).pad(), make_list(0, 4));
  for (guint64 i = 0; i < 4; i++)
    rig.feeder(1).push(i * GST_MSECOND, 100 + i);
  fail_unless(eventually([&] { return rig.out().buffers() == 4; }));
}
GST_END_TEST;

// Caps are told in order with the buffers, in the thread of the processor.
GST_START_TEST(caps_come_in_order)
{
  std::vector<std::string> log;
  std::atomic<GThread *> worker = nullptr;
  GstSlProcessor *processor = nullptr;
  Hooks hooks;
  hooks.set_caps = [&](GstSlLinkPad *, GstCaps *caps) {
    worker = g_thread_self();
    log.push_back(gst_structure_get_name(gst_caps_get_structure(caps, 0)));
    return gst_sl_processor_set_src_caps(processor, nullptr, caps) != FALSE;
  };
  hooks.process = [&](GstSlLinkPad *pad, GstBuffer *input, GstBuffer **output) {
    const auto caps = adopt_mini(gst_sl_link_pad_get_caps(pad));
    log.push_back(std::string("buffer of ") +
                  gst_structure_get_name(gst_caps_get_structure(caps.get(), 0)));
    *output = input;
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Caps, hooks);
  processor = rig.processor();
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open(0, 0, "a/one");
  in.push(0);
  const auto two = adopt_mini(gst_caps_from_string("a/two"));
  in.event(gst_event_new_caps(two.get()));
  in.push(GST_SECOND);
  in.eos();
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
  const std::vector<std::string> expected = {"a/one", "buffer of a/one", "a/two",
                                             "buffer of a/two"};
  fail_unless(log == expected);
  fail_unless(worker.load() != g_thread_self());
  fail_unless_equals_int(rig.out().count(GST_EVENT_CAPS), 2);
}
GST_END_TEST;

GST_START_TEST(refused_caps_are_not_negotiated)
{
  Hooks hooks;
  hooks.set_caps = [](GstSlLinkPad *, GstCaps *) { return false; };
  for (const bool is_inline : {false, true}) {
    Rig rig(Kind::Caps, hooks);
    rig.add_recorder();
    Feeder &in = rig.add_feeder();
    if (is_inline)
      rig.set("scheduling", GST_SL_SCHEDULING_INLINE);
    rig.play();
    in.open();
    fail_unless(eventually([&] { return in.push(0) == GST_FLOW_NOT_NEGOTIATED; }));
    fail_unless_equals_int(rig.out().buffers(), 0);
  }
}
GST_END_TEST;

// An event of the subclass's own, in its place between buffers, and one that it keeps to itself.
GST_START_TEST(events_of_a_subclass)
{
  GstSlProcessor *processor = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
    fail_unless(gst_sl_processor_push_event(processor, nullptr,
                                            gst_event_new_gap(GST_BUFFER_PTS(input), 1)));
    return gst_sl_processor_push(processor, nullptr, input);
  };
  hooks.sink_event = [](GstSlLinkPad *, GstEvent *event) {
    if (GST_EVENT_TYPE(event) != GST_EVENT_TAG)
      return false;
    gst_event_unref(event);
    return true;
  };
  Rig rig(Kind::Filter, hooks);
  processor = rig.processor();
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  in.push(0);
  in.event(gst_event_new_tag(gst_tag_list_new_empty()));
  in.push(GST_SECOND);
  in.eos();
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
  const auto seen = rig.out().seen();
  const GstEventType expected[] = {GST_EVENT_STREAM_START, GST_EVENT_CAPS,    GST_EVENT_SEGMENT,
                                   GST_EVENT_GAP,          GST_EVENT_UNKNOWN, GST_EVENT_GAP,
                                   GST_EVENT_UNKNOWN,      GST_EVENT_EOS};
  fail_unless_equals_int(seen.size(), G_N_ELEMENTS(expected));
  for (size_t i = 0; i < seen.size(); i++)
    fail_unless_equals_int(seen[i].event, expected[i]);
}
GST_END_TEST;

// What goes by an inline processor: as by any filter without a thread.
GST_START_TEST(inline_follows_flush_and_end)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.set("scheduling", GST_SL_SCHEDULING_INLINE);
  rig.play();
  in.open();
  fail_unless_equals_int(in.push(0, 1), GST_FLOW_OK);
  fail_unless(in.event(gst_event_new_flush_start()));
  fail_unless_equals_int(in.push(0, 2), GST_FLOW_FLUSHING);
  fail_unless(in.event(gst_event_new_flush_stop(TRUE)));
  in.segment(0);
  fail_unless_equals_int(in.push(0, 3), GST_FLOW_OK);
  fail_unless(in.eos());
  fail_unless(rig.out().has_eos());
  fail_unless(rig.out().numbers() == std::vector<guint64>({1, 3}));
  fail_unless_equals_int(rig.out().count(GST_EVENT_FLUSH_START), 1);
  fail_unless_equals_int(rig.out().count(GST_EVENT_FLUSH_STOP), 1);
  fail_unless_equals_int(rig.out().count(GST_EVENT_SEGMENT), 2);
}
GST_END_TEST;

// Dropped buffers are told, at most once a second.
GST_START_TEST(drops_are_told_in_qos_messages)
{
  Gate gate;
  Rig rig(Kind::Filter, {});
  rig.add_recorder().on_buffer = [&](GstBuffer *) {
    gate.wait();
    return GST_FLOW_OK;
  };
  Feeder &in = rig.add_feeder();
  g_object_set(in.sink(), "policy", GST_SL_LINK_POLICY_IN_ORDER, "depth", 2, nullptr);
  rig.set_state(GST_STATE_PAUSED);
  in.open();
  const gint64 began = g_get_monotonic_time();
  guint64 told = 0;
  int messages = 0;
  for (guint64 i = 0; told == 0 || g_get_monotonic_time() - began < 2500 * 1000; i++) {
    in.push(i * GST_MSECOND, i);
    sleep_ms(2);
    if (const auto message = rig.message(GST_MESSAGE_QOS, 0)) {
      GstFormat format;
      guint64 processed;
      gst_message_parse_qos_stats(message.get(), &format, &processed, &told);
      fail_unless_equals_int(format, GST_FORMAT_BUFFERS);
      fail_unless(told > 0 && told <= in.stat("dropped"));
      messages++;
    }
    fail_unless(g_get_monotonic_time() - began < limit_ms(20000) * gint64{1000});
  }
  const int seconds = static_cast<int>((g_get_monotonic_time() - began) / G_USEC_PER_SEC);
  fail_unless(messages >= 1 && messages <= seconds + 1, "%d messages", messages);
  gate.open();
}
GST_END_TEST;

GST_START_TEST(stats_count_since_paused)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  for (int round = 0; round < 2; round++) {
    rig.play();
    in.open();
    in.push(0);
    fail_unless(eventually([&] { return rig.stat("popped") == 1; }));
    fail_unless_equals_uint64(rig.stat("pushed"), 1);
    rig.set_state(GST_STATE_READY);
    gst_pad_set_active(in.pad(), FALSE);
    gst_pad_set_active(in.pad(), TRUE);
  }
  // Any time, any state.
  rig.stop();
  fail_unless(rig.stats() != nullptr);
}
GST_END_TEST;

static Suite *processor_api_suite()
{
  Suite *suite = suite_create("processor API");
  TCase *tc = tcase_create("api");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, list_is_processed_buffer_by_buffer);
  tcase_add_test(tc, list_stops_at_an_error);
  tcase_add_test(tc, subclass_takes_lists_whole);
  tcase_add_test(tc, joined_pads_get_buffers_of_lists);
  tcase_add_test(tc, caps_come_in_order);
  tcase_add_test(tc, refused_caps_are_not_negotiated);
  tcase_add_test(tc, events_of_a_subclass);
  tcase_add_test(tc, inline_follows_flush_and_end);
  tcase_add_test(tc, drops_are_told_in_qos_messages);
  tcase_add_test(tc, stats_count_since_paused);
  return suite;
}

GST_CHECK_MAIN(processor_api)
