// SPDX-License-Identifier: LGPL-2.1-or-later
// GstSlProcessor: what fails, and processors at the ends of a pipeline.
#include <thread>

#include "gst/support/guards.h"
#include "processor_fixture.h"

using namespace fixture;

namespace {

struct ErrorFacts {
  std::string text;
  GQuark domain = 0;
  gint code = 0;
};

ErrorFacts facts_of(GstMessage *message)
{
  GError *error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  const streamlib::support::ErrorPtr owned(error);
  return {error->message, error->domain, error->code};
}

}  // namespace

GST_START_TEST(setup_failure_fails_the_state_change_and_says_why)
{
  int setups = 0, teardowns = 0;
  bool works = false;
  Hooks hooks;
  hooks.setup = [&](GError **error) {
    setups++;
    if (!works)
      g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                  "There is no camera. Plug one in.");
    return works;
  };
  hooks.teardown = [&] { teardowns++; };
  Rig rig(Kind::Filter, hooks);
  rig.add_recorder();
  rig.add_feeder();
  fail_unless_equals_int(rig.set_state(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  const auto message = rig.message(GST_MESSAGE_ERROR, 0);
  fail_unless(message);
  const ErrorFacts facts = facts_of(message.get());
  fail_unless(facts.text == "There is no camera. Plug one in.");
  fail_unless(facts.domain == GST_RESOURCE_ERROR);
  fail_unless_equals_int(facts.code, GST_RESOURCE_ERROR_NOT_FOUND);
  fail_unless(!rig.message(GST_MESSAGE_ERROR, 0));
  fail_unless_equals_int(setups, 1);
  // What was not set up is not torn down.
  fail_unless_equals_int(teardowns, 0);

  // The next try may work.
  rig.set_state(GST_STATE_READY);
  works = true;
  rig.play();
  rig.stop();
  fail_unless_equals_int(setups, 2);
  fail_unless_equals_int(teardowns, 1);
}
GST_END_TEST;

GST_START_TEST(setup_failure_without_a_reason_is_an_error_too)
{
  Hooks hooks;
  hooks.setup = [](GError **) { return false; };
  Rig rig(Kind::Source, hooks);
  fail_unless_equals_int(rig.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  fail_unless(rig.message(GST_MESSAGE_ERROR, 0));
}
GST_END_TEST;

GST_START_TEST(setup_and_teardown_enclose_the_steps)
{
  std::atomic<int> stage = 0;
  Hooks hooks;
  hooks.setup = [&](GError **) {
    fail_unless_equals_int(stage.exchange(1), 0);
    return true;
  };
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
    fail_unless_equals_int(stage, 1);
    *output = input;
    return GST_FLOW_OK;
  };
  hooks.teardown = [&] { fail_unless_equals_int(stage.exchange(0), 1); };
  Rig rig(Kind::Filter, hooks);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  for (int round = 0; round < 20; round++) {
    rig.play();
    in.open();
    for (guint64 i = 0; i < 10; i++)
      fail_unless_equals_int(in.push(i * GST_MSECOND), GST_FLOW_OK);
    rig.stop();
    fail_unless_equals_int(stage, 0);
    gst_pad_set_active(in.pad(), FALSE);
    gst_pad_set_active(in.pad(), TRUE);
  }
}
GST_END_TEST;

// A step that fails without a word: the base class says it, once, and the pusher is told.
GST_START_TEST(silent_failure_is_reported_once)
{
  for (const bool is_inline : {false, true}) {
    Hooks hooks;
    hooks.process = [](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
      gst_buffer_unref(input);
      return GST_FLOW_ERROR;
    };
    Rig rig(Kind::Filter, hooks);
    rig.add_recorder();
    Feeder &in = rig.add_feeder();
    if (is_inline)
      rig.set("scheduling", GST_SL_SCHEDULING_INLINE);
    rig.play();
    in.open();
    in.push(0);
    const auto message = rig.message(GST_MESSAGE_ERROR);
    fail_unless(message);
    fail_unless(facts_of(message.get()).domain == GST_STREAM_ERROR);
    if (!is_inline)
      fail_unless(eventually([&] { return in.push(0) == GST_FLOW_ERROR; }));
    fail_unless(!rig.message(GST_MESSAGE_ERROR, 50));
  }
}
GST_END_TEST;

GST_START_TEST(reported_error_is_the_only_one)
{
  for (const Kind kind : {Kind::Filter, Kind::Source, Kind::Join}) {
    GstSlProcessor *processor = nullptr;
    GstSlLinkPad *link = nullptr;
    Hooks hooks;
    hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
      if (link != nullptr)
        input = gst_sl_link_pad_pop_buffer(link);
      gst_clear_buffer(&input);
      gst_sl_processor_report_error(processor, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE,
                                    "The disk is full. Make room.", "wrote 0 of 8 bytes");
      return GST_FLOW_ERROR;
    };
    Rig rig(kind, hooks);
    processor = rig.processor();
    rig.add_recorder();
    if (kind == Kind::Source)
      gst_sl_processor_set_execution(processor, GST_SL_EXECUTION_CONTINUOUS);
    else
      rig.add_feeder();
    if (kind == Kind::Join) {
      rig.add_feeder();
      link = rig.feeder().sink();
    }
    rig.play();
    for (size_t i = 0; i < (kind == Kind::Source ? 0 : kind == Kind::Join ? 2 : 1); i++) {
      rig.feeder(i).open();
      rig.feeder(i).push(0);
    }
    const auto message = rig.message(GST_MESSAGE_ERROR);
    fail_unless(message);
    const ErrorFacts facts = facts_of(message.get());
    fail_unless(facts.text == "The disk is full. Make room.");
    fail_unless(facts.domain == GST_RESOURCE_ERROR);
    fail_unless_equals_int(facts.code, GST_RESOURCE_ERROR_WRITE);
    fail_unless(!rig.message(GST_MESSAGE_ERROR, 50), "kind %d", static_cast<int>(kind));
  }
}
GST_END_TEST;

