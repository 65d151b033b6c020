// SPDX-License-Identifier: LGPL-2.1-or-later
// The two ends of every benchmark pipeline: a source and a sink that do next to nothing themselves.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include <gst/gst.h>

namespace streamlib::bench {

// What one run does, and what its two threads count. Outlives the pipeline.
struct Exchange {
  // How many distinct buffers the source sends round and round: enough of them that the reference
  // count of a buffer in flight is not fought over by both CPUs.
  static constexpr size_t kRotating = 1024;

  // A new buffer for each push, instead of the rotating ones.
  bool fresh = false;
  // Buffers per buffer list; 1 pushes single buffers.
  unsigned list_size = 1;
  // At most this many buffers may be on their way: a producer matched to its consumer, so that a
  // link that evicts has nothing to evict. 0: as fast as the link takes them.
  uint64_t credit = 0;
  // Absolute deadlines this far apart, in nanoseconds. 0: no pause between buffers.
  int64_t period_ns = 0;
  // Records the time from just before the push to the entry of the sink.
  bool stamps = false;
  // Buffers before the clocks of the run start, and how many, or for how long, are measured.
  uint64_t warm_up = 0;
  uint64_t buffers = 0;
  int64_t duration_ns = 0;
  int source_cpu = 0;
  int sink_cpu = 1;

  // Written by the source's thread.
  alignas(128) std::atomic<uint64_t> pushed{0};
  std::atomic<bool> go{false};
  uint64_t seen = 0;  // the value of `delivered` that the source read last
  uint64_t lost = 0;  // buffers that the link dropped, as far as credit shows
  int64_t deadline_ns = 0;
  int64_t push_start_ns = 0;
  int64_t push_end_ns = 0;
  bool source_pinned = false;

  // Written by the sink's thread.
  alignas(128) std::atomic<uint64_t> delivered{0};
  uint64_t next_mark = 0;
  int64_t start_ns = 0;
  int64_t start_cpu_ns = 0;
  int64_t end_ns = 0;
  int64_t end_cpu_ns = 0;
  std::vector<double> latencies_us;

  // Called in the sink's thread when the measured part begins, and when all but the last `tail`
  // buffers have arrived: the source makes its EOS event meanwhile.
  void (*on_begin)() = nullptr;
  void (*on_end)() = nullptr;
  uint64_t tail = 0;
  // Both are called in the source's thread instead, by what was pushed: for links that drop.
  bool source_marks = false;
};

// Element factories "benchsrc" and "benchsink" of this process.
void register_endpoints();
// Both are to be given their exchange before they leave READY.
void set_exchange(GstElement *endpoint, Exchange *exchange);

// The application message that the sink posts when the stream has ended.
inline constexpr const char *kDoneMessage = "bench-done";

}  // namespace streamlib::bench
