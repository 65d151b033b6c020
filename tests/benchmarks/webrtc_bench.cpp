// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and slwhepsrc against webrtcbin: threads, CPU, memory, times, latency, many sessions
// at once, and starts and stops at any time. Each figure is of a process of its own, and the other
// end of its sessions, the same for all, is in another one.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <gst/gst.h>

#include "webrtc/far.h"
#include "webrtc/near.h"
#include "webrtc/rows.h"

int main(int argc, char **argv)
{
  using namespace streamlib::bench;
  if (argc > 1 && strcmp(argv[1], "--near") == 0) {
    gst_init(nullptr, nullptr);
    return run_near_end(argc - 2, argv + 2);
  }
  if (argc == 4 && strcmp(argv[1], "--far") == 0) {
    gst_init(nullptr, nullptr);
    return serve_far_end(argv[2], argv[3]);
  }
  // GStreamer finds its plugins, and there are media to send, before anything is measured.
  gst_init(nullptr, nullptr);
  if (argc == 3 && strcmp(argv[1], "--starts") == 0)
    return check_starts(atoi(argv[2]));
  return measure_webrtc(argc, argv);
}
