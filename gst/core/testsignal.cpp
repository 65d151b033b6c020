// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/core/testsignal.h"

#include <array>
#include <cmath>
#include <cstring>
#include <numbers>

#include "gst/support/guards.h"

namespace streamlib::core {

namespace {

constexpr size_t kBytesPerPixel = 4;

struct Colour {
  uint8_t argb[kBytesPerPixel];
  uint8_t ayuv[kBytesPerPixel];
};
// White, yellow, cyan, green, magenta, red, blue, black at 75 %; AYUV by ITU-R BT.601.
constexpr std::array<Colour, 8> kBars = {{
    {{255, 191, 191, 191}, {255, 180, 128, 128}},
    {{255, 191, 191, 0}, {255, 162, 44, 142}},
    {{255, 0, 191, 191}, {255, 131, 156, 44}},
    {{255, 0, 191, 0}, {255, 112, 72, 58}},
    {{255, 191, 0, 191}, {255, 84, 184, 198}},
    {{255, 191, 0, 0}, {255, 65, 100, 212}},
    {{255, 0, 0, 191}, {255, 35, 212, 114}},
    {{255, 0, 0, 0}, {255, 16, 128, 128}},
}};
constexpr Colour kWhite = {{255, 255, 255, 255}, {255, 235, 128, 128}};

}  // namespace

bool TestPicture::draws(GstVideoFormat format)
{
  const GstVideoFormatInfo *info = gst_video_format_get_info(format);
  if (info->pack_func == nullptr || GST_VIDEO_FORMAT_INFO_HAS_PALETTE(info) ||
      GST_VIDEO_FORMAT_INFO_IS_COMPLEX(info))
    return false;
  return info->unpack_format == GST_VIDEO_FORMAT_AYUV ||
         info->unpack_format == GST_VIDEO_FORMAT_ARGB;
}

void TestPicture::set_info(const GstVideoInfo &info)
{
  info_ = info;
  const bool is_yuv = info.finfo->unpack_format == GST_VIDEO_FORMAT_AYUV;
  const auto width = static_cast<size_t>(GST_VIDEO_INFO_WIDTH(&info));
  line_.resize(width * kBytesPerPixel);
  for (size_t x = 0; x < width; x++) {
    const Colour &colour = kBars[x * kBars.size() / width];
    std::memcpy(&line_[x * kBytesPerPixel], is_yuv ? colour.ayuv : colour.argb, kBytesPerPixel);
  }
  drawn_ = line_;
  std::memcpy(&white_, is_yuv ? kWhite.ayuv : kWhite.argb, kBytesPerPixel);
}

bool TestPicture::draw(GstBuffer *buffer, uint64_t number)
{
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &info_, buffer, GST_MAP_WRITE))
    return false;
  const auto width = static_cast<uint64_t>(GST_VIDEO_INFO_WIDTH(&info_));
  const size_t at = number % width * kBytesPerPixel;
  std::memcpy(&drawn_[at], &white_, kBytesPerPixel);
  const GstVideoFormatInfo *format = info_.finfo;
  for (gint y = 0; y < GST_VIDEO_INFO_HEIGHT(&info_); y++)
    format->pack_func(format, GST_VIDEO_PACK_FLAG_NONE, drawn_.data(), 0, frame.data,
                      frame.info.stride, info_.chroma_site, y, GST_VIDEO_INFO_WIDTH(&info_));
  std::memcpy(&drawn_[at], &line_[at], kBytesPerPixel);
  gst_video_frame_unmap(&frame);
  return true;
}

bool TestTone::play(GstBuffer *buffer, uint64_t first, unsigned samples, double frequency,
                    double volume)
{
  support::MappedBuffer map(buffer, GST_MAP_WRITE);
  if (!map)
    return false;
  const auto channels = static_cast<size_t>(GST_AUDIO_INFO_CHANNELS(&info_));
  const double rate = GST_AUDIO_INFO_RATE(&info_);
  const bool is_float = GST_AUDIO_INFO_IS_FLOAT(&info_);
  auto *floats = reinterpret_cast<float *>(map.data());
  auto *integers = reinterpret_cast<int16_t *>(map.data());
  for (unsigned i = 0; i < samples; i++) {
    // The phase by whole turns first, or a long stream would lose precision.
    const double turns = std::fmod(frequency * static_cast<double>(first + i) / rate, 1.0);
    const double value = volume * std::sin(2 * std::numbers::pi * turns);
    for (size_t channel = 0; channel < channels; channel++) {
      if (is_float)
        *floats++ = static_cast<float>(value);
      else
        *integers++ = static_cast<int16_t>(std::lrint(value * INT16_MAX));
    }
  }
  return true;
}

}  // namespace streamlib::core
