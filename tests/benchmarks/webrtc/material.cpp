// SPDX-License-Identifier: LGPL-2.1-or-later
#include "material.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>

#include <pthread.h>

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>

#include "../measure.h"
#include "gst/support/guards.h"

namespace streamlib::bench {

using support::adopt_mini;
using support::adopt_object;
using support::Failure;
using support::GObjectPtr;
using support::MappedBuffer;
using support::MiniPtr;
using support::share_object;
using support::Status;

const char kVideoFeed[] =
    "appsrc name=feed-video is-live=true format=time max-buffers=4 max-bytes=0 "
    "leaky-type=downstream caps=video/x-h264,stream-format=byte-stream,alignment=au,"
    "profile=constrained-baseline,width=1280,height=720,framerate=30/1";
const char kAudioFeed[] =
    "appsrc name=feed-audio is-live=true format=time max-buffers=8 max-bytes=0 "
    "leaky-type=downstream "
    "caps=audio/x-opus,rate=48000,channels=2,channel-mapping-family=0,stream-count=1,"
    "coupled-count=1";

namespace {

constexpr int kWidth = 1280;
constexpr int kHeight = 720;
constexpr int kBits = 8;
constexpr int kCellHeight = 96;
constexpr guint8 kDark = 16;
constexpr guint8 kBright = 235;
constexpr int64_t kPictureNs = GST_SECOND / 30;
constexpr int64_t kSoundNs = 20 * GST_MSECOND;
constexpr int kLoopSounds = 200;

const char kEncodeVideo[] =
    "videotestsrc name=source num-buffers=%u ! "
    "video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000 key-int-max=30 "
    "sliced-threads=false ! "
    "video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au ! "
    "appsink name=sink sync=false";
const char kEncodeAudio[] =
    "audiotestsrc wave=pink-noise samplesperbuffer=960 num-buffers=%u ! "
    "audio/x-raw,rate=48000,channels=2 ! opusenc bitrate=64000 ! appsink name=sink sync=false";

// Its bits as cells along the upper edge, the highest first.
GstPadProbeReturn paint_number(GstPad *, GstPadProbeInfo *info, gpointer)
{
  GstBuffer *buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
  GST_PAD_PROBE_INFO_DATA(info) = buffer;
  const auto number = static_cast<unsigned>((GST_BUFFER_PTS(buffer) + kPictureNs / 2) / kPictureNs);
  const MappedBuffer map(buffer, GST_MAP_WRITE);
  for (int bit = 0; bit < kBits; bit++) {
    const guint8 level = (number >> (kBits - 1 - bit) & 1) != 0 ? kBright : kDark;
    for (int row = 0; row < kCellHeight; row++)
      memset(map.data() + row * kWidth + bit * kWidth / kBits, level, kWidth / kBits);
  }
  return GST_PAD_PROBE_OK;
}

struct Chunk {
  uint8_t is_picture;
  uint8_t is_key;
  uint32_t size;
};

Status encode(const char *line, unsigned count, bool is_picture, FILE *file)
{
  char text[600];
  snprintf(text, sizeof text, line, count);
  GError *error = nullptr;
  const auto pipeline = support::sink_object(gst_parse_launch(text, &error));
  if (error != nullptr) {
    const support::ErrorPtr owned(error);
    return Failure{0,
                   std::string("The media to send cannot be encoded (") + error->message +
                       "). Run scripts/setup bench.",
                   text};
  }
  support::PadProbe probe;
  if (is_picture) {
    const auto source = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline.get()), "source"));
    const auto pad = adopt_object(gst_element_get_static_pad(source.get(), "src"));
    probe = support::PadProbe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, paint_number, nullptr);
  }
  const auto sink = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink"));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  unsigned found = 0;
  while (const auto sample = adopt_mini(gst_app_sink_pull_sample(GST_APP_SINK(sink.get())))) {
    GstBuffer *buffer = gst_sample_get_buffer(sample.get());
    const MappedBuffer map(buffer, GST_MAP_READ);
    const Chunk chunk = {is_picture, !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT),
                         static_cast<uint32_t>(map.size())};
    fwrite(&chunk, sizeof chunk, 1, file);
    fwrite(map.data(), 1, map.size(), file);
    found++;
  }
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  if (found < count)
    return Failure{0, "Too few pictures or sounds were encoded.", text};
  return support::Done{};
}

void sleep_until(int64_t time_ns)
{
  const int64_t left = time_ns - monotonic_ns();
  if (left > 0)
    std::this_thread::sleep_for(std::chrono::nanoseconds(left));
}

}  // namespace

Status Material::encode_to(const std::string &path)
{
  FILE *file = fopen(path.c_str(), "wb");
  if (file == nullptr)
    return Failure{0, path + " cannot be written.", ""};
  Status status = encode(kEncodeVideo, kLoopPictures, true, file);
  if (status)
    status = encode(kEncodeAudio, kLoopSounds, false, file);
  fclose(file);
  return status;
}

