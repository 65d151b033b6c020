// SPDX-License-Identifier: LGPL-2.1-or-later
// That a stream comes out of sllink as it comes out of a queue: the same is fed into both, and what
// arrives, and what the pushing thread is told, is compared line by line.
#include "tests/pipelines/between.h"

namespace {

using namespace pipelines;

// What a scenario says of an element: what arrived, and what the pushing thread was told.
using Story = std::vector<std::string>;

void compare(Story (*scenario)(const char *element))
{
  const Story expected = scenario(kQueue);
  const Story got = scenario(kLossless);
  for (size_t i = 0; i < std::max(expected.size(), got.size()); i++) {
    const char *with_queue = i < expected.size() ? expected[i].c_str() : "nothing";
    const char *with_link = i < got.size() ? got[i].c_str() : "nothing";
    fail_unless(g_str_equal(with_queue, with_link), "line %u: queue: %s, sllink: %s",
                static_cast<unsigned>(i), with_queue, with_link);
  }
  fail_unless(!expected.empty());
}

std::string flow(GstFlowReturn flow)
{
  return std::string("flow ") + gst_flow_get_name(flow);
}

void add(Story &story, const Story &lines)
{
  story.insert(story.end(), lines.begin(), lines.end());
}

GstEvent *segment_from(GstClockTime start, gdouble rate = 1)
{
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = segment.position = start;
  segment.rate = rate;
  if (rate < 0) {
    segment.start = segment.time = 0;
    segment.stop = segment.position = start + GST_SECOND;
  }
  return gst_event_new_segment(&segment);
}

GstEvent *custom(GstEventType type, const char *name)
{
  return gst_event_new_custom(type, gst_structure_new_empty(name));
}

// Pushes until the answer of downstream has come back.
GstFlowReturn push_until_not_ok(Between &between)
{
  GstFlowReturn result = GST_FLOW_OK;
  for (guint i = 0; i < 2000 && result == GST_FLOW_OK; i++) {
    result = between.push(i);
    g_usleep(500);
  }
  return result;
}

// --- Everything in order ---

Story all_kinds_of_events(const char *element)
{
  Between between(element);
  between.open("application/x-test, format=(string)first");
  between.push(0, GST_BUFFER_FLAG_DISCONT);
  between.push(1);
  between.event(gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "a title", nullptr)));
  between.event(custom(GST_EVENT_CUSTOM_DOWNSTREAM, "between-buffers"));
  between.push(2);
  between.event(gst_event_new_gap(60 * GST_MSECOND, 20 * GST_MSECOND));
  between.push(4, GST_BUFFER_FLAG_DELTA_UNIT);
  const auto caps = adopt_mini(gst_caps_from_string("application/x-test, format=(string)second"));
  between.event(gst_event_new_caps(caps.get()));
  between.push(5);
  between.event(segment_from(GST_SECOND));
  between.push(50);
  between.event(custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "sticky"));
  between.event(gst_event_new_toc(adopt_mini(gst_toc_new(GST_TOC_SCOPE_GLOBAL)).get(), FALSE));
  between.event(gst_event_new_segment_done(GST_FORMAT_TIME, 2 * GST_SECOND));
  between.push(51, GST_BUFFER_FLAG_GAP);
  between.event(gst_event_new_eos());
  return between.lines(18);
}

GST_START_TEST(test_order)
{
  compare(all_kinds_of_events);
}
GST_END_TEST;

Story long_runs_of_gaps(const char *element)
{
  Between between(element);
  between.open();
  for (guint i = 0; i < 50; i++) {
    between.event(gst_event_new_gap(i * 20 * GST_MSECOND, 20 * GST_MSECOND));
    if (i % 7 == 0)
      between.push(i);
  }
  between.event(gst_event_new_eos());
  return between.lines(3 + 50 + 8 + 1);
}

GST_START_TEST(test_gaps)
{
  compare(long_runs_of_gaps);
}
GST_END_TEST;

