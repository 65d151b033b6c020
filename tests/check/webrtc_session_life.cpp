// SPDX-License-Identifier: LGPL-2.1-or-later
// Beginnings and ends of a session: what blocks behind it, what it leaves, which threads it has.
#include <algorithm>
#include <cstring>

#include <sys/prctl.h>

#include "webrtc_peers.h"

using namespace fixture;

namespace {

constexpr uint32_t kVideoSsrc = 0x11111111;
constexpr uint32_t kRtxSsrc = 0x22222222;
constexpr uint32_t kAudioSsrc = 0x33333333;

constexpr char kLiveVideo[] =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1";
constexpr char kLiveAudio[] =
    "audiotestsrc is-live=true samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=2";

SessionMedia video()
{
  return sending("v", MediaKind::Video, {vp8()}, kVideoSsrc, kRtxSsrc);
}

SessionMedia audio()
{
  return sending("a", MediaKind::Audio, {opus()}, kAudioSsrc);
}

// An element that keeps the thread that comes by, flush or not.
class Blocker {
public:
  static void on_buffer(GstElement *, GstBuffer *, gpointer data)
  {
    auto *self = static_cast<Blocker *>(data);
    std::unique_lock lock(self->mutex_);
    self->entered_++;
    self->changed_.wait(lock, [self] { return !self->is_closed_; });
    self->entered_--;
  }
  void install(Peer &peer, const char *name)
  {
    const auto element = adopt_object(gst_bin_get_by_name(GST_BIN(peer.pipeline()), name));
    g_object_set(element.get(), "signal-handoffs", TRUE, nullptr);
    g_signal_connect(element.get(), "handoff", G_CALLBACK(on_buffer), this);
  }
  void close(bool closed)
  {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = closed;
    }
    changed_.notify_all();
  }
  bool holds_one()
  {
    const std::lock_guard lock(mutex_);
    return entered_ > 0;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_closed_ = false;
  int entered_ = 0;
};

bool warns(Peer &peer)
{
  const auto bus = adopt_object(gst_element_get_bus(peer.pipeline()));
  return static_cast<bool>(
      adopt_mini(gst_bus_timed_pop_filtered(bus.get(), 0, GST_MESSAGE_WARNING)));
}

int took_ms(const std::function<void()> &call)
{
  const gint64 begin = g_get_monotonic_time();
  call();
  return static_cast<int>((g_get_monotonic_time() - begin) / 1000);
}

void begin_one(Pair &pair, Peer &peer, const std::vector<SessionMedia> &media)
{
  const bool first = &peer == &pair.a;
  auto status = peer.session().begin(first ? media : turned(media),
                                     first ? pair.forth.get() : pair.back.get());
  ck_assert_msg(status.ok(), "%s", status.ok() ? "" : status.error().text.c_str());
  peer.session().set_connected(true);
}

unsigned open_descriptors()
{
  unsigned count = 0;
  GDir *folder = g_dir_open("/proc/self/fd", 0, nullptr);
  while (folder != nullptr && g_dir_read_name(folder) != nullptr)
    count++;
  if (folder != nullptr)
    g_dir_close(folder);
  return count;
}

}  // namespace

// A consumer that waits for the clock is flushed.
GST_START_TEST(test_stop_flushes_a_sink_that_waits)
{
  Pair pair;
  pair.a.add_source(MediaKind::Audio, kLiveAudio);
  pair.a.play();
  pair.b.play();
  pair.begin({audio()});
  pair.b.add_output(MediaKind::Audio, "clocksync ts-offset=60000000000");
  pair.connect();
  ck_assert(eventually([&] { return pair.b.stat("jitter-pushed") > 0; }));
  const int took = took_ms([&] { pair.b.session().stop(); });
  ck_assert_int_lt(took, limit_ms(1400));
  ck_assert(!warns(pair.b));
  ck_assert_uint_eq(pair.b.count(MediaKind::Audio), 0);
}
GST_END_TEST

