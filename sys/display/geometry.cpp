// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/geometry.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace streamlib::display {

namespace {

// Width by height of the upright picture in square pixels.
double aspect(const Picture &picture)
{
  const double across = static_cast<double>(picture.visible.width) * picture.par_n;
  const double down = static_cast<double>(picture.visible.height) * picture.par_d;
  return swaps_axes(picture.orientation) ? down / across : across / down;
}

// The largest size of this aspect inside `limit`, at least one pixel each way.
Size fit(double ratio, Size limit)
{
  const double width = std::min<double>(limit.width, limit.height * ratio);
  const double height = std::min<double>(limit.height, limit.width / ratio);
  return {std::clamp(static_cast<int>(std::lround(width)), 1, limit.width),
          std::clamp(static_cast<int>(std::lround(height)), 1, limit.height)};
}

Rect centred(Size inner, Size outer)
{
  return {(outer.width - inner.width) / 2, (outer.height - inner.height) / 2, inner.width,
          inner.height};
}

// The middle part of the picture that has the aspect of the surface. Its corner is even, so that
// the first chroma sample of a subsampled format belongs to it.
Rect cropped(const Picture &picture, Size surface)
{
  const Rect &visible = picture.visible;
  const double wanted = static_cast<double>(surface.width) / surface.height;
  const double scale = wanted / aspect(picture);
  const bool narrow_upright_width = scale < 1.0;
  const bool narrow_width = narrow_upright_width != swaps_axes(picture.orientation);
  const double share = narrow_upright_width ? scale : 1.0 / scale;
  Size part = visible.size();
  if (narrow_width)
    part.width = std::clamp(static_cast<int>(std::lround(part.width * share)), 1, part.width);
  else
    part.height = std::clamp(static_cast<int>(std::lround(part.height * share)), 1, part.height);
  Rect source = centred(part, visible.size());
  source.x = (visible.x + source.x) & ~1;
  source.y = (visible.y + source.y) & ~1;
  return source;
}

}  // namespace

bool swaps_axes(Orientation orientation)
{
  return orientation == Orientation::Clockwise || orientation == Orientation::Counterclockwise ||
         orientation == Orientation::UlLr || orientation == Orientation::UrLl;
}

Placement place(const Picture &picture, Size surface, Scaling scaling)
{
  const Rect everywhere = {0, 0, surface.width, surface.height};
  switch (scaling) {
    case Scaling::Letterbox:
      return {picture.visible, centred(fit(aspect(picture), surface), surface)};
    case Scaling::Crop:
      return {cropped(picture, surface), everywhere};
    case Scaling::Stretch:
      break;
  }
  return {picture.visible, everywhere};
}

Size natural_size(const Picture &picture)
{
  Size size = picture.visible.size();
  // The axis that grows keeps every pixel.
  if (picture.par_n > picture.par_d)
    size.width = static_cast<int>(
        std::lround(static_cast<double>(size.width) * picture.par_n / picture.par_d));
  else
    size.height = static_cast<int>(
        std::lround(static_cast<double>(size.height) * picture.par_d / picture.par_n));
  if (swaps_axes(picture.orientation))
    std::swap(size.width, size.height);
  return size;
}

Point to_frame(const Placement &placement, Orientation orientation, Point on_surface)
{
  const Rect &target = placement.target;
  double u = std::clamp((on_surface.x - target.x) / target.width, 0.0, 1.0);
  double v = std::clamp((on_surface.y - target.y) / target.height, 0.0, 1.0);
  // (u, v) is a place on the upright picture; what follows undoes the turn.
  switch (orientation) {
    case Orientation::Identity:
      break;
    case Orientation::Clockwise:
      std::tie(u, v) = std::pair(v, 1.0 - u);
      break;
    case Orientation::Half:
      std::tie(u, v) = std::pair(1.0 - u, 1.0 - v);
      break;
    case Orientation::Counterclockwise:
      std::tie(u, v) = std::pair(1.0 - v, u);
      break;
    case Orientation::MirrorX:
      u = 1.0 - u;
      break;
    case Orientation::MirrorY:
      v = 1.0 - v;
      break;
    case Orientation::UlLr:
      std::swap(u, v);
      break;
    case Orientation::UrLl:
      std::tie(u, v) = std::pair(1.0 - v, 1.0 - u);
      break;
  }
  const Rect &source = placement.source;
  return {source.x + u * source.width, source.y + v * source.height};
}

}  // namespace streamlib::display
