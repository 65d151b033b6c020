// SPDX-License-Identifier: LGPL-2.1-or-later
// What the two processes of a measurement share: when each picture was handed over on one side, and
// what has come on the other. Times are of the monotonic clock, which is the same in both.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace streamlib::bench {

// Pictures of the loop that is sent; each carries its number.
inline constexpr unsigned kLoopPictures = 120;
inline constexpr unsigned kSlots = 64;
inline constexpr unsigned kMaxLatencies = 4096;

// One session. It is written by one process at a time; zero is its state at the beginning.
struct Slot {
  std::atomic<int64_t> pushed_ns[kLoopPictures];
  // The source was asked for a keyframe.
  std::atomic<uint32_t> forced_keys;
  std::atomic<int64_t> first_picture_ns;
  std::atomic<uint64_t> pictures;
  std::atomic<uint64_t> sounds;
  // Numbers that were not there between two pictures that were shown.
  std::atomic<uint32_t> skipped;
  std::atomic<uint32_t> latencies;
  float latency_ms[kMaxLatencies];

  void clear();
};

class Board {
public:
  // A new file of zeros; empty when there is no place for it. The caller unlinks it.
  static std::string make_file();
  // Ends the program when the file cannot be mapped.
  explicit Board(const std::string &path);
  ~Board();
  Board(const Board &) = delete;
  Board &operator=(const Board &) = delete;

  Slot &slot(unsigned number) const { return slots_[number % kSlots]; }

private:
  Slot *slots_ = nullptr;
};

}  // namespace streamlib::bench