// With one link pad the source reports what downstream answered, as with a queue.
GST_START_TEST(flow_of_downstream_travels_back)
{
  for (const GstFlowReturn answer : {GST_FLOW_ERROR, GST_FLOW_NOT_NEGOTIATED, GST_FLOW_EOS}) {
    Rig rig(Kind::Filter, {});
    rig.add_recorder().on_buffer = [=](GstBuffer *) { return answer; };
    Feeder &in = rig.add_feeder();
    rig.play();
    in.open();
    fail_unless(eventually([&] { return in.push(0) == answer; }));
    fail_unless(!rig.message(GST_MESSAGE_ERROR, 20));
  }
  // But after EOS there is no source any more that could.
  Gate gate;
  Rig rig(Kind::Filter, {});
  rig.add_recorder().on_buffer = [&](GstBuffer *) {
    gate.wait();
    return GST_FLOW_ERROR;
  };
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  fail_unless_equals_int(in.push(0), GST_FLOW_OK);
  in.eos();
  gate.open();
  fail_unless(rig.message(GST_MESSAGE_ERROR));
}
GST_END_TEST;

// A processor that makes its stream says itself why it ended.
GST_START_TEST(source_reports_what_downstream_answers)
{
  Hooks hooks;
  hooks.process = [](GstSlLinkPad *, GstBuffer *, GstBuffer **output) {
    *output = make_buffer(0);
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Source, hooks);
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_CONTINUOUS);
  rig.play();
  fail_unless(rig.message(GST_MESSAGE_ERROR));
  fail_unless(!rig.message(GST_MESSAGE_ERROR, 20));
}
GST_END_TEST;

// The same of a manual one, whose pushes no step follows: said once, with the end of its stream.
GST_START_TEST(manual_source_reports_what_downstream_answers)
{
  for (const GstFlowReturn answer : {GST_FLOW_ERROR, GST_FLOW_EOS}) {
    Rig rig(Kind::Source, {});
    rig.add_recorder().on_buffer = [=](GstBuffer *) { return answer; };
    gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_MANUAL);
    rig.play();
    for (int i = 0; i < 3; i++)
      fail_unless(gst_sl_processor_push(rig.processor(), nullptr, make_buffer(0)) != GST_FLOW_OK);
    fail_unless_equals_int(rig.out().count(GST_EVENT_EOS), 1);
    fail_unless(bool(rig.message(GST_MESSAGE_ERROR, 0)) == (answer == GST_FLOW_ERROR));
    fail_unless(!rig.message(GST_MESSAGE_ERROR, 20));
  }
}
GST_END_TEST;

