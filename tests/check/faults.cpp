// SPDX-License-Identifier: LGPL-2.1-or-later
// Faults that runtimes of this kind are known for, each shown not to be here.
#include <algorithm>
#include <thread>

#include <malloc.h>

#include "processor_fixture.h"

using namespace fixture;

namespace {

// A pad that feeds a tee, and branches behind the tee that begin with a processor.
class FanOut {
public:
  explicit FanOut(size_t branches)
      : tee_(streamlib::support::sink_object(gst_element_factory_make("tee", nullptr))),
        pad_(streamlib::support::sink_object(gst_pad_new("feeder", GST_PAD_SRC)))
  {
    g_object_set(tee_.get(), "allow-not-linked", TRUE, nullptr);
    const auto sink = adopt_object(gst_element_get_static_pad(tee_.get(), "sink"));
    fail_unless_equals_int(gst_pad_link(pad_.get(), sink.get()), GST_PAD_LINK_OK);
    gst_pad_set_active(pad_.get(), TRUE);
    gst_element_set_state(tee_.get(), GST_STATE_PLAYING);
    gst_pad_push_event(pad_.get(), gst_event_new_stream_start("fan-out"));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(pad_.get(), gst_event_new_segment(&segment));
    for (size_t i = 0; i < branches; i++)
      add_branch();
  }
  FanOut(const FanOut &) = delete;
  FanOut &operator=(const FanOut &) = delete;
  ~FanOut()
  {
    while (!branches_.empty())
      remove_branch(0);
    gst_element_set_state(tee_.get(), GST_STATE_NULL);
  }

  void add_branch()
  {
    Branch branch;
    branch.rig = std::make_unique<Rig>(Kind::Filter, Hooks{});
    branch.rig->add_recorder();
    branch.rig->play();
    branch.tee_pad = adopt_object(gst_element_request_pad_simple(tee_.get(), "src_%u"));
    branch.sink = adopt_object(gst_element_get_static_pad(branch.rig->element(), "sink"));
    fail_unless_equals_int(gst_pad_link(branch.tee_pad.get(), branch.sink.get()), GST_PAD_LINK_OK);
    branches_.push_back(std::move(branch));
  }
  void remove_branch(size_t i)
  {
    Branch branch = std::move(branches_[i]);
    branches_.erase(branches_.begin() + static_cast<int>(i));
    gst_pad_unlink(branch.tee_pad.get(), branch.sink.get());
    gst_element_release_request_pad(tee_.get(), branch.tee_pad.get());
    branch.rig->stop();
  }
  GstFlowReturn push(guint64 number)
  {
    return gst_pad_push(pad_.get(), make_buffer(number * GST_MSECOND, number));
  }
  size_t size() const { return branches_.size(); }
  Rig &branch(size_t i) { return *branches_[i].rig; }

private:
  struct Branch {
    std::unique_ptr<Rig> rig;
    GObjectPtr<GstPad> tee_pad;
    GObjectPtr<GstPad> sink;
  };

  GObjectPtr<GstElement> tee_;
  GObjectPtr<GstPad> pad_;
  std::vector<Branch> branches_;
};

size_t allocated_bytes()
{
  return mallinfo2().uordblks;
}

}  // namespace

// A source with several consumers wakes each of them, not only the one that was linked last: all
// sleep, one buffer is pushed, and all have it, every time.
GST_START_TEST(every_consumer_of_a_fan_out_is_woken)
{
  FanOut fan_out(4);
  for (guint64 round = 0; round < 100; round++) {
    fail_unless_equals_int(fan_out.push(round), GST_FLOW_OK);
    for (size_t i = 0; i < fan_out.size(); i++)
      fail_unless(eventually([&] { return fan_out.branch(i).out().buffers() == round + 1; }),
                  "branch %zu sleeps on in round %d", i, static_cast<int>(round));
    if (round % 10 == 0)
      sleep_ms(5);
  }
}
GST_END_TEST;

