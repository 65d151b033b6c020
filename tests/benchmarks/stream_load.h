// SPDX-License-Identifier: LGPL-2.1-or-later
// Many live streams in a process of their own: what they cost, and how late they are.
#pragma once

#include <string>

#include "gst/support/result.h"

namespace streamlib::bench {

struct StreamLoad {
  // In launch syntax, with a sink that is called `sink`, and a buffer each 10 ms.
  std::string description;
  int streams = 0;
  double seconds = 0;
  // So many streams share a pipeline. Each pipeline has a bus, and that has descriptors.
  int per_pipeline = 1;
  // What each stream takes; the system is asked first whether it has as many.
  int threads_per_stream = 0;
};

struct StreamFigures {
  double cpu_percent = 0;
  // Resident memory that each stream adds.
  double kib_per_stream = 0;
  // From the first state change to the first buffer of the last stream.
  double start_ms = 0;
  double stop_ms = 0;
  // How late buffers reach their sink, against their time, which counts from the first one.
  double late_p50_ms = 0;
  double late_p99_ms = 0;
  double late_max_ms = 0;
  // How late steps of the executor began; 0 without it.
  double step_late_p99_ms = 0;
  double threads = 0;
  // Of the buffers that should have come in the time.
  double delivered = 0;
};

// Starts this program again with run_stream_load_child()'s arguments. A failure says why the system
// does not allow so many streams, or that they did not start or end in time.
support::Result<StreamFigures> measure_streams(const StreamLoad &load);

// True when the command line was such a one; the program ends with `exit_code` then.
bool run_stream_load_child(int argc, char **argv, int *exit_code);

}  // namespace streamlib::bench