Story rates_and_directions(const char *element)
{
  Between between(element);
  between.open();
  for (const gdouble rate : {1.0, 2.0, -1.0, 0.5, -4.0}) {
    between.event(segment_from(GST_SECOND, rate));
    between.push(60, GST_BUFFER_FLAG_DISCONT);
    between.push(59);
  }
  return between.lines(3 + 15);
}

GST_START_TEST(test_rates)
{
  compare(rates_and_directions);
}
GST_END_TEST;

// --- Flow returns ---

template <GstFlowReturn kAnswer>
Story answer_travels_back(const char *element)
{
  Story story;
  Between between(element);
  between.open();
  between.answer = kAnswer;
  story.push_back(flow(push_until_not_ok(between)));
  story.push_back(flow(between.push(1)));
  story.push_back(between.event(custom(GST_EVENT_CUSTOM_DOWNSTREAM, "later")) ? "event taken"
                                                                              : "event refused");
  // A flush is a new beginning.
  between.answer = GST_FLOW_OK;
  between.event(gst_event_new_flush_start());
  between.event(gst_event_new_flush_stop(TRUE));
  between.event(segment_from(0));
  story.push_back(flow(between.push(100)));
  story.push_back(flow(between.push(101)));
  fail_unless(eventually(
      [&] { return between.lines_now().back() == describe(numbered_buffer(101).get()); }));
  return story;
}

GST_START_TEST(test_flow_not_linked)
{
  compare(answer_travels_back<GST_FLOW_NOT_LINKED>);
}
GST_END_TEST;

GST_START_TEST(test_flow_error)
{
  compare(answer_travels_back<GST_FLOW_ERROR>);
}
GST_END_TEST;

GST_START_TEST(test_flow_not_negotiated)
{
  compare(answer_travels_back<GST_FLOW_NOT_NEGOTIATED>);
}
GST_END_TEST;

GST_START_TEST(test_flow_flushing)
{
  compare(answer_travels_back<GST_FLOW_FLUSHING>);
}
GST_END_TEST;

GST_START_TEST(test_flow_eos)
{
  compare(answer_travels_back<GST_FLOW_EOS>);
}
GST_END_TEST;

// After NOT_LINKED a RECONFIGURE from downstream makes the stream welcome again.
Story relinked(const char *element)
{
  Story story;
  Between between(element);
  between.open();
  between.answer = GST_FLOW_NOT_LINKED;
  story.push_back(flow(push_until_not_ok(between)));
  between.answer = GST_FLOW_OK;
  gst_pad_push_event(between.sink(), gst_event_new_reconfigure());
  story.push_back("reconfigures " + std::to_string(between.reconfigures.load()));
  story.push_back(flow(between.push(100)));
  story.push_back(flow(between.push(101)));
  fail_unless(eventually(
      [&] { return between.lines_now().back() == describe(numbered_buffer(101).get()); }));
  return story;
}

GST_START_TEST(test_reconfigure)
{
  compare(relinked);
}
GST_END_TEST;

// --- The end, and after it ---

Story after_the_end(const char *element)
{
  Story story;
  Between between(element);
  between.open();
  between.push(0);
  between.event(gst_event_new_eos());
  story.push_back(flow(between.push(1)));
  story.push_back(between.event(custom(GST_EVENT_CUSTOM_DOWNSTREAM, "late")) ? "taken" : "refused");
  between.lines(5);
  // A new stream, without a flush.
  between.event(gst_event_new_stream_start("second"));
  between.event(segment_from(GST_SECOND));
  story.push_back(flow(between.push(50)));
  between.event(gst_event_new_eos());
  add(story, between.lines(5 + 4));
  return story;
}

GST_START_TEST(test_restart_after_eos)
{
  compare(after_the_end);
}
GST_END_TEST;

// In push mode GStreamer's own pads know EOS only from an EOS event: a segment goes through.
Story new_stream_after_eos_of_downstream(const char *element)
{
  Story story;
  Between between(element);
  between.open();
  between.answer = GST_FLOW_EOS;
  story.push_back(flow(push_until_not_ok(between)));
  between.answer = GST_FLOW_OK;
  // At once: the answer to the next buffer must not depend on how far the other thread is.
  between.event(segment_from(GST_SECOND));
  story.push_back(flow(between.push(50)));
  story.push_back(flow(between.push(51)));
  fail_unless(eventually(
      [&] { return between.lines_now().back() == describe(numbered_buffer(51).get()); }));
  return story;
}

