// SPDX-License-Identifier: LGPL-2.1-or-later
// gst_sl_link_pad_take_over(): another processor goes on with a link where the one before stood.
#include <algorithm>
#include <map>
#include <numeric>
#include <thread>

#include "processor_fixture.h"

using namespace fixture;

namespace {

// What several processors took. Each of them in order; what one has in hand when another one goes
// on may be noted after what that one takes first.
class Ledger {
public:
  Hooks hooks()
  {
    Hooks hooks;
    hooks.process = [this](GstSlLinkPad *pad, GstBuffer *input, GstBuffer **output) {
      const std::lock_guard lock(mutex_);
      const guint64 number = GST_BUFFER_OFFSET(input);
      const auto last = last_of_.find(pad);
      misorders_ += last != last_of_.end() && last->second >= number ? 1 : 0;
      last_of_[pad] = number;
      numbers_.push_back(number);
      disconts_ += GST_BUFFER_FLAG_IS_SET(input, GST_BUFFER_FLAG_DISCONT) ? 1 : 0;
      *output = input;
      return GST_FLOW_OK;
    };
    return hooks;
  }
  // In ascending order, whoever took them.
  std::vector<guint64> numbers() const
  {
    const std::lock_guard lock(mutex_);
    auto sorted = numbers_;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }
  int misorders() const { return misorders_; }
  int disconts() const { return disconts_; }

private:
  mutable std::mutex mutex_;
  std::vector<guint64> numbers_;
  std::map<GstSlLinkPad *, guint64> last_of_;
  std::atomic<int> misorders_ = 0;
  std::atomic<int> disconts_ = 0;
};

GstSlLinkPad *sink_of(Rig &rig)
{
  // The element keeps it.
  const auto pad = adopt_object(gst_element_get_static_pad(rig.element(), "sink"));
  return GST_SL_LINK_PAD(pad.get());
}

guint64 stat_of(Rig &rig, const char *field)
{
  return rig.stat(field);
}

// The code of the error; -1 when it worked.
int take_over(Rig &to, Rig &from)
{
  GError *error = nullptr;
  if (gst_sl_link_pad_take_over(sink_of(to), sink_of(from), &error))
    return -1;
  const streamlib::support::ErrorPtr owned(error);
  fail_unless(error != nullptr && error->domain == GST_SL_LINK_ERROR);
  fail_unless(strlen(error->message) > 20);
  return error->code;
}

bool is_range(const std::vector<guint64> &numbers, guint64 count)
{
  std::vector<guint64> expected(count);
  std::iota(expected.begin(), expected.end(), 0);
  return numbers == expected;
}

}  // namespace

GST_START_TEST(new_processor_goes_on_where_the_old_one_stood)
{
  Rig old(Kind::Filter, {}, "old"), next(Kind::Filter, {}, "next");
  old.add_recorder();
  next.add_recorder();
  Feeder &in = old.add_feeder();
  old.play();
  next.play();
  in.open();
  old.set("paused", TRUE);
  next.set("paused", TRUE);
  for (guint64 i = 0; i < 5; i++)
    fail_unless_equals_int(in.push(i * GST_MSECOND, i), GST_FLOW_OK);
  fail_unless_equals_uint64(stat_of(old, "level"), 5);

  fail_unless_equals_int(take_over(next, old), -1);
  // What waited and what was counted went over.
  fail_unless_equals_uint64(stat_of(next, "level"), 5);
  fail_unless_equals_uint64(stat_of(next, "pushed"), 5);
  fail_unless_equals_uint64(stat_of(old, "level"), 0);
  fail_unless_equals_uint64(stat_of(old, "pushed"), 0);
  next.set("paused", FALSE);
  old.set("paused", FALSE);
  // The new one is told what the stream is.
  fail_unless(eventually([&] { return next.out().buffers() == 5; }));
  const auto seen = next.out().seen();
  const GstEventType opening[] = {GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT};
  for (size_t i = 0; i < 3; i++)
    fail_unless_equals_int(seen[i].event, opening[i]);
  fail_unless(is_range(next.out().numbers(), 5));

  // And the peer is linked to it, not to the old one.
  const auto peer = adopt_object(gst_pad_get_peer(in.pad()));
  fail_unless(GST_SL_LINK_PAD(peer.get()) == sink_of(next));
  fail_unless(!gst_pad_is_linked(GST_PAD(sink_of(old))));
  in.push(5 * GST_MSECOND, 5);
  in.eos();
  fail_unless(eventually([&] { return next.out().has_eos(); }));
  fail_unless(is_range(next.out().numbers(), 6));
  fail_unless_equals_int(old.out().buffers(), 0);
  fail_unless_equals_uint64(stat_of(next, "popped"), 6);
}
GST_END_TEST;