Material Material::load(const std::string &path)
{
  Material material;
  FILE *file = fopen(path.c_str(), "rb");
  if (file == nullptr)
    return material;
  Chunk chunk;
  while (fread(&chunk, sizeof chunk, 1, file) == 1) {
    auto buffer = adopt_mini(gst_buffer_new_allocate(nullptr, chunk.size, nullptr));
    {
      const MappedBuffer map(buffer.get(), GST_MAP_WRITE);
      if (fread(map.data(), 1, chunk.size, file) != chunk.size)
        break;
    }
    if (chunk.is_key == 0)
      GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT);
    (chunk.is_picture != 0 ? material.pictures : material.sounds).push_back(std::move(buffer));
  }
  fclose(file);
  return material;
}

int number_in(GstBuffer *picture)
{
  const MappedBuffer map(picture, GST_MAP_READ);
  if (!map || map.size() < gsize{kWidth} * kHeight)
    return -1;
  const GstVideoMeta *meta = gst_buffer_get_video_meta(picture);
  const gsize stride = meta != nullptr ? static_cast<gsize>(meta->stride[0]) : gsize{kWidth};
  const gsize offset = meta != nullptr ? meta->offset[0] : 0;
  int number = 0;
  for (int bit = 0; bit < kBits; bit++) {
    const gsize column = gsize{kWidth} / kBits * static_cast<gsize>(bit) + kWidth / kBits / 2;
    const guint8 level = map.data()[offset + kCellHeight / 2 * stride + column];
    number = number * 2 + (level > (kDark + kBright) / 2);
  }
  return number < static_cast<int>(kLoopPictures) ? number : -1;
}

struct Feeder::Stream {
  GObjectPtr<GstElement> pipeline;
  GObjectPtr<GstElement> video;
  GObjectPtr<GstElement> audio;
  support::PadProbe requests;
  Slot &slot;
  std::atomic<bool> wants_key = false;
  size_t position = 0;
  size_t sound = 0;

  Stream(GstElement *of, Slot &slot) : pipeline(share_object(of)), slot(slot)
  {
    video = adopt_object(gst_bin_get_by_name(GST_BIN(of), "feed-video"));
    audio = adopt_object(gst_bin_get_by_name(GST_BIN(of), "feed-audio"));
    const auto pad = adopt_object(gst_element_get_static_pad(video.get(), "src"));
    requests = support::PadProbe(pad.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_event, this);
  }

  static GstPadProbeReturn on_event(GstPad *, GstPadProbeInfo *info, gpointer data)
  {
    if (gst_video_event_is_force_key_unit(GST_PAD_PROBE_INFO_EVENT(info)))
      static_cast<Stream *>(data)->wants_key = true;
    return GST_PAD_PROBE_OK;
  }

  // The system's clock is the monotonic one. Invalid until the pipeline plays.
  GstClockTime running_time(int64_t at_ns) const
  {
    const GstClockTime base = gst_element_get_base_time(pipeline.get());
    const auto time = static_cast<GstClockTime>(at_ns);
    return GST_STATE(pipeline.get()) == GST_STATE_PLAYING && time >= base ? time - base
                                                                          : GST_CLOCK_TIME_NONE;
  }

  static void push(GstElement *source, GstBuffer *of, GstClockTime pts, int64_t duration)
  {
    GstBuffer *buffer = gst_buffer_copy(of);
    GST_BUFFER_PTS(buffer) = GST_BUFFER_DTS(buffer) = pts;
    GST_BUFFER_DURATION(buffer) = static_cast<GstClockTime>(duration);
    gst_app_src_push_buffer(GST_APP_SRC(source), buffer);
  }

  void push_picture(const Material &material, int64_t at_ns)
  {
    const GstClockTime time = running_time(at_ns);
    if (!GST_CLOCK_TIME_IS_VALID(time))
      return;
    if (wants_key.exchange(false)) {
      slot.forced_keys++;
      position = 0;
    }
    slot.pushed_ns[position] = monotonic_ns();
    push(video.get(), material.pictures[position].get(), time, kPictureNs);
    position = (position + 1) % material.pictures.size();
  }

  void push_sound(const Material &material, int64_t at_ns)
  {
    const GstClockTime time = running_time(at_ns);
    if (!GST_CLOCK_TIME_IS_VALID(time))
      return;
    push(audio.get(), material.sounds[sound].get(), time, kSoundNs);
    sound = (sound + 1) % material.sounds.size();
  }
};

Feeder::Feeder(const Material &material) : material_(material)
{
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "feeder");
}

Feeder::~Feeder()
{
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  thread_.join();
}

void Feeder::add(GstElement *pipeline, Slot &slot)
{
  auto stream = std::make_unique<Stream>(pipeline, slot);
  const std::lock_guard lock(mutex_);
  streams_.push_back(std::move(stream));
}

void Feeder::remove(GstElement *pipeline)
{
  const std::lock_guard lock(mutex_);
  std::erase_if(streams_, [&](const auto &stream) { return stream->pipeline.get() == pipeline; });
}

void Feeder::run()
{
  int64_t picture_ns = monotonic_ns();
  int64_t sound_ns = picture_ns;
  for (;;) {
    sleep_until(std::min(picture_ns, sound_ns));
    const std::lock_guard lock(mutex_);
    if (is_ending_)
      return;
    const bool is_sound = sound_ns < picture_ns;
    for (const auto &stream : streams_) {
      if (is_sound)
        stream->push_sound(material_, sound_ns);
      else
        stream->push_picture(material_, picture_ns);
    }
    (is_sound ? sound_ns : picture_ns) += is_sound ? kSoundNs : kPictureNs;
  }
}

}  // namespace streamlib::bench
