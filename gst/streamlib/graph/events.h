// SPDX-License-Identifier: LGPL-2.1-or-later
// The messages by which a graph says what happens in it.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib::graph {

// Any thread. Each is an element message `streamlib-graph` with the fields event, sequence, node or
// link, running-time, and others by its kind; docs/graph-events.md lists them.
class Events {
public:
  explicit Events(GstElement *graph) : graph_(graph) {}

  void node(const char *event, const std::string &id, const std::string &detail = {});
  void link(const char *event, const std::string &from, const std::string &to,
            const std::string &detail = {});
  void graph(const char *event, uint64_t revision, const std::string &detail = {});
  void drops(const std::string &from, const std::string &to, uint64_t dropped);

private:
  // Posts in the order of the sequence numbers: one thread at a time posts what all have left, and
  // holds no lock meanwhile.
  void post(support::StructurePtr structure);
  support::StructurePtr take_next();

  GstElement *const graph_;
  std::mutex mutex_;  // Guards the following.
  std::deque<support::StructurePtr> waiting_;
  uint64_t sequence_ = 0;
  bool is_posting_ = false;
};

}  // namespace streamlib::graph
