// SPDX-License-Identifier: LGPL-2.1-or-later
// Many live streams in a process of their own: what they cost, and how late they are.
#pragma once

#include <optional>
#include <string>

namespace streamlib::bench {

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

// Starts this program again with run_stream_load_child()'s arguments. `description` is a pipeline
// in launch syntax whose sink is called `sink`, with a buffer each 10 ms. None, with a word
// on standard error, where the system does not allow so many.
std::optional<StreamFigures> measure_streams(const std::string &description, int streams,
                                             double seconds);

// True when the command line was such a one; the program ends with `exit_code` then.
bool run_stream_load_child(int argc, char **argv, int *exit_code);

}  // namespace streamlib::bench
