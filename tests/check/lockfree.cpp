// SPDX-License-Identifier: LGPL-2.1-or-later
// The lock-free parts of gst/support under concurrent use. Built with ThreadSanitizer, and without
// GLib, whose locks the sanitizer does not see.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "gst/support/histogram.h"
#include "gst/support/parker.h"
#include "gst/support/pointer_ring.h"
#include "gst/support/run_queue.h"

using streamlib::support::Histogram;
using streamlib::support::monotonic_ns;
using streamlib::support::Parker;
using streamlib::support::PointerRing;
using streamlib::support::RunQueue;

namespace {

#define CHECK(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                  \
    }                                                                                \
  } while (0)

constexpr uintptr_t kWords = 200000;

// What was pushed comes out once, in order, with its stamp.
void ring_keeps_order()
{
  for (size_t capacity : {1, 2, 16, 1024}) {
    PointerRing ring(capacity);
    std::thread pusher([&] {
      for (uintptr_t word = 1; word <= kWords; word++) {
        while (!ring.push_word(word << 3, static_cast<int64_t>(word)))
          std::this_thread::yield();
      }
    });
    for (uintptr_t expected = 1; expected <= kWords;) {
      uint64_t index;
      int64_t stamp;
      const uintptr_t word = ring.pop_word(&index, &stamp);
      if (word == 0) {
        std::this_thread::yield();
        continue;
      }
      CHECK(word == expected << 3);
      CHECK(index == expected - 1);
      CHECK(stamp == static_cast<int64_t>(expected));
      expected++;
    }
    pusher.join();
    CHECK(ring.size() == 0);
  }
}

// Each word is either popped or evicted, and the indices tell where words are missing.
void ring_evicts()
{
  for (size_t capacity : {2, 8, 64}) {
    PointerRing ring(capacity);
    std::atomic<bool> done = false;
    uint64_t evicted = 0;
    uint64_t popped = 0;
    std::thread pusher([&] {
      for (uintptr_t word = 1; word <= kWords; word++) {
        while (!ring.push_word(word << 3, 0)) {
          if (ring.evict_word() != 0)
            evicted++;
        }
      }
      done = true;
    });
    uintptr_t last = 0;
    for (;;) {
      const bool was_done = done;
      uint64_t index;
      int64_t stamp;
      const uintptr_t word = ring.pop_word(&index, &stamp);
      if (word == 0) {
        if (was_done)
          break;
        continue;
      }
      CHECK(word >> 3 > last);
      last = word >> 3;
      CHECK(index == last - 1);
      popped++;
    }
    pusher.join();
    CHECK(last == kWords);
    CHECK(popped + evicted == kWords);
  }
}

void ring_is_bounded()
{
  PointerRing ring(4, 100);
  CHECK(ring.capacity() == 4);
  for (uintptr_t word = 1; word <= 4; word++)
    CHECK(ring.push_word(word << 3, 0));
  CHECK(!ring.push_word(5 << 3, 0));
  CHECK(ring.evict_word() == 1 << 3);
  CHECK(ring.push_word(5 << 3, 0));
  uint64_t index;
  int64_t stamp;
  CHECK(ring.pop_word(&index, &stamp) == 2 << 3);
  CHECK(index == 101);
  CHECK(ring.size() == 3);
}

// No wake-up is lost: both sides end, however they interleave.
void parker_wakes()
{
  PointerRing ring(8);
  Parker data;
  Parker space;
  std::thread consumer([&] {
    for (uintptr_t expected = 1; expected <= kWords;) {
      uint64_t index;
      int64_t stamp;
      const uintptr_t word = ring.pop_word(&index, &stamp);
      if (word == 0) {
        data.park([&] { return ring.size() > 0; });
        continue;
      }
      CHECK(word == expected++ << 3);
      space.unpark();
    }
  });
  for (uintptr_t word = 1; word <= kWords; word++) {
    while (!ring.push_word(word << 3, 0))
      space.park([&] { return ring.size() < ring.capacity(); });
    data.unpark();
  }
  consumer.join();
}

