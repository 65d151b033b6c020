// SPDX-License-Identifier: LGPL-2.1-or-later
// How far sound and picture are apart where they come out of a session.
#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include "gst/support/guards.h"
#include "webrtc_peers.h"

using namespace fixture;
using streamlib::support::MappedBuffer;
using streamlib::support::PadProbe;

namespace {

constexpr uint32_t kVideoSsrc = 0x11111111;
constexpr uint32_t kAudioSsrc = 0x33333333;
constexpr GstClockTime kJump = 600 * GST_MSECOND;
constexpr GstClockTimeDiff kLimit = 40 * GST_MSECOND;

// Noise, so that no two buffers are alike.
constexpr char kVideo[] =
    "videotestsrc is-live=true pattern=snow ! video/x-raw,width=80,height=60,framerate=30/1 ! "
    "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=30 ! "
    "queue max-size-time=0 max-size-buffers=0 min-threshold-time=150000000";
constexpr char kAudio[] =
    "audiotestsrc is-live=true wave=white-noise samplesperbuffer=960 ! "
    "audio/x-raw,rate=48000,channels=2 ! opusenc";

guint64 hash_of(GstBuffer *buffer)
{
  const MappedBuffer map(buffer, GST_MAP_READ);
  guint64 hash = 14695981039346656037ULL;
  for (gsize i = 0; i < map.size(); i++)
    hash = (hash ^ map.data()[i]) * 1099511628211ULL;
  return hash;
}

GstClockTime time_of(GstPad *pad, GstBuffer *buffer)
{
  const auto event = adopt_mini(gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0));
  const GstSegment *segment = nullptr;
  gst_event_parse_segment(event.get(), &segment);
  const auto element = adopt_object(gst_pad_get_parent_element(pad));
  return gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer)) +
         gst_element_get_base_time(element.get());
}

// Between the one peer's input and the other's output: when each buffer was taken and is shown.
class Watch {
public:
  void watch_input(GstElement *source)
  {
    const auto pad = adopt_object(gst_element_get_static_pad(source, "src"));
    input_ = PadProbe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, on_input, this);
  }
  void watch_output(GstPad *pad)
  {
    output_ = PadProbe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_output, this);
  }
  // How much later buffers are shown than they were taken, in the order of their coming.
  std::vector<std::pair<GstClockTime, GstClockTimeDiff>> lateness()
  {
    const std::lock_guard lock(mutex_);
    return shown_;
  }
  std::atomic<int> passed = 0;
  // From this one on the times are later by a jump, though nothing waits: so does a sender whose
  // first pictures have waited for the connection.
  std::atomic<int> jumps_at = 0;

private:
  static GstPadProbeReturn on_input(GstPad *pad, GstPadProbeInfo *info, gpointer data)
  {
    auto *self = static_cast<Watch *>(data);
    GstBuffer *buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
    if (self->jumps_at > 0 && self->passed >= self->jumps_at)
      GST_BUFFER_PTS(buffer) += kJump;
    self->passed++;
    GST_PAD_PROBE_INFO_DATA(info) = buffer;
    const std::lock_guard lock(self->mutex_);
    self->taken_[hash_of(buffer)] = time_of(pad, buffer);
    return GST_PAD_PROBE_OK;
  }
  static GstPadProbeReturn on_output(GstPad *pad, GstPadProbeInfo *info, gpointer data)
  {
    auto *self = static_cast<Watch *>(data);
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    const GstClockTime at = time_of(pad, buffer);
    const std::lock_guard lock(self->mutex_);
    const auto found = self->taken_.find(hash_of(buffer));
    if (found != self->taken_.end())
      self->shown_.emplace_back(found->second, GST_CLOCK_DIFF(found->second, at));
    return GST_PAD_PROBE_OK;
  }

  std::mutex mutex_;
  std::unordered_map<guint64, GstClockTime> taken_;
  std::vector<std::pair<GstClockTime, GstClockTimeDiff>> shown_;
  PadProbe input_;
  PadProbe output_;
};

