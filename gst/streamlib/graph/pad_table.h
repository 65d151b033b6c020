// SPDX-License-Identifier: LGPL-2.1-or-later
// Links the source pads of a node to their fan-outs when they come, in the thread that brings them.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "gst/streamlib/graph/running.h"

namespace streamlib::graph {

class PadTable {
public:
  // Worker. What the node's links want; replaces what was known of the node, and takes the pads
  // that are there already.
  void watch(Node &node);
  void forget(const std::string &id);
  // Any thread: what an element sends after its error is no end of the stream.
  void keep_eos_of(GstElement *element);

private:
  struct Wanted {
    std::string pad;
    GObjectPtr<GstSlFanout> fanout;
  };

  static void pad_added(GstElement *element, GstPad *pad, gpointer data);
  void take(GstElement *element, GstPad *pad);

  // Guards the map; no pad is touched under it.
  std::mutex mutex_;
  std::map<GstElement *, std::vector<Wanted>> wanted_;
  std::map<std::string, GstElement *> elements_;
};

}  // namespace streamlib::graph