// A push that drops an older buffer wakes the consumer as any other: what the last push of a burst
// has brought comes out, though nothing is pushed after it.
GST_START_TEST(push_that_evicts_wakes)
{
  for (const GstSlLinkPolicy policy : {GST_SL_LINK_POLICY_IN_ORDER, GST_SL_LINK_POLICY_LATEST}) {
    Rig rig(Kind::Filter, {});
    rig.add_recorder();
    Feeder &in = rig.add_feeder();
    g_object_set(in.sink(), "policy", policy, "depth", 1, nullptr);
    rig.play();
    in.open();
    guint64 number = 0;
    for (int round = 0; round < 300; round++) {
      for (int i = 0; i < 5; i++, number++)
        fail_unless_equals_int(in.push(number * GST_MSECOND, number), GST_FLOW_OK);
      fail_unless(eventually([&] {
                    const auto numbers = rig.out().numbers();
                    return !numbers.empty() && numbers.back() == number - 1;
                  }),
                  "round %d", round);
    }
    fail_unless_equals_uint64(in.stat("level"), 0);
  }
}
GST_END_TEST;

// Wake-ups are a state, not a queue: a consumer that does not come for long finds no heap of them,
// takes no step for each, and nothing was allocated for them.
GST_START_TEST(wake_ups_do_not_pile_up)
{
  constexpr guint64 kPushes = 200000;
  Gate gate;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
    gate.wait();
    gst_buffer_unref(input);
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Filter, hooks);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  g_object_set(in.sink(), "policy", GST_SL_LINK_POLICY_IN_ORDER, "depth", 8, nullptr);
  rig.play();
  in.open();
  const auto buffer = adopt_mini(make_buffer(0));
  const auto push_again = [&] {
    fail_unless_equals_int(gst_pad_push(in.pad(), gst_buffer_ref(buffer.get())), GST_FLOW_OK);
  };
  push_again();
  fail_unless(eventually([&] { return gate.has_visitor(); }));
  for (int i = 0; i < 100; i++)
    push_again();
  const size_t before = allocated_bytes();
  for (guint64 i = 0; i < kPushes; i++)
    push_again();
  const size_t after = allocated_bytes();
  fail_unless(after < before + 64 * 1024, "%zu bytes more", after - before);
  const guint64 steps = rig.stat("steps");
  gate.open();
  fail_unless(eventually([&] { return in.stat("level") == 0; }));
  sleep_ms(20);
  fail_unless(rig.stat("steps") <= steps + 20);
  fail_unless_equals_uint64(in.stat("popped"), 9);
}
GST_END_TEST;

// A continuous processor that never looks at its link does not make it grow either.
GST_START_TEST(consumer_that_never_looks_costs_nothing)
{
  Hooks hooks;
  hooks.process = [](GstSlLinkPad *, GstBuffer *, GstBuffer **) { return GST_FLOW_OK; };
  Rig rig(Kind::Filter, hooks);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  g_object_set(in.sink(), "policy", GST_SL_LINK_POLICY_LATEST, nullptr);
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_CONTINUOUS);
  rig.play();
  in.open();
  const auto buffer = adopt_mini(make_buffer(0));
  for (int i = 0; i < 100; i++)
    gst_pad_push(in.pad(), gst_buffer_ref(buffer.get()));
  const size_t before = allocated_bytes();
  for (int i = 0; i < 100000; i++)
    gst_pad_push(in.pad(), gst_buffer_ref(buffer.get()));
  fail_unless(allocated_bytes() < before + 64 * 1024);
  fail_unless(in.stat("level") <= 2);
  fail_unless_equals_uint64(in.stat("pushed"), in.stat("dropped") + in.stat("level"));
}
GST_END_TEST;