// --- Sources ---

GST_START_TEST(source_opens_and_ends_its_stream)
{
  std::atomic<guint64> made = 0;
  GstSlProcessor *processor = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **output) {
    if (made == 0) {
      const auto caps = adopt_mini(gst_caps_from_string("application/x-made"));
      fail_unless(gst_sl_processor_set_src_caps(processor, nullptr, caps.get()));
    }
    *output = make_buffer(made * GST_MSECOND, made);
    return ++made < 10 ? GST_FLOW_OK : GST_FLOW_EOS;
  };
  Rig rig(Kind::Source, hooks);
  processor = rig.processor();
  rig.add_recorder();
  gst_sl_processor_set_execution(processor, GST_SL_EXECUTION_CONTINUOUS);
  rig.set("interval", guint64{0});
  rig.play();
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
  const auto seen = rig.out().seen();
  const GstEventType opening[] = {GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT};
  for (size_t i = 0; i < 3; i++)
    fail_unless_equals_int(seen[i].event, opening[i]);
  const GstSegment *segment;
  gst_event_parse_segment(GST_EVENT_CAST(seen[2].object.get()), &segment);
  fail_unless_equals_int(segment->format, GST_FORMAT_TIME);
  fail_unless_equals_uint64(segment->start, 0);
  fail_unless_equals_int(rig.out().buffers(), 10);
  fail_unless_equals_int(rig.out().count(GST_EVENT_EOS), 1);
  // No step after the end.
  sleep_ms(20);
  fail_unless_equals_uint64(made, 10);
}
GST_END_TEST;

GST_START_TEST(live_source_makes_nothing_in_paused)
{
  std::atomic<guint64> made = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **output) {
    *output = make_buffer(made * GST_MSECOND, made);
    made++;
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Source, hooks);
  rig.add_recorder();
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_CONTINUOUS);
  gst_sl_processor_set_live(rig.processor(), TRUE);
  gst_sl_processor_set_latency(rig.processor(), 7 * GST_MSECOND);
  rig.set("interval", guint64{GST_MSECOND});
  fail_unless_equals_int(rig.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
  sleep_ms(50);
  fail_unless_equals_uint64(made, 0);
  const auto query = adopt_mini(gst_query_new_latency());
  fail_unless(gst_pad_peer_query(rig.out().pad(), query.get()));
  gboolean live;
  GstClockTime min, max;
  gst_query_parse_latency(query.get(), &live, &min, &max);
  fail_unless(live);
  fail_unless_equals_uint64(min, 7 * GST_MSECOND);
  fail_unless_equals_uint64(max, 7 * GST_MSECOND);
  rig.play();
  fail_unless(eventually([&] { return made > 3; }));
  fail_unless_equals_int(rig.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_NO_PREROLL);
  sleep_ms(20);
  const guint64 at_pause = made;
  sleep_ms(50);
  fail_unless_equals_uint64(made, at_pause);
}
GST_END_TEST;

GST_START_TEST(eos_event_ends_a_source)
{
  Hooks hooks;
  hooks.process = [](GstSlLinkPad *, GstBuffer *, GstBuffer **output) {
    *output = make_buffer(0);
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Source, hooks);
  rig.add_recorder();
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_CONTINUOUS);
  rig.set("interval", guint64{GST_SECOND * 3600});
  rig.play();
  fail_unless(eventually([&] { return rig.out().buffers() == 1; }));
  fail_unless(gst_element_send_event(rig.element(), gst_event_new_eos()));
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
  fail_unless_equals_int(rig.out().buffers(), 1);
}
GST_END_TEST;

