// SPDX-License-Identifier: LGPL-2.1-or-later
// A source of encoded pictures whose codec changes while it plays.
#pragma once

#include <string>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace fixture {

struct CodecCase {
  const char *pad;
  const char *type;
};
inline constexpr CodecCase kVp8 = {"sink_0", "video/x-vp8"};
inline constexpr CodecCase kH264 = {"sink_1", "video/x-h264"};
inline constexpr CodecCase kVp9 = {"sink_2", "video/x-vp9"};

// Pictures of `source`, encoded three times; a selector takes one of them. Key pictures are rare,
// as with a source that makes them when it is asked.
inline std::string all_encoded(const std::string &source)
{
  return source +
         ",format=I420 ! identity name=canvas ! tee name=pictures  "
         "pictures. ! queue ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=900 ! codecs.sink_0  "
         "pictures. ! queue ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=900 ! "
         "video/x-h264,profile=constrained-baseline ! codecs.sink_1  "
         "pictures. ! queue ! vp9enc deadline=1 cpu-used=8 lag-in-frames=0 keyframe-max-dist=900 ! "
         "codecs.sink_2  "
         "input-selector name=codecs sync-streams=false cache-buffers=false";
}

inline void choose(GstElement *pipeline, const CodecCase &codec)
{
  const auto selector =
      streamlib::support::adopt_object(gst_bin_get_by_name(GST_BIN(pipeline), "codecs"));
  const auto pad =
      streamlib::support::adopt_object(gst_element_get_static_pad(selector.get(), codec.pad));
  g_object_set(selector.get(), "active-pad", pad.get(), nullptr);
}

}  // namespace fixture