GST_START_TEST(test_segment_after_eos_of_downstream)
{
  compare(new_stream_after_eos_of_downstream);
}
GST_END_TEST;

// --- Flushes ---

Story flush_in_mid_stream(const char *element)
{
  Story story;
  Between between(element);
  between.open("application/x-test, a=1");
  between.event(gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "kept", nullptr)));
  between.close_gate();
  between.push(0);
  between.lines(5);
  // These wait, and go with the flush, but for the sticky events.
  between.push(1);
  const auto caps = adopt_mini(gst_caps_from_string("application/x-test, a=2"));
  between.event(gst_event_new_caps(caps.get()));
  between.push(2);
  between.event(custom(GST_EVENT_CUSTOM_DOWNSTREAM, "goes"));
  between.event(gst_event_new_flush_start());
  between.open_gate();
  between.event(gst_event_new_flush_stop(TRUE));
  between.event(segment_from(2 * GST_SECOND));
  // As every source does; a link marks it too, because something is missing before it.
  story.push_back(flow(between.push(100, GST_BUFFER_FLAG_DISCONT)));
  between.event(gst_event_new_eos());
  add(story, between.lines(11));
  return story;
}

GST_START_TEST(test_flush)
{
  compare(flush_in_mid_stream);
}
GST_END_TEST;

struct Pusher {
  Between *between;
  std::atomic<GstFlowReturn> result = GST_FLOW_OK;
  std::atomic<bool> done = false;

  static gpointer run(gpointer data)
  {
    auto *self = static_cast<Pusher *>(data);
    for (guint i = 0; i < 1000 && self->result == GST_FLOW_OK; i++)
      self->result = self->between->push(i);
    self->done = true;
    return nullptr;
  }
};

// A pusher that waits for space is let go by a flush, and by the end of the element.
Story waiting_pusher(const char *element)
{
  Story story;
  for (const bool by_flush : {true, false}) {
    Between between(element);
    between.open();
    between.close_gate();
    Pusher pusher{&between};
    GThread *thread = g_thread_new("push", Pusher::run, &pusher);
    fail_unless(eventually([&] { return between.is_at_gate(); }));
    g_usleep(20000);
    fail_if(pusher.done.load(), "nobody makes the pusher wait");
    if (by_flush) {
      between.event(gst_event_new_flush_start());
    } else {
      between.open_gate();
      gst_pad_set_active(between.sink(), FALSE);
      gst_element_set_state(between.element(), GST_STATE_READY);
    }
    g_thread_join(thread);
    story.push_back(flow(pusher.result));
  }
  return story;
}

GST_START_TEST(test_waiting_pusher)
{
  compare(waiting_pusher);
}
GST_END_TEST;

Suite *stream_suite()
{
  Suite *suite = suite_create("stream");
  TCase *tcase = tcase_create("as a queue does");
  suite_add_tcase(suite, tcase);
  ADD_CASE(tcase, test_order, "sllink");
  ADD_CASE(tcase, test_gaps, "sllink");
  ADD_CASE(tcase, test_rates, "sllink");
  ADD_CASE(tcase, test_flow_not_linked, "sllink");
  ADD_CASE(tcase, test_flow_error, "sllink");
  ADD_CASE(tcase, test_flow_not_negotiated, "sllink");
  ADD_CASE(tcase, test_flow_flushing, "sllink");
  ADD_CASE(tcase, test_flow_eos, "sllink");
  ADD_CASE(tcase, test_reconfigure, "sllink");
  ADD_CASE(tcase, test_restart_after_eos, "sllink");
  ADD_CASE(tcase, test_segment_after_eos_of_downstream, "sllink");
  ADD_CASE(tcase, test_flush, "sllink");
  ADD_CASE(tcase, test_waiting_pusher, "sllink");
  return suite;
}

}  // namespace

PIPELINE_TEST_MAIN(stream_suite)
