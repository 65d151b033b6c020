// SPDX-License-Identifier: LGPL-2.1-or-later
// Which of a camera's modes is nearest to a wish.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace streamlib::camera {

struct Rate {
  int numerator = 0;
  int denominator = 1;
  bool operator==(const Rate &) const = default;
  double per_second() const { return denominator > 0 ? double(numerator) / denominator : 0; }
};

// From `min` to `max` by `step`.
struct Span {
  int min = 0;
  int max = 0;
  int step = 1;
};

struct RateSpan {
  Rate min;
  Rate max;
};

// A set of modes of one encoding, as a camera lists them. Empty rates: the camera does not say.
struct ModeSet {
  // A media type such as "video/x-raw" or "image/jpeg".
  std::string media;
  std::vector<Span> widths;
  std::vector<Span> heights;
  std::vector<RateSpan> rates;
};

// Zero stands for no wish.
struct ModeWish {
  int width = 0;
  int height = 0;
  Rate rate;
};

struct Mode {
  // Which set it was taken from.
  size_t set = 0;
  std::string media;
  int width = 0;
  int height = 0;
  // None where the camera does not say.
  std::optional<Rate> rate;
};

// The nearest mode: by size, then by rate, then raw before encoded; by rate first where no size is
// wished for. What was not wished for tends to 1280x720 at 30 frames a second. None where there is
// no mode at all.
std::optional<Mode> nearest_mode(const std::vector<ModeSet> &sets, const ModeWish &wish);

// For example "1280x720, 30/1, image/jpeg".
std::string text_of(const Mode &mode);

}  // namespace streamlib::camera
