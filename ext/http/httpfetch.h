// SPDX-License-Identifier: LGPL-2.1-or-later
// One answer of a server, with all the attempts that it takes.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <libsoup/soup.h>

#include "ext/http/httperrors.h"
#include "gst/streamlib/streamlib.h"
#include "gst/support/task.h"

namespace streamlib::http {

struct Request {
  std::string location;
  std::string user_agent;
  std::vector<std::pair<std::string, std::string>> headers;
  // 0 is no limit, for both.
  guint timeout_ms = 0;
  guint64 max_bytes = 0;
  guint retries = 0;
  guint retry_delay_ms = 0;
  // 0 is the whole answer in one piece.
  guint block_bytes = 0;
  bool is_strict = true;
};

// What tells the server which answer is known already.
struct Validators {
  std::string etag;
  std::string last_modified;
};

struct Answer {
  bool is_modified = true;
  std::string content_type;
  // What was not given to `on_block`.
  support::MiniPtr<GstBuffer> data;
};

// Written by the I/O thread, read by any.
struct Figures {
  std::atomic<guint64> requests = 0;
  std::atomic<guint64> answers = 0;
  std::atomic<guint64> not_modified = 0;
  std::atomic<guint64> bytes = 0;
  std::atomic<guint64> retries = 0;
  std::atomic<guint> last_status = 0;
  // From the request to the end of the answer.
  std::atomic<guint64> last_latency_ns = 0;

  void clear();
};

// Takes a block of an answer and says whether it wants more.
using BlockTask = support::Task<support::Outcome<bool>>;
using OnBlock = std::function<BlockTask(support::MiniPtr<GstBuffer>, const std::string &type)>;

// The session of a runtime, made with the first call. The I/O thread.
SoupSession *session_of(GstSlRuntime *runtime);

// How long to wait before attempt number `attempt` (1 is the second one): twice as long each time,
// less up to a half by chance, and not shorter than the server asks for.
guint retry_delay(guint base_ms, guint attempt, guint retry_after_ms);

// The I/O thread. All but the session is used until the task ends.
support::Task<support::Outcome<Answer>> fetch(support::GObjectPtr<SoupSession> session,
                                              Request request, Validators *known, Figures *figures,
                                              OnBlock on_block);

}  // namespace streamlib::http
