// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/mode.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <tuple>

namespace streamlib::camera {

namespace {

constexpr int kUsualWidth = 1280;
constexpr int kUsualHeight = 720;
constexpr Rate kUsualRate = {30, 1};
constexpr const char *kRaw = "video/x-raw";

int nearest_in(const Span &span, int wish)
{
  const int inside = std::clamp(wish, span.min, span.max);
  const int step = std::max(1, span.step);
  const int below = span.min + (inside - span.min) / step * step;
  const int above = below + step;
  return above <= span.max && above - wish < wish - below ? above : below;
}

int nearest_of(const std::vector<Span> &spans, int wish)
{
  int best = 0;
  for (const Span &span : spans) {
    const int value = nearest_in(span, wish);
    if (best == 0 || std::abs(value - wish) < std::abs(best - wish))
      best = value;
  }
  return best;
}

bool is_less(const Rate &a, const Rate &b)
{
  return static_cast<long long>(a.numerator) * b.denominator <
         static_cast<long long>(b.numerator) * a.denominator;
}

Rate clamp_rate(const RateSpan &span, const Rate &wish)
{
  if (is_less(wish, span.min))
    return span.min;
  return is_less(span.max, wish) ? span.max : wish;
}

std::optional<Rate> nearest_rate(const std::vector<RateSpan> &spans, const Rate &wish)
{
  std::optional<Rate> best;
  const auto distance = [&wish](const Rate &rate) {
    return std::abs(rate.per_second() - wish.per_second());
  };
  for (const RateSpan &span : spans) {
    const Rate rate = clamp_rate(span, wish);
    if (!best || distance(rate) < distance(*best))
      best = rate;
  }
  return best;
}

// Relative to the wish; the smaller, the nearer.
double apart(double value, double wish)
{
  return std::abs(value - wish) / wish;
}

}  // namespace

std::optional<Mode> nearest_mode(const std::vector<ModeSet> &sets, const ModeWish &wish)
{
  ModeWish full = wish;
  // One wished side asks for the usual proportions of the other.
  if (full.width <= 0)
    full.width = full.height > 0 ? full.height * kUsualWidth / kUsualHeight : kUsualWidth;
  if (full.height <= 0)
    full.height = wish.width > 0 ? wish.width * kUsualHeight / kUsualWidth : kUsualHeight;
  if (full.rate.numerator <= 0)
    full.rate = kUsualRate;

  std::optional<Mode> best;
  std::tuple<double, double, bool> best_cost;
  for (size_t i = 0; i < sets.size(); i++) {
    const ModeSet &set = sets[i];
    Mode mode = {i, set.media, nearest_of(set.widths, full.width),
                 nearest_of(set.heights, full.height), nearest_rate(set.rates, full.rate)};
    const double by_size = apart(mode.width, full.width) + apart(mode.height, full.height);
    const double by_rate = mode.rate ? apart(mode.rate->per_second(), full.rate.per_second()) : 0.0;
    // A mode in the size of a wish but at a crawl is no good where nobody wished for that size.
    const bool size_wished = wish.width > 0 || wish.height > 0;
    const auto cost = size_wished ? std::tuple(by_size, by_rate, set.media != kRaw)
                                  : std::tuple(by_rate, by_size, set.media != kRaw);
    if (!best || cost < best_cost) {
      best = mode;
      best_cost = cost;
    }
  }
  return best;
}

std::string text_of(const Mode &mode)
{
  std::string text = std::to_string(mode.width) + "x" + std::to_string(mode.height);
  if (mode.rate)
    text +=
        ", " + std::to_string(mode.rate->numerator) + "/" + std::to_string(mode.rate->denominator);
  return text + ", " + mode.media;
}

}  // namespace streamlib::camera
