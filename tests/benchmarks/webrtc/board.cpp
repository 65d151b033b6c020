// SPDX-License-Identifier: LGPL-2.1-or-later
#include "board.h"

#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace streamlib::bench {

namespace {

constexpr size_t kSize = sizeof(Slot) * kSlots;

}  // namespace

void Slot::clear()
{
  for (auto &time : pushed_ns)
    time = 0;
  forced_keys = 0;
  first_picture_ns = 0;
  pictures = 0;
  sounds = 0;
  skipped = 0;
  latencies = 0;
}

std::string Board::make_file()
{
  char path[] = "/tmp/webrtc-bench-board-XXXXXX";
  const int file = mkstemp(path);
  if (file < 0)
    return "";
  const bool ok = ftruncate(file, kSize) == 0;
  close(file);
  return ok ? path : "";
}

Board::Board(const std::string &path)
{
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  void *memory =
      file < 0 ? MAP_FAILED : mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file >= 0)
    close(file);
  if (memory == MAP_FAILED) {
    fprintf(stderr, "%s cannot be shared between the processes\n", path.c_str());
    exit(2);
  }
  slots_ = static_cast<Slot *>(memory);
}

Board::~Board()
{
  munmap(slots_, kSize);
}

}  // namespace streamlib::bench