// After a pause live sound is in time again. If what came during the pause stayed in front, each
// later buffer would come a link's length (here a second) late for good.
GST_START_TEST(no_latency_stands_after_a_pause)
{
  constexpr GstClockTime kDuration = 10 * GST_MSECOND;
  const auto clock = adopt_object(gst_system_clock_obtain());
  Rig rig(Kind::Filter, {});
  std::atomic<gint64> age_of_last = 0;
  std::atomic<guint64> last = 0;
  rig.add_recorder().on_buffer = [&](GstBuffer *buffer) {
    const GstClockTime now =
        gst_clock_get_time(clock.get()) - gst_element_get_base_time(rig.element());
    age_of_last = GST_CLOCK_DIFF(GST_BUFFER_PTS(buffer), now);
    last = GST_BUFFER_OFFSET(buffer);
    return GST_FLOW_OK;
  };
  Feeder &in = rig.add_feeder();
  g_object_set(in.sink(), "policy", GST_SL_LINK_POLICY_IN_ORDER, "depth", 100, nullptr);
  rig.play(clock.get());
  in.open();
  std::atomic<bool> is_over = false;
  std::atomic<guint64> pushed = 0;
  std::thread live([&] {
    for (; !is_over; pushed++) {
      const GstClockTime now =
          gst_clock_get_time(clock.get()) - gst_element_get_base_time(rig.element());
      in.push(now, pushed, kDuration);
      sleep_ms(10);
    }
  });
  fail_unless(eventually([&] { return last > 5; }));
  rig.set("paused", TRUE);
  sleep_ms(600);
  const guint64 at_resume = pushed;
  rig.set("paused", FALSE);
  fail_unless(eventually([&] { return last > at_resume + 5; }));
  // Several tries: the machine may be busy, a latency that stands is there each time.
  const bool in_time = eventually([&] { return age_of_last < gint64(100 * GST_MSECOND); }, 2000);
  is_over = true;
  live.join();
  fail_unless(in_time, "%ld ms behind", static_cast<long>(age_of_last / 1000000));
  fail_unless(in.stat("level") <= 10);
}
GST_END_TEST;

// What came during a pause comes out when it ends, without another push that would wake.
GST_START_TEST(pause_forgets_no_wake_up)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  for (guint64 round = 1; round <= 200; round++) {
    rig.set("paused", TRUE);
    in.push(round, round);
    rig.set("paused", FALSE);
    fail_unless(eventually([&] { return rig.out().buffers() == round; }));
  }
}
GST_END_TEST;

// An element that drives itself in an endless loop can be stopped, and what stands around it can be
// linked anew while it runs: no lock is held while its code runs.
GST_START_TEST(manual_processor_can_be_stopped_and_linked_anew)
{
  for (int round = 0; round < 10; round++) {
    std::thread thread;
    GstSlProcessor *processor = nullptr;
    std::atomic<guint64> loops = 0;
    Hooks hooks;
    hooks.start = [&](GError **) {
      thread = std::thread([&] {
        while (!gst_sl_processor_is_stopping(processor)) {
          gst_sl_processor_push(processor, nullptr, make_buffer(0, loops));
          loops++;
          g_usleep(100);
        }
      });
      return true;
    };
    hooks.stop = [&] {
      // Code of the element may call the element.
      GstStructure *stats = nullptr;
      g_object_get(processor, "stats", &stats, nullptr);
      gst_structure_free(stats);
      g_object_set(processor, "paused", FALSE, nullptr);
      gst_element_post_message(
          GST_ELEMENT(processor),
          gst_message_new_element(GST_OBJECT(processor), gst_structure_new_empty("stopping")));
      thread.join();
    };
    Rig rig(Kind::Source, hooks);
    processor = rig.processor();
    gst_sl_processor_set_execution(processor, GST_SL_EXECUTION_MANUAL);
    const auto src = adopt_object(gst_element_get_static_pad(rig.element(), "src"));
    rig.add_recorder();
    rig.play();
    fail_unless(eventually([&] { return loops > 10; }));
    // Another consumer, while it runs.
    gst_pad_unlink(src.get(), rig.out().pad());
    fail_unless_equals_int(gst_pad_link(src.get(), rig.out().pad()), GST_PAD_LINK_OK);
    const gint64 began = g_get_monotonic_time();
    rig.stop();
    fail_unless(g_get_monotonic_time() - began < limit_ms(2000) * 1000);
  }
}
GST_END_TEST;