// A manual source has no step in which to end; the next push of its own thread is told.
GST_START_TEST(eos_event_ends_a_manual_source)
{
  std::thread thread;
  GstSlProcessor *processor = nullptr;
  GstFlowReturn last = GST_FLOW_OK;
  Hooks hooks;
  hooks.start = [&](GError **) {
    thread = std::thread([&] {
      for (guint64 i = 0; last == GST_FLOW_OK; i++) {
        last = gst_sl_processor_push(processor, nullptr, make_buffer(i * GST_MSECOND, i));
        sleep_ms(1);
      }
    });
    return true;
  };
  hooks.stop = [&] { thread.join(); };
  Rig rig(Kind::Source, hooks);
  processor = rig.processor();
  rig.add_recorder();
  gst_sl_processor_set_execution(processor, GST_SL_EXECUTION_MANUAL);
  rig.play();
  fail_unless(eventually([&] { return rig.out().buffers() > 3; }));
  fail_unless(gst_element_send_event(rig.element(), gst_event_new_eos()));
  const bool ended = eventually([&] { return rig.out().has_eos(); });
  rig.stop();
  fail_unless(ended);
  fail_unless_equals_int(last, GST_FLOW_EOS);
  fail_unless_equals_int(rig.out().seen().back().event, GST_EVENT_EOS);
}
GST_END_TEST;

// --- Sinks ---

GST_START_TEST(sink_posts_eos_when_all_was_taken)
{
  std::atomic<int> taken = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
    sleep_ms(1);
    gst_buffer_unref(input);
    taken++;
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Sink, hooks);
  fail_unless(GST_OBJECT_FLAG_IS_SET(rig.element(), GST_ELEMENT_FLAG_SINK));
  Feeder &in = rig.add_feeder();
  rig.play();
  // Over again, without a flush and with one.
  for (int round = 1; round <= 3; round++) {
    in.open();
    for (guint64 i = 0; i < 10; i++)
      fail_unless_equals_int(in.push(i * GST_MSECOND), GST_FLOW_OK);
    in.eos();
    const auto eos = rig.message(GST_MESSAGE_EOS);
    fail_unless(eos, "round %d", round);
    fail_unless(GST_MESSAGE_SRC(eos.get()) == GST_OBJECT(rig.element()));
    fail_unless_equals_int(taken, round * 10);
    if (round == 2)
      in.flush();
  }
  fail_unless(!rig.message(GST_MESSAGE_EOS, 20));
}
GST_END_TEST;