void parker_keeps_deadlines()
{
  Parker parker;
  const int64_t begin = monotonic_ns();
  CHECK(!parker.park([] { return false; }, begin + 20000000));
  CHECK(monotonic_ns() - begin >= 20000000);
  CHECK(parker.park([] { return true; }, begin));
  CHECK(!parker.unpark());
}

struct Node {
  Node *next_to_run = nullptr;
  // Not atomic: the queue itself has to hand it on from thread to thread.
  unsigned runs = 0;
};
using Nodes = RunQueue<Node, &Node::next_to_run>;

// A push that finds no place in the ring does not wait for one: nothing is taken here meanwhile.
void run_queue_never_waits()
{
  Nodes queue;
  queue.make_room(2, 2);
  std::vector<Node> nodes(7);
  for (Node &node : nodes)
    queue.push(&node);
  CHECK(queue.has_items() && queue.size() >= 2);
  for (size_t i = 0; i < nodes.size(); i++) {
    Node *node = queue.take();
    CHECK(node != nullptr);
    CHECK(node->runs++ == 0);
  }
  CHECK(queue.take() == nullptr && !queue.has_items() && queue.size() == 0);
}

// Each node is with one thread at a time and none is lost, though the ring is too short for all, so
// that some always stand beside it.
void run_queue_loses_nothing()
{
  constexpr unsigned kRuns = 20000;
  Nodes queue;
  queue.make_room(4, 4);
  std::vector<Node> nodes(9);
  for (Node &node : nodes)
    queue.push(&node);
  std::atomic<unsigned> done = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; i++) {
    threads.emplace_back([&] {
      while (done < nodes.size()) {
        Node *node = queue.take();
        if (node == nullptr)
          std::this_thread::yield();
        else if (++node->runs < kRuns)
          queue.push(node);
        else
          done++;
      }
    });
  }
  for (std::thread &thread : threads)
    thread.join();
  CHECK(!queue.has_items());
  for (const Node &node : nodes)
    CHECK(node.runs == kRuns);
}

void run_queue_grows_while_used()
{
  Nodes queue;
  queue.make_room(1, 2);
  std::vector<Node> nodes(64);
  std::thread pusher([&] {
    for (size_t i = 0; i < nodes.size(); i++) {
      queue.make_room(i + 1, 2);
      queue.push(&nodes[i]);
    }
  });
  for (size_t taken = 0; taken < nodes.size();) {
    if (Node *node = queue.take()) {
      CHECK(node->runs++ == 0);
      taken++;
    }
  }
  pusher.join();
  CHECK(queue.take() == nullptr);
}

void histogram_knows_quantiles()
{
  Histogram histogram;
  CHECK(histogram.quantile(0.5) == 0);
  for (uint64_t value = 1; value <= 100000; value++)
    histogram.add(value * 1000);
  const double median = static_cast<double>(histogram.quantile(0.5));
  const double p99 = static_cast<double>(histogram.quantile(0.99));
  CHECK(median > 50e6 * 0.93 && median < 50e6 * 1.07);
  CHECK(p99 > 99e6 * 0.93 && p99 < 99e6 * 1.07);
  CHECK(histogram.max() == 100000000);
  CHECK(histogram.quantile(1.0) <= histogram.max());
  histogram.add(UINT64_MAX);
  CHECK(histogram.max() == UINT64_MAX);
  histogram.clear();
  CHECK(histogram.quantile(0.5) == 0 && histogram.max() == 0);
  // Small values are exact.
  histogram.add(3);
  CHECK(histogram.quantile(0.5) == 3);
}

void histogram_is_read_while_filled()
{
  Histogram histogram;
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done)
      CHECK(histogram.quantile(0.5) <= 1024);
  });
  for (int i = 0; i < 200000; i++)
    histogram.add(static_cast<uint64_t>(i) & 1023);
  done = true;
  reader.join();
}

}  // namespace

int main()
{
  ring_keeps_order();
  ring_evicts();
  ring_is_bounded();
  parker_wakes();
  parker_keeps_deadlines();
  run_queue_never_waits();
  run_queue_loses_nothing();
  run_queue_grows_while_used();
  histogram_knows_quantiles();
  histogram_is_read_while_filled();
  std::printf("10 passed, 0 failed\n");
  return 0;
}