// Of each picture, against the sound that was taken nearest to it.
std::vector<std::pair<GstClockTime, GstClockTimeDiff>> offsets(Watch &video, Watch &audio)
{
  std::vector<std::pair<GstClockTime, GstClockTimeDiff>> found;
  const auto sounds = audio.lateness();
  for (const auto &[taken, late] : video.lateness()) {
    const auto nearest = std::min_element(sounds.begin(), sounds.end(), [&](auto a, auto b) {
      return std::abs(GST_CLOCK_DIFF(taken, a.first)) < std::abs(GST_CLOCK_DIFF(taken, b.first));
    });
    if (nearest != sounds.end())
      found.emplace_back(taken, late - nearest->second);
  }
  return found;
}

// Few reports come: the first one of the video, whose jitter buffer still learns then, and after a
// second those of the audio.
class RareReports {
public:
  bool passes(const std::vector<uint8_t> &packet)
  {
    if (packet[1] != 200)
      return false;
    const gint64 now = g_get_monotonic_time();
    if (packet[4] == kAudioSsrc >> 24)
      return first_ != 0 && now > first_ + G_USEC_PER_SEC;
    if (packet[4] != kVideoSsrc >> 24 || first_ != 0)
      return false;
    first_ = now;
    return true;
  }

private:
  gint64 first_ = 0;
};

// From some time after the first picture on the offset is within the limit.
void check_sync(bool jumps, GstClockTime from)
{
  Watch video;
  Watch audio;
  Pair pair;
  video.watch_input(pair.a.add_source(MediaKind::Video, kVideo));
  audio.watch_input(pair.a.add_source(MediaKind::Audio, kAudio));
  pair.a.play();
  pair.b.play();
  RareReports reports;
  if (jumps)
    pair.forth->lose = [&](PacketKind kind, const std::vector<uint8_t> &packet) {
      return kind == PacketKind::Rtcp && !reports.passes(packet);
    };
  pair.begin({sending("v", MediaKind::Video, {vp8()}, kVideoSsrc, 0x22222222),
              sending("a", MediaKind::Audio, {opus()}, kAudioSsrc)});
  for (const auto &[kind, watch] :
       {std::pair(MediaKind::Video, &video), std::pair(MediaKind::Audio, &audio)}) {
    pair.b.add_output(kind);
    watch->watch_output(pair.b.session().output(kind));
  }
  if (jumps) {
    video.jumps_at = video.passed + 3;
    audio.jumps_at = audio.passed + 5;
  }
  pair.connect();
  std::vector<GstClockTimeDiff> late;
  const auto look = [&] {
    late.clear();
    const auto all = offsets(video, audio);
    for (const auto &[taken, offset] : all)
      if (taken > all.front().first + from)
        late.push_back(std::abs(offset));
    return late.size() >= 50;
  };
  ck_assert(eventually([&] { return video.lateness().size() >= 100 && look(); }, 20000));
  std::sort(late.begin(), late.end());
  // A machine that stands still for a moment sets all times later, the one medium's before the
  // other's.
  const GstClockTimeDiff most = late[late.size() * 9 / 10];
  g_print("%s jump: of %u pictures nine of ten are within %.1f ms, the worst is %.1f ms off\n",
          jumps ? "with" : "without", static_cast<guint>(late.size()),
          static_cast<double>(most) / 1e6, static_cast<double>(late.back()) / 1e6);
  ck_assert_int_lt(most, kLimit);
}

}  // namespace

// The picture comes 150 ms after the sound.
GST_START_TEST(test_sound_and_picture_together)
{
  check_sync(false, 1500 * GST_MSECOND);
}
GST_END_TEST

GST_START_TEST(test_sound_and_picture_after_a_jump)
{
  check_sync(true, kJump + 2500 * GST_MSECOND);
}
GST_END_TEST

static Suite *webrtc_session_sync_suite()
{
  Suite *suite = suite_create("webrtc-session-sync");
  TCase *tcase = tcase_create("sync");
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_sound_and_picture_together);
  tcase_add_test(tcase, test_sound_and_picture_after_a_jump);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_session_sync)
