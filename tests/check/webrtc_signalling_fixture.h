// SPDX-License-Identifier: LGPL-2.1-or-later
// A client of WHIP or WHEP and a server that says what the test wants.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <gst/check/gstcheck.h>

#include "ext/webrtc/signalling/signalling_session.h"
#include "gst/support/task.h"
#include "patience.h"
#include "scripted_http.h"

namespace fixture {

using namespace streamlib::webrtc;
using streamlib::support::adopt_object;
using streamlib::support::Done;
using streamlib::support::GObjectPtr;
using streamlib::support::Task;

using Role = SignallingSession::Role;
using Category = SignallingCategory;

constexpr const char *kToken = "t0p-s3cret";
constexpr const char *kFragmentType = "application/trickle-ice-sdpfrag";

// A context of the test's own, in place of the I/O context.
class Loop {
public:
  Loop() { g_main_context_push_thread_default(context_); }
  Loop(const Loop &) = delete;
  Loop &operator=(const Loop &) = delete;
  ~Loop()
  {
    while (g_main_context_iteration(context_, FALSE)) {
    }
    g_main_context_pop_thread_default(context_);
    g_main_context_unref(context_);
  }

  template <typename T>
  T result_of(Task<T> task, GCancellable *cancellable = nullptr)
  {
    std::optional<T> result;
    start<T>(std::move(task), result, cancellable);
    until([&] { return result.has_value(); });
    return std::move(*result);
  }
  template <typename T>
  void start(Task<T> task, std::optional<T> &result, GCancellable *cancellable = nullptr)
  {
    streamlib::support::run<T>(std::move(task), cancellable,
                               [&](T value) { result.emplace(std::move(value)); });
  }
  void until(const std::function<bool()> &done)
  {
    while (!done()) {
      g_main_context_iteration(context_, FALSE);
      if (!done())
        g_usleep(500);
    }
  }

private:
  GMainContext *const context_ = g_main_context_new();
};

inline IceFragment fragment_with(const std::string &ufrag)
{
  IceFragment fragment;
  fragment.bundle = {"0", "1"};
  fragment.mid = "0";
  fragment.media_line = "audio 9 UDP/TLS/RTP/SAVPF 96";
  fragment.credentials = {ufrag, "ourpasswordourpassword"};
  return fragment;
}

inline std::string restart_reply(const std::string &ufrag)
{
  return "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=ice-ufrag:" + ufrag +
         "\r\na=ice-pwd:newpasswordnewpassword\r\n";
}

inline ScriptedAnswer created(const std::vector<std::pair<std::string, std::string>> &more = {},
                              const std::string &body = "v=0\r\n")
{
  std::vector<std::pair<std::string, std::string>> fields = {
      {"Content-Type", "application/sdp"}, {"Location", "/session/1"}, {"ETag", "\"one\""}};
  for (const auto &[name, value] : more) {
    std::erase_if(fields, [&](const auto &known) { return known.first == name; });
    if (!value.empty())
      fields.emplace_back(name, value);
  }
  return ScriptedAnswer::of("201 Created", fields, body);
}

// The members in the order in which they may go.
struct Stage {
  explicit Stage(Role role = Role::Publish, bool is_tls = false) : role(role), server(is_tls)
  {
    settings.endpoint = server.origin() + "/whip/room?key=1";
    settings.token = kToken;
  }

  SignallingSession &client()
  {
    if (!session) {
      session = std::make_unique<SignallingSession>(role, settings);
      session->set_fragment(fragment_with("ufrag1"));
    }
    return *session;
  }
  SignallingResult<SignallingSession::Opened> open(GCancellable *cancellable = nullptr)
  {
    return loop.result_of(client().open("v=0 offer"), cancellable);
  }
  // With a session.
  void opened()
  {
    server.answer("POST", created());
    const auto result = open();
    fail_unless(result.ok(), "%s", result.ok() ? "" : result.error().text.c_str());
  }
  SignallingResult<PatchOutcome> send_candidates()
  {
    return loop.result_of(client().send_candidates());
  }
  SignallingResult<SignallingSession::Restarted> restart(const std::string &ufrag)
  {
    return loop.result_of(client().restart_ice(fragment_with(ufrag)));
  }
  SignallingResult<Done> close() { return loop.result_of(client().close()); }
  // The first request of a kind.
  ScriptedRequest request(const std::string &method, size_t number = 0)
  {
    const auto all = server.requests(method);
    fail_unless(all.size() > number, "there are %d requests %s", static_cast<int>(all.size()),
                method.c_str());
    return all[number];
  }
  // The next attempt to open fails in this way.
  SignallingFailure failure_with(ScriptedAnswer answer)
  {
    server.answer("POST", std::move(answer));
    server.answer("DELETE", ScriptedAnswer::of("200 OK"));
    const auto result = open();
    fail_unless(!result.ok());
    fail_unless(!result.error().text.empty());
    fail_unless(close().ok());
    return result.error();
  }

  const Role role;
  Loop loop;
  ScriptedHttp server;
  HttpSettings settings;
  std::unique_ptr<SignallingSession> session;
};

inline bool mentions(const SignallingFailure &failure, const std::string &text)
{
  return failure.text.find(text) != std::string::npos;
}

}  // namespace fixture
