// SPDX-License-Identifier: LGPL-2.1-or-later
// Cameras that a test plugs in and out, with the faults of real ones.
#pragma once

#include <string>

#include <gst/gst.h>

namespace fakecamera {

// What a camera does once it is opened.
enum class Fault {
  None,
  // The backend gives no time stamps.
  NoStamps,
  Busy,
  Denied,
  // After some frames: an error, the end of the stream, nothing more, frames that are too short.
  Dies,
  Ends,
  Stalls,
  Short,
};

struct Camera {
  std::string name;
  std::string path;
  std::string serial;
  // Each pixel of its frames has this value.
  guint8 value = 0;
  Fault fault = Fault::None;
  std::string caps =
      "video/x-raw, format=GRAY8, width=64, height=48, framerate=50/1; "
      "video/x-raw, format=GRAY8, width=320, height=240, framerate=25/1";
  // In place of the fake source: a bin in launch syntax.
  std::string launch;
  // Its frames are DMABuf memory.
  bool dmabuf = false;
  // In place of the fake source: what makes one (floating).
  GstElement *(*make)() = nullptr;
};

// After gst_init(): makes the device provider known to this process.
void init();

// From any thread; the news goes to all running monitors.
void plug(const Camera &camera);
void unplug(const std::string &path);
void unplug_all();
// Returns when no monitor runs any more, which must be soon.
void wait_until_unwatched();
// What the cameras with this path do from now on, also those that are open.
void set_fault(const std::string &path, Fault fault);

// While held, starting to look for cameras does not return.
void hold_enumeration(bool held);

}  // namespace fakecamera