// An error of a step is heard of in the application: a message of the processor, with the place,
// and the stream that feeds it ends.
GST_START_TEST(error_of_a_step_is_seen)
{
  Hooks hooks;
  hooks.process = [](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
    gst_buffer_unref(input);
    return GST_FLOW_ERROR;
  };
  const auto processor = make_processor(Kind::Filter, hooks, "weak");
  const auto pipeline = streamlib::support::sink_object(gst_pipeline_new(nullptr));
  GstElement *source = gst_element_factory_make("fakesrc", nullptr);
  GstElement *sink = gst_element_factory_make("fakesink", nullptr);
  g_object_set(sink, "async", FALSE, nullptr);
  gst_bin_add_many(GST_BIN(pipeline.get()), source, GST_ELEMENT(processor.get()), sink, nullptr);
  fail_unless(gst_element_link_many(source, GST_ELEMENT(processor.get()), sink, nullptr));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
  const auto message = adopt_mini(
      gst_bus_timed_pop_filtered(bus.get(), limit_ms(10000) * GST_MSECOND, GST_MESSAGE_ERROR));
  fail_unless(message);
  fail_unless(GST_MESSAGE_SRC(message.get()) == GST_OBJECT(processor.get()));
  fail_unless(!text_of(message.get()).empty());
  // The source's own message says that its stream has stopped.
  const auto follow_up = adopt_mini(
      gst_bus_timed_pop_filtered(bus.get(), limit_ms(10000) * GST_MSECOND, GST_MESSAGE_ERROR));
  fail_unless(follow_up && GST_MESSAGE_SRC(follow_up.get()) == GST_OBJECT(source));
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}
GST_END_TEST;

// Consumers come and go while the producer's thread runs through the list of them.
GST_START_TEST(consumers_come_and_go_under_load)
{
  FanOut fan_out(2);
  std::atomic<bool> is_over = false;
  std::thread pusher([&] {
    for (guint64 i = 0; !is_over; i++) {
      const GstFlowReturn flow = fan_out.push(i);
      fail_unless(flow == GST_FLOW_OK || flow == GST_FLOW_FLUSHING);
    }
  });
  for (int round = 0; round < 100; round++) {
    fan_out.add_branch();
    fail_unless(eventually([&] { return fan_out.branch(fan_out.size() - 1).out().buffers() > 0; }));
    fan_out.remove_branch(0);
  }
  is_over = true;
  pusher.join();
}
GST_END_TEST;

// And link pads come and go while the thread of the processor runs through the list of them.
GST_START_TEST(link_pads_come_and_go_under_load)
{
  std::atomic<guint64> taken = 0;
  GstElement *element = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **) {
    std::vector<GObjectPtr<GstPad>> pads;
    GST_OBJECT_LOCK(element);
    for (GList *item = element->sinkpads; item != nullptr; item = item->next)
      pads.push_back(share_object(GST_PAD(item->data)));
    GST_OBJECT_UNLOCK(element);
    for (const auto &pad : pads) {
      if (adopt_mini(gst_sl_link_pad_pop_buffer(GST_SL_LINK_PAD(pad.get()))))
        taken++;
    }
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Join, hooks);
  element = rig.element();
  rig.add_recorder();
  Feeder &steady = rig.add_feeder();
  rig.play();
  steady.open();
  std::atomic<bool> is_over = false;
  std::thread pusher([&] {
    for (guint64 i = 0; !is_over; i++)
      fail_unless_equals_int(steady.push(i * GST_MSECOND, i), GST_FLOW_OK);
  });
  for (int round = 0; round < 100; round++) {
    {
      Feeder passing(rig.processor(), "sink_%u");
      passing.open();
      for (guint64 i = 0; i < 5; i++)
        passing.push(i * GST_MSECOND, i);
      gst_element_release_request_pad(element, GST_PAD(passing.sink()));
    }
    const guint64 before = taken;
    fail_unless(eventually([&] { return taken > before; }), "round %d", round);
  }
  is_over = true;
  pusher.join();
}
GST_END_TEST;