// A thousand times to and fro while a thread pushes as fast as it can.
static void swap_under_load(GstSlLinkPolicy policy)
{
  constexpr int kSwaps = 1000;
  Ledger ledger;
  Rig one(Kind::Filter, ledger.hooks(), "one"), two(Kind::Filter, ledger.hooks(), "two");
  one.add_recorder();
  two.add_recorder();
  Feeder &in = one.add_feeder();
  for (Rig *rig : {&one, &two}) {
    g_object_set(sink_of(*rig), "policy", policy, "depth", 8, nullptr);
    rig->play();
  }
  in.open();
  std::atomic<bool> is_over = false;
  guint64 pushed = 0;
  std::thread pusher([&] {
    for (; !is_over; pushed++)
      fail_unless_equals_int(in.push(pushed * GST_MSECOND, pushed), GST_FLOW_OK);
  });
  Rig *from = &one, *to = &two;
  int swaps = 0;
  const bool all = eventually(
      [&] {
        // While the pusher's thread has not moved over yet, there is no peer to take.
        const int code = take_over(*to, *from);
        fail_unless(code == -1 || code == GST_SL_LINK_ERROR_NOT_LINKED ||
                        code == GST_SL_LINK_ERROR_ALREADY_LINKED,
                    "%d", code);
        if (code == -1) {
          std::swap(from, to);
          swaps++;
        }
        return swaps == kSwaps;
      },
      60000);
  is_over = true;
  pusher.join();
  fail_unless(all, "%d swaps", swaps);
  in.eos();
  fail_unless(eventually([&] { return stat_of(*from, "level") == 0; }));
  fail_unless(eventually([&] { return from->out().has_eos(); }));

  // All counts travelled along.
  fail_unless_equals_uint64(stat_of(*from, "pushed"), pushed);
  fail_unless_equals_uint64(stat_of(*from, "popped") + stat_of(*from, "dropped"), pushed);
  const auto numbers = ledger.numbers();
  fail_unless_equals_uint64(numbers.size(), stat_of(*from, "popped"));
  fail_unless_equals_int(ledger.misorders(), 0);
  if (policy == GST_SL_LINK_POLICY_LOSSLESS) {
    fail_unless_equals_uint64(stat_of(*from, "dropped"), 0);
    fail_unless(is_range(numbers, pushed));
    fail_unless_equals_int(ledger.disconts(), 0);
  } else {
    fail_unless(std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end());
  }
}

GST_START_TEST(swaps_under_load_lose_nothing)
{
  swap_under_load(GST_SL_LINK_POLICY_LOSSLESS);
}
GST_END_TEST;

GST_START_TEST(swaps_under_load_keep_the_order_of_what_is_evicted)
{
  swap_under_load(GST_SL_LINK_POLICY_IN_ORDER);
}
GST_END_TEST;

// The old processor hangs in downstream for ever: the new one goes on, and only what the old one
// has in hand is lost to it.
GST_START_TEST(works_while_the_old_one_hangs)
{
  Gate gate;
  Rig old(Kind::Filter, {}, "old"), next(Kind::Filter, {}, "next");
  old.add_recorder().on_buffer = [&](GstBuffer *) {
    gate.wait();
    return GST_FLOW_OK;
  };
  next.add_recorder();
  Feeder &in = old.add_feeder();
  g_object_set(sink_of(old), "policy", GST_SL_LINK_POLICY_LOSSLESS, "depth", 4, nullptr);
  g_object_set(sink_of(next), "policy", GST_SL_LINK_POLICY_LOSSLESS, "depth", 4, nullptr);
  old.play();
  next.play();
  in.open();
  std::atomic<guint64> pushed = 0;
  std::thread pusher([&] {
    for (guint64 i = 0; i < 50; i++) {
      fail_unless_equals_int(in.push(i * GST_MSECOND, i), GST_FLOW_OK);
      pushed++;
    }
  });
  fail_unless(eventually([&] { return gate.has_visitor() && pushed >= 4; }));
  fail_unless_equals_int(take_over(next, old), -1);
  pusher.join();
  in.eos();
  const bool ended = eventually([&] { return next.out().has_eos(); });
  const auto numbers = next.out().numbers();
  gate.open();
  fail_unless(ended);
  fail_unless_equals_int(numbers.size(), 49);
  for (guint64 i = 0; i < 49; i++)
    fail_unless_equals_uint64(numbers[i], i + 1);
  // The old one had the first, and takes nothing more.
  fail_unless(eventually([&] { return old.out().buffers() == 1; }));
  sleep_ms(20);
  fail_unless_equals_int(old.out().buffers(), 1);
}
GST_END_TEST;

