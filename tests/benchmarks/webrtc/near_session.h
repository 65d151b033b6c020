// SPDX-License-Identifier: LGPL-2.1-or-later
// One session of the process that is measured: a pipeline with one of our elements, or with
// webrtcbin and the part of an application that speaks WHIP and WHEP for it.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "material.h"
#include "watch.h"

namespace streamlib::bench {

enum class Subject {
  kOurs,
  kWebrtcbin,       // As it is, with retransmission of video, which ours has too.
  kWebrtcbinTuned,  // Without UPnP and without candidates of TCP, as ours.
};

struct NearPlan {
  Subject subject = Subject::kOurs;
  bool publishes = true;
  // Of the far end: http://127.0.0.1:port
  std::string server;
  unsigned slot_number = 0;
  // What is played is shown so here, and what is published at the far end.
  Show show = Show::kEncoded;
  // Of the jitter buffers that play; negative: as it is by default.
  int latency_ms = -1;
  // Of a runtime that several pipelines of ours share, as the elements of one pipeline do; or null.
  GstContext *runtime = nullptr;

  std::string endpoint() const;
};

// Made, started and stopped in one thread.
class NearSession {
public:
  static std::unique_ptr<NearSession> make(const NearPlan &plan, Feeder &feeder, Slot &slot);
  virtual ~NearSession() = default;
  NearSession(const NearSession &) = delete;
  NearSession &operator=(const NearSession &) = delete;

  // False where it cannot be; a word is on standard error. Ours returns before it is connected.
  virtual bool start() = 0;
  // In order: the server is told. Ends the pipeline too.
  virtual void stop() = 0;

  bool wait_connected(double seconds) const;
  int64_t connected_ns() const { return connected_ns_; }

protected:
  NearSession() = default;
  void note_connected();
  // The media flows from here on, or is counted.
  void join(const NearPlan &plan, Feeder &feeder, Slot &slot);
  support::GObjectPtr<GstElement> pipeline_;
  bool is_ended_ = false;

private:
  std::atomic<int64_t> connected_ns_ = 0;
};

std::unique_ptr<NearSession> make_our_session(const NearPlan &plan, Feeder &feeder, Slot &slot);
std::unique_ptr<NearSession> make_webrtcbin_session(const NearPlan &plan, Feeder &feeder,
                                                    Slot &slot);

// A pipeline of this description. Its latency is set again whenever an element asks for it. Null,
// with a word on standard error, where it cannot be.
support::GObjectPtr<GstElement> make_pipeline(const std::string &line);
void sleep_s(double seconds);

}  // namespace streamlib::bench
