// SPDX-License-Identifier: LGPL-2.1-or-later
// What the test source shows and plays.
#pragma once

#include <cstdint>
#include <vector>

#include <gst/audio/audio.h>
#include <gst/video/video.h>

namespace streamlib::core {

// Eight colour bars, and a white line that moves by one column a frame.
class TestPicture {
public:
  // Formats that are drawn: those whose unpacked form has 8 bits a component.
  static bool draws(GstVideoFormat format);

  void set_info(const GstVideoInfo &info);
  // False when the memory cannot be written.
  bool draw(GstBuffer *buffer, uint64_t number);

private:
  GstVideoInfo info_ = {};
  // One line of four bytes a pixel, in the format's unpacked form.
  std::vector<uint8_t> line_;
  std::vector<uint8_t> drawn_;
  uint32_t white_ = 0;
};

// A sine wave on every channel.
class TestTone {
public:
  void set_info(const GstAudioInfo &info) { info_ = info; }
  // `first` counts samples from the beginning; `frequency` in Hz, `volume` linear, 0 to 1.
  bool play(GstBuffer *buffer, uint64_t first, unsigned samples, double frequency, double volume);

private:
  GstAudioInfo info_ = {};
};

}  // namespace streamlib::core