// After the move the old processor can be thrown away.
GST_START_TEST(old_processor_may_go)
{
  Ledger ledger;
  auto old = std::make_unique<Rig>(Kind::Filter, ledger.hooks(), "old");
  old->add_recorder();
  Feeder &in = old->add_feeder();
  old->play();
  in.open();
  std::atomic<bool> is_over = false;
  guint64 pushed = 0;
  GstPad *feeding = in.pad();
  std::thread pusher([&] {
    for (; !is_over; pushed++)
      fail_unless_equals_int(gst_pad_push(feeding, make_buffer(0, pushed)), GST_FLOW_OK);
  });
  // The feeder stays with the first rig, which is only stopped.
  std::vector<std::unique_ptr<Rig>> others;
  Rig *current = old.get();
  for (int round = 0; round < 20; round++) {
    auto next = std::make_unique<Rig>(Kind::Filter, ledger.hooks(), "next");
    next->add_recorder();
    next->play();
    fail_unless(eventually([&] { return take_over(*next, *current) == -1; }));
    fail_unless(eventually([&] {
      const auto peer = adopt_object(gst_pad_get_peer(feeding));
      return peer && GST_SL_LINK_PAD(peer.get()) == sink_of(*next);
    }));
    current->stop();
    if (!others.empty())
      others.clear();
    current = next.get();
    others.push_back(std::move(next));
  }
  is_over = true;
  pusher.join();
  fail_unless(eventually([&] { return current->stat("level") == 0; }));
  fail_unless(eventually([&] { return ledger.numbers().size() == pushed; }));
  fail_unless(is_range(ledger.numbers(), pushed));
}
GST_END_TEST;

GST_START_TEST(errors_say_why)
{
  Rig from(Kind::Filter, {}, "from"), to(Kind::Filter, {}, "to");
  from.add_recorder();
  to.add_recorder();
  from.play();
  to.play();
  fail_unless_equals_int(take_over(to, from), GST_SL_LINK_ERROR_NOT_LINKED);
  Feeder &in = from.add_feeder();
  in.open();
  to.stop();
  fail_unless_equals_int(take_over(to, from), GST_SL_LINK_ERROR_INACTIVE);

  to.set("scheduling", GST_SL_SCHEDULING_INLINE);
  to.play();
  fail_unless_equals_int(take_over(to, from), GST_SL_LINK_ERROR_INLINE);
  to.stop();
  to.set("scheduling", GST_SL_SCHEDULING_DEDICATED);
  to.play();

  Rig linked(Kind::Filter, {}, "linked");
  linked.add_recorder();
  linked.add_feeder();
  linked.play();
  fail_unless_equals_int(take_over(linked, from), GST_SL_LINK_ERROR_ALREADY_LINKED);

  // Nothing was moved: the stream goes on where it was.
  fail_unless_equals_int(in.push(0, 1), GST_FLOW_OK);
  fail_unless(eventually([&] { return from.out().buffers() == 1; }));
  fail_unless_equals_int(take_over(to, from), -1);
}
GST_END_TEST;

// The caps of the stream must fit what follows the new pad.
GST_START_TEST(caps_must_fit)
{
  Rig from(Kind::Filter, {}, "from"), to(Kind::Filter, {}, "to");
  from.add_recorder();
  from.play();
  Feeder &in = from.add_feeder();
  in.open(0, 0, "video/x-raw");
  const auto filter =
      streamlib::support::sink_object(gst_element_factory_make("capsfilter", nullptr));
  const auto audio = adopt_mini(gst_caps_from_string("audio/x-raw"));
  g_object_set(filter.get(), "caps", audio.get(), nullptr);
  fail_unless(gst_element_link_pads(to.element(), "src", filter.get(), "sink"));
  to.play();
  fail_unless_equals_int(take_over(to, from), GST_SL_LINK_ERROR_INCOMPATIBLE);
  fail_unless_equals_int(in.push(0, 1), GST_FLOW_OK);
  fail_unless(eventually([&] { return from.out().buffers() == 1; }));
  gst_element_unlink(to.element(), filter.get());
}
GST_END_TEST;

static Suite *takeover_suite()
{
  Suite *suite = suite_create("take over a link");
  TCase *tc = tcase_create("take over");
  suite_add_tcase(suite, tc);
  tcase_set_timeout(tc, 90);
  tcase_add_test(tc, new_processor_goes_on_where_the_old_one_stood);
  tcase_add_test(tc, swaps_under_load_lose_nothing);
  tcase_add_test(tc, swaps_under_load_keep_the_order_of_what_is_evicted);
  tcase_add_test(tc, works_while_the_old_one_hangs);
  tcase_add_test(tc, old_processor_may_go);
  tcase_add_test(tc, errors_say_why);
  tcase_add_test(tc, caps_must_fit);
  return suite;
}

GST_CHECK_MAIN(takeover)