// Times are those of the capture, in one time for all: however long processors take, and through
// however many, no buffer is stamped anew; and two live sources begin at the same epoch.
GST_START_TEST(times_are_those_of_the_capture)
{
  const auto pipeline = streamlib::support::sink_object(gst_parse_launch(
      "audiotestsrc is-live=true num-buffers=25 samplesperbuffer=882 ! audio/x-raw,rate=44100 "
      "! tee name=a ! sllink ! identity sleep-time=3000 ! sllink ! fakesink name=as sync=false "
      "videotestsrc is-live=true num-buffers=15 ! video/x-raw,framerate=30/1,width=16,height=16 "
      "! tee name=v ! sllink policy=lossless ! identity sleep-time=20000 ! sllink policy=lossless "
      "! fakesink name=vs sync=false",
      nullptr));
  fail_unless(pipeline);
  std::mutex mutex;
  struct Times {
    std::mutex *mutex;
    std::vector<GstClockTime> list;
  } times[4] = {{&mutex, {}}, {&mutex, {}}, {&mutex, {}}, {&mutex, {}}};
  const char *const names[] = {"a", "as", "v", "vs"};
  for (size_t i = 0; i < 4; i++) {
    const auto element = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline.get()), names[i]));
    const auto pad = adopt_object(gst_element_get_static_pad(element.get(), "sink"));
    gst_pad_add_probe(
        pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad *, GstPadProbeInfo *info, gpointer data) {
          auto *seen = static_cast<Times *>(data);
          const std::lock_guard lock(*seen->mutex);
          seen->list.push_back(GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)));
          return GST_PAD_PROBE_OK;
        },
        &times[i], nullptr);
  }
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
  const auto message = adopt_mini(
      gst_bus_timed_pop_filtered(bus.get(), limit_ms(20000) * GST_MSECOND,
                                 static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  fail_unless(message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  for (size_t i = 0; i < 4; i += 2) {
    fail_unless(times[i + 1].list.size() >= 10);
    // What came through is what was captured, and the last is the last.
    auto captured = times[i].list.begin();
    for (const GstClockTime time : times[i + 1].list) {
      captured = std::find(captured, times[i].list.end(), time);
      fail_unless(captured != times[i].list.end());
    }
    fail_unless_equals_uint64(times[i].list.back(), times[i + 1].list.back());
  }
  const GstClockTimeDiff apart = GST_CLOCK_DIFF(times[0].list[0], times[2].list[0]);
  fail_unless(ABS(apart) < limit_ms(1000) * GstClockTimeDiff{GST_MSECOND});
}
GST_END_TEST;

static Suite *faults_suite()
{
  Suite *suite = suite_create("known faults");
  TCase *tc = tcase_create("faults");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, every_consumer_of_a_fan_out_is_woken);
  tcase_add_test(tc, push_that_evicts_wakes);
  tcase_add_test(tc, wake_ups_do_not_pile_up);
  tcase_add_test(tc, consumer_that_never_looks_costs_nothing);
  tcase_add_test(tc, no_latency_stands_after_a_pause);
  tcase_add_test(tc, pause_forgets_no_wake_up);
  tcase_add_test(tc, manual_processor_can_be_stopped_and_linked_anew);
  tcase_add_test(tc, error_of_a_step_is_seen);
  tcase_add_test(tc, consumers_come_and_go_under_load);
  tcase_add_test(tc, link_pads_come_and_go_under_load);
  tcase_add_test(tc, times_are_those_of_the_capture);
  return suite;
}

GST_CHECK_MAIN(faults)