// In a pipeline: the message of the sink becomes that of the pipeline, which also tells when the
// stream begins, as of any sink.
GST_START_TEST(sink_works_in_a_pipeline)
{
  std::atomic<int> taken = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
    gst_buffer_unref(input);
    taken++;
    return GST_FLOW_OK;
  };
  const auto sink = make_processor(Kind::Sink, hooks, "the-sink");
  const auto pipeline = streamlib::support::sink_object(gst_pipeline_new(nullptr));
  GstElement *source = gst_element_factory_make("fakesrc", nullptr);
  g_object_set(source, "num-buffers", 30, "format", GST_FORMAT_TIME, nullptr);
  gst_bin_add_many(GST_BIN(pipeline.get()), source, GST_ELEMENT(sink.get()), nullptr);
  fail_unless(gst_element_link(source, GST_ELEMENT(sink.get())));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
  const auto message = adopt_mini(gst_bus_timed_pop_filtered(
      bus.get(), limit_ms(10000) * GST_MSECOND,
      static_cast<GstMessageType>(GST_MESSAGE_STREAM_START | GST_MESSAGE_ERROR)));
  fail_unless(message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_STREAM_START);
  const auto eos = adopt_mini(
      gst_bus_timed_pop_filtered(bus.get(), limit_ms(10000) * GST_MSECOND,
                                 static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  fail_unless(eos && GST_MESSAGE_TYPE(eos.get()) == GST_MESSAGE_EOS);
  fail_unless_equals_int(taken, 30);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}
GST_END_TEST;

// What a pipeline sends to its sinks goes upstream, on every link pad once, and the latency that it
// configures is known.
GST_START_TEST(sink_forwards_what_the_pipeline_sends)
{
  for (const Kind kind : {Kind::Sink, Kind::JoinSink}) {
    Rig rig(kind, {});
    const size_t pads = kind == Kind::Sink ? 1 : 2;
    std::atomic<int> latencies = 0;
    for (size_t i = 0; i < pads; i++) {
      rig.add_feeder().on_event = [&](GstEvent *event) {
        latencies += GST_EVENT_TYPE(event) == GST_EVENT_LATENCY ? 1 : 0;
        return TRUE;
      };
      rig.feeder(i).live = true;
      rig.feeder(i).min_latency = (i + 1) * 10 * GST_MSECOND;
    }
    rig.play();
    fail_unless(gst_element_seek_simple(rig.element(), GST_FORMAT_TIME,
                                        static_cast<GstSeekFlags>(0), GST_SECOND));
    fail_unless(gst_element_send_event(rig.element(), gst_event_new_latency(GST_MSECOND)));
    for (size_t i = 0; i < pads; i++)
      fail_unless_equals_int(rig.feeder(i).seeks, 1);
    fail_unless_equals_int(latencies, pads);

    const auto query = adopt_mini(gst_query_new_latency());
    fail_unless(gst_element_query(rig.element(), query.get()));
    gboolean live;
    GstClockTime min, max;
    gst_query_parse_latency(query.get(), &live, &min, &max);
    fail_unless(live);
    fail_unless_equals_uint64(min, pads * 10 * GST_MSECOND);
  }
}
GST_END_TEST;

// A sink that is stopped refuses the event that is on its way, which must not look like an error.
GST_START_TEST(event_refused_while_stopping_is_no_error)
{
  Rig rig(Kind::Filter, {});
  const auto sink = adopt_object(GST_PAD(gst_object_ref_sink(gst_pad_new("sink", GST_PAD_SINK))));
  // Each event sends again what was refused before it; the last time comes with the buffer.
  struct Refusal {
    GstEventType type;
    int times;
  } refusal = {GST_EVENT_SEGMENT, 2};
  if (__i__ == 1)
    refusal = {GST_EVENT_CAPS, 3};
  GST_PAD_ELEMENT_PRIVATE(sink.get()) = &refusal;
  gst_pad_set_event_function(sink.get(), [](GstPad *pad, GstObject *, GstEvent *event) -> gboolean {
    auto *refusal = static_cast<Refusal *>(GST_PAD_ELEMENT_PRIVATE(pad));
    const bool refuses = GST_EVENT_TYPE(event) == refusal->type;
    gst_event_unref(event);
    if (refuses && --refusal->times == 0) {
      const streamlib::support::ObjectLock lock(pad);
      GST_PAD_SET_FLUSHING(pad);
    }
    return !refuses;
  });
  gst_pad_set_chain_function(sink.get(), [](GstPad *, GstObject *, GstBuffer *buffer) {
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
  });
  const auto src = adopt_object(gst_element_get_static_pad(rig.element(), "src"));
  gst_pad_set_active(sink.get(), TRUE);
  fail_unless(gst_pad_link(src.get(), sink.get()) == GST_PAD_LINK_OK);
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  fail_unless(eventually([&] { return in.push(0) != GST_FLOW_OK; }));
  fail_unless_equals_int(in.push(0), GST_FLOW_FLUSHING);
  fail_unless(!rig.message(GST_MESSAGE_ERROR, 0));
  rig.stop();
  gst_pad_unlink(src.get(), sink.get());
}
GST_END_TEST;

static Suite *processor_errors_suite()
{
  Suite *suite = suite_create("processor errors and ends");
  TCase *errors = tcase_create("errors");
  suite_add_tcase(suite, errors);
  tcase_add_test(errors, setup_failure_fails_the_state_change_and_says_why);
  tcase_add_test(errors, setup_failure_without_a_reason_is_an_error_too);
  tcase_add_loop_test(errors, event_refused_while_stopping_is_no_error, 0, 2);
  tcase_add_test(errors, setup_and_teardown_enclose_the_steps);
  tcase_add_test(errors, silent_failure_is_reported_once);
  tcase_add_test(errors, reported_error_is_the_only_one);
  tcase_add_test(errors, flow_of_downstream_travels_back);
  tcase_add_test(errors, source_reports_what_downstream_answers);
  tcase_add_test(errors, manual_source_reports_what_downstream_answers);
  TCase *ends = tcase_create("ends");
  suite_add_tcase(suite, ends);
  tcase_add_test(ends, source_opens_and_ends_its_stream);
  tcase_add_test(ends, live_source_makes_nothing_in_paused);
  tcase_add_test(ends, eos_event_ends_a_source);
  tcase_add_test(ends, eos_event_ends_a_manual_source);
  tcase_add_test(ends, sink_posts_eos_when_all_was_taken);
  tcase_add_test(ends, sink_works_in_a_pipeline);
  tcase_add_test(ends, sink_forwards_what_the_pipeline_sends);
  return suite;
}

GST_CHECK_MAIN(processor_errors)