// A consumer that does not return, not even when flushed: the session goes on without it, and gives
// it media again when it comes back.
GST_START_TEST(test_stop_and_begin_with_a_consumer_that_hangs)
{
  Blocker blocker;
  Pair pair;
  pair.a.add_source(MediaKind::Video, kLiveVideo);
  pair.a.add_source(MediaKind::Audio, kLiveAudio);
  pair.a.play();
  pair.b.play();
  pair.begin({video(), audio()});
  pair.b.add_output(MediaKind::Video);
  pair.b.add_output(MediaKind::Audio, "identity name=wait silent=true");
  blocker.install(pair.b, "wait");
  pair.connect();
  ck_assert(eventually(
      [&] { return pair.b.count(MediaKind::Video) >= 5 && pair.b.count(MediaKind::Audio) >= 5; }));
  blocker.close(true);
  ck_assert(eventually([&] { return blocker.holds_one(); }));
  const int took = took_ms([&] { begin_one(pair, pair.b, {video(), audio()}); });
  ck_assert_int_lt(took, limit_ms(2000));
  ck_assert(blocker.holds_one());
  ck_assert(warns(pair.b));
  // The other output does not suffer.
  const size_t pictures = pair.b.count(MediaKind::Video);
  const bool flowed = eventually([&] { return pair.b.count(MediaKind::Video) >= pictures + 5; });
  if (!flowed)
    blocker.close(false);
  ck_assert(flowed);
  ck_assert_int_lt(took_ms([&] { pair.b.session().stop(); }), limit_ms(2000));
  begin_one(pair, pair.b, {video(), audio()});
  const size_t sounds = pair.b.count(MediaKind::Audio);
  blocker.close(false);
  const bool came_back = eventually([&] { return pair.b.count(MediaKind::Audio) >= sounds + 20; });
  ck_assert(came_back);
  const auto all = pair.b.received(MediaKind::Audio);
  for (const Received &buffer : all)
    ck_assert(GST_CLOCK_TIME_IS_VALID(buffer.running));
}
GST_END_TEST

GST_START_TEST(test_hundred_starts_and_stops)
{
  Pair pair;
  pair.a.add_source(MediaKind::Audio, kLiveAudio);
  pair.a.play();
  pair.b.play();
  size_t threads = 0;
  unsigned descriptors = 0;
  for (int i = 0; i < 100; i++) {
    pair.begin({audio()});
    if (i == 0)
      pair.b.add_output(MediaKind::Audio);
    const size_t before = pair.b.count(MediaKind::Audio);
    pair.connect();
    // Some flow, others end before the first packet.
    if (i % 10 == 0)
      ck_assert(eventually([&] { return pair.b.count(MediaKind::Audio) > before; }));
    pair.a.session().stop();
    pair.b.session().stop();
    if (i == 10) {
      threads = thread_names().size();
      descriptors = open_descriptors();
    }
  }
  ck_assert(eventually([&] { return thread_names().size() <= threads + 1; }, 2000));
  ck_assert_uint_le(open_descriptors(), descriptors + 1);
}
GST_END_TEST

// Ours is one thread for each side that receives; the others are of rtpbin, sources and the test.
GST_START_TEST(test_threads)
{
  Pair pair;
  pair.a.add_source(MediaKind::Video, kLiveVideo);
  pair.a.add_source(MediaKind::Audio, kLiveAudio);
  pair.a.play();
  pair.b.play();
  const std::vector<std::string> before = thread_names();
  pair.begin({video(), audio()});
  pair.b.add_output(MediaKind::Video);
  pair.b.add_output(MediaKind::Audio);
  pair.connect();
  ck_assert(eventually([&] {
    return pair.b.count(MediaKind::Video) >= 20 && pair.b.count(MediaKind::Audio) >= 20;
  }));
  std::vector<std::string> added = thread_names();
  for (const std::string &name : before) {
    const auto found = std::find(added.begin(), added.end(), name);
    if (found != added.end())
      added.erase(found);
  }
  const auto count = [&](const char *prefix) {
    return std::count_if(added.begin(), added.end(), [&](const std::string &name) {
      return name.compare(0, strlen(prefix), prefix) == 0;
    });
  };
  std::string all;
  for (const std::string &name : added)
    all += name + " ";
  // The receive step is on the I/O thread of each of the two pipelines.
  ck_assert_msg(count("packets-in") == 0, "%s", all.c_str());
  ck_assert_msg(count("sl-io") == 2, "%s", all.c_str());
  ck_assert_msg(count("sl-rtc") == 0, "%s", all.c_str());
  ck_assert_msg(count("rtpsession") == 2, "%s", all.c_str());
}
GST_END_TEST

