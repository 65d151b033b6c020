// SPDX-License-Identifier: LGPL-2.1-or-later
// Why signalling has failed.
#pragma once

#include <optional>

#include <gio/gio.h>

#include "gst/support/result.h"

namespace streamlib::webrtc {

enum class SignallingCategory {
  Network,       // No connection, or it broke.
  Refused,       // The server says no.
  Unauthorised,  // The server wants to know who asks, or wants somebody else.
  NotFound,      // There is nothing, or nothing any more.
  Protocol,      // What the server says is not WHIP or WHEP, or we would not keep to it.
  Timeout,
  Tls,
  Settings,  // What a user has set cannot be used.
  Cancelled,
};

// `code` is the category, `text` says what to do, `debug` has the facts. None of them has the
// token, a path or a query: these are secrets often enough.
struct SignallingFailure : support::Failure {
  guint status = 0;                     // Of HTTP, where one came.
  bool may_pass = false;                // Another attempt may go better.
  std::optional<guint> retry_after_ms;  // What the server asks for.

  SignallingCategory category() const { return static_cast<SignallingCategory>(code); }
};

template <typename T>
using SignallingResult = support::Result<T, SignallingFailure>;

SignallingFailure make_failure(SignallingCategory category, std::string text,
                               std::string debug = "");

}  // namespace streamlib::webrtc
