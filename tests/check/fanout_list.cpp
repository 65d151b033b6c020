// SPDX-License-Identifier: LGPL-2.1-or-later
// The list of branches that a fan-out's streaming thread reads while others exchange it. Built with
// ThreadSanitizer; no function of GLib or GStreamer runs here.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

#include "gst/streamlib/graph/fanout_core.h"

using streamlib::graph::Branch;
using streamlib::graph::BranchList;
using streamlib::graph::PublishedList;

namespace {

constexpr int kExchanges = 20000;

}  // namespace

int main()
{
  PublishedList list;
  std::atomic<bool> ends = false;
  std::atomic<uint64_t> turns = 0;
  uint64_t entered = 0;
  std::thread reader([&] {
    while (!ends.load()) {
      for (const auto &branch : list.enter()) {
        // Of the streaming thread alone: a list that is freed too early is a race here.
        branch->has_events = !branch->has_events;
        branch->buffers.fetch_add(1, std::memory_order_relaxed);
        entered++;
      }
      list.leave();
      turns.fetch_add(1, std::memory_order_relaxed);
    }
  });
  for (int i = 0; i < kExchanges; i++) {
    BranchList next;
    for (int branch = 0; branch < i % 4; branch++)
      next.push_back(std::make_shared<Branch>(nullptr));
    list.publish(std::move(next));
    // Now and then the reader gets a turn, however few processors there are.
    const uint64_t before = turns.load();
    while (i % 50 == 0 && turns.load() < before + 2)
      std::this_thread::yield();
  }
  ends = true;
  reader.join();
  if (entered == 0) {
    std::fprintf(stderr, "no branch was ever entered\n");
    return 1;
  }
  std::printf("%d exchanges, %llu branches entered\n", kExchanges,
              static_cast<unsigned long long>(entered));
  return 0;
}