// The peer begins anew without us: other SSRCs in the same section; the old ones go away.
GST_START_TEST(test_streams_that_are_over_are_freed)
{
  Pair pair;
  pair.a.add_source(MediaKind::Video, kLiveVideo);
  pair.a.play();
  pair.b.play();
  pair.begin({video()});
  pair.b.add_output(MediaKind::Video);
  pair.connect();
  for (uint32_t i = 1; i <= 3; i++) {
    const size_t before = pair.b.count(MediaKind::Video);
    ck_assert(eventually([&] { return pair.b.count(MediaKind::Video) >= before + 10; }));
    pair.a.session().begin_bye();
    SessionMedia next = video();
    next.local.ssrc = kVideoSsrc + i;
    next.local.rtx_ssrc = kRtxSsrc + i;
    begin_one(pair, pair.a, {next});
  }
  const size_t before = pair.b.count(MediaKind::Video);
  ck_assert(eventually([&] { return pair.b.count(MediaKind::Video) >= before + 10; }));
  const guint64 pushed = pair.b.stat("jitter-pushed");
  ck_assert(eventually([&] { return pair.b.stat("streams") == 1; }, 15000));
  // What they counted stays in the sums.
  ck_assert_uint_ge(pair.b.stat("jitter-pushed"), pushed);
  const auto all = pair.b.received(MediaKind::Video);
  for (size_t i = 1; i < all.size(); i++)
    ck_assert_uint_ge(all[i].running, all[i - 1].running);
}
GST_END_TEST

// rtpsession asks for what it does not know of a stream without its lock, in the midst of its table
// of streams: in the thread that writes reports, any stream that begins at that moment breaks it.
GST_START_TEST(test_reports_know_their_streams)
{
  std::atomic<int> asked = 0;
  const auto count = [](GSignalInvocationHint *, guint, const GValue *, gpointer data) -> gboolean {
    char name[16] = {};
    prctl(PR_GET_NAME, name);
    *static_cast<std::atomic<int> *>(data) += g_str_has_prefix(name, "rtpsession");
    return TRUE;
  };
  GstElement *rtpbin = gst_element_factory_make("rtpbin", nullptr);
  const guint signal = g_signal_lookup("request-pt-map", G_OBJECT_TYPE(rtpbin));
  const gulong hook = g_signal_add_emission_hook(signal, 0, count, &asked, nullptr);
  {
    Pair pair;
    pair.a.add_source(MediaKind::Video, kLiveVideo);
    pair.a.add_source(MediaKind::Audio, kLiveAudio);
    pair.a.play();
    pair.b.play();
    pair.begin({video(), audio()});
    pair.connect();
    ck_assert(eventually([&] { return pair.forth->sender_reports >= 6; }));
  }
  g_signal_remove_emission_hook(signal, hook);
  gst_object_unref(rtpbin);
  ck_assert_int_eq(asked, 0);
}
GST_END_TEST

static Suite *webrtc_session_life_suite()
{
  Suite *suite = suite_create("webrtc-session-life");
  TCase *tcase = tcase_create("life");
  tcase_add_test(tcase, test_stop_flushes_a_sink_that_waits);
  tcase_add_test(tcase, test_stop_and_begin_with_a_consumer_that_hangs);
  tcase_add_test(tcase, test_hundred_starts_and_stops);
  tcase_add_test(tcase, test_threads);
  tcase_add_test(tcase, test_streams_that_are_over_are_freed);
  tcase_add_test(tcase, test_reports_know_their_streams);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_session_life)
