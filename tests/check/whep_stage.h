// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhepsrc and its server, for tests of what goes wrong.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "whep_server.h"
#include "whep_viewer.h"

namespace fixture {

using streamlib::webrtc::MediaKind;
using streamlib::webrtc::PacketKind;

constexpr auto kVideo = MediaKind::Video;
constexpr auto kAudio = MediaKind::Audio;
constexpr char kRawVideo[] = "videoconvert ! capsfilter caps=video/x-raw,format=I420";
constexpr char kRawAudio[] = "audioconvert ! capsfilter caps=audio/x-raw,format=S16LE";
constexpr gint64 kMaxStopUs = 2 * G_USEC_PER_SEC;

inline void set(Viewer &viewer, const char *property, const char *value)
{
  gst_util_set_object_arg(G_OBJECT(viewer.src()), property, value);
}

inline void check_rising(const std::vector<Seen> &all)
{
  for (size_t i = 1; i < all.size(); i++)
    ck_assert_uint_ge(all[i].running, all[i - 1].running);
}

// So many more buffers of both.
inline bool flows(Viewer &viewer, size_t more = 10, int ms = 10000)
{
  const size_t pictures = viewer.count(kVideo);
  const size_t sounds = viewer.count(kAudio);
  return eventually(
      [&] {
        return viewer.count(kVideo) >= pictures + more && viewer.count(kAudio) >= sounds + more;
      },
      ms);
}

struct Stage {
  explicit Stage(FarPlan plan = {})
      : server(std::move(plan)),
        viewer(server.endpoint(), {{kVideo, kRawVideo}, {kAudio, kRawAudio}})
  {
    set(viewer, "reconnect-delay", "100");
  }
  WhepServer server;
  Viewer viewer;
};

}  // namespace fixture
