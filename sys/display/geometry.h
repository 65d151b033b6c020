// SPDX-License-Identifier: LGPL-2.1-or-later
// Where a picture stands on a surface, and which part of it is seen.
#pragma once

namespace streamlib::display {

struct Size {
  int width = 0;
  int height = 0;
  bool operator==(const Size &) const = default;
  bool empty() const { return width <= 0 || height <= 0; }
};

struct Rect {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
  bool operator==(const Rect &) const = default;
  Size size() const { return {width, height}; }
};

struct Point {
  double x = 0;
  double y = 0;
};

// Values are those of the property `scaling`.
enum class Scaling { Letterbox, Crop, Stretch };

// What must be done to the picture so that it stands upright. The order is that of
// GstVideoOrientationMethod.
enum class Orientation {
  Identity,
  Clockwise,
  Half,
  Counterclockwise,
  MirrorX,
  MirrorY,
  UlLr,
  UrLl
};

bool swaps_axes(Orientation orientation);

// A picture as it lies in memory.
struct Picture {
  // The part to show, in pixels of the frame.
  Rect visible;
  int par_n = 1;
  int par_d = 1;
  Orientation orientation = Orientation::Identity;
};

// Both rectangles are inside their planes and never empty.
struct Placement {
  // In pixels of the frame, as it lies in memory.
  Rect source;
  // In pixels of the surface.
  Rect target;
  bool operator==(const Placement &) const = default;
};

Placement place(const Picture &picture, Size surface, Scaling scaling);

// The size in square pixels that shows each pixel of the upright picture once.
Size natural_size(const Picture &picture);

// Where a point of the surface falls on the frame, clamped to the part that is seen.
Point to_frame(const Placement &placement, Orientation orientation, Point on_surface);

}  // namespace streamlib::display
