// SPDX-License-Identifier: LGPL-2.1-or-later
// Encoded media that is sent round and round: 720p30 H.264 whose pictures carry their numbers, and
// Opus. It is encoded once, so that no encoder runs while something is measured.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gst/gst.h>

#include "board.h"
#include "gst/support/ownership.h"
#include "gst/support/result.h"

namespace streamlib::bench {

// Launch lines of sources for a Feeder. They are live, and drop what nobody takes.
extern const char kVideoFeed[];
extern const char kAudioFeed[];

struct Material {
  std::vector<support::MiniPtr<GstBuffer>> pictures;
  std::vector<support::MiniPtr<GstBuffer>> sounds;

  // Needs x264enc and opusenc.
  static support::Status encode_to(const std::string &path);
  // Empty when the file is not what encode_to() writes.
  static Material load(const std::string &path);
};

// The number of a decoded picture in I420; -1 where it is none of ours.
int number_in(GstBuffer *picture);

// Feeds pipelines with the sources above, all from one thread, each picture and sound at its time.
// A keyframe that is asked for comes with the next picture. Any thread.
class Feeder {
public:
  explicit Feeder(const Material &material);
  ~Feeder();
  Feeder(const Feeder &) = delete;
  Feeder &operator=(const Feeder &) = delete;

  void add(GstElement *pipeline, Slot &slot);
  // Before the pipeline stops.
  void remove(GstElement *pipeline);

private:
  struct Stream;
  void run();

  const Material &material_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Stream>> streams_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace streamlib::bench
