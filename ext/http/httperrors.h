// SPDX-License-Identifier: LGPL-2.1-or-later
// What went wrong with a request, as an error for the user.
#pragma once

#include <libsoup/soup.h>

#include "gst/support/task.h"

namespace streamlib::http {

struct Problem {
  support::ErrorPtr error;
  // Another attempt may go better.
  bool may_pass = false;
  // What the server asks for; 0 when it says nothing.
  guint retry_after_ms = 0;
};

// The server has answered with a status that is no answer.
Problem problem_of_status(SoupMessage *message);
// `in_body`: the status had come already. `error` is taken over.
Problem problem_of_transport(SoupMessage *message, support::ErrorPtr error, bool in_body);
Problem problem_of_timeout(SoupMessage *message, guint timeout_ms, bool in_body);
Problem problem_of_size(SoupMessage *message, guint64 max_bytes);

}  // namespace streamlib::http
