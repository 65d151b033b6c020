// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/signalling/signalling_session.h"

#include <algorithm>
#include <utility>

#include "ext/webrtc/signalling/header_fields.h"

namespace streamlib::webrtc {

using support::Deadline;
using support::Done;
using support::Task;

namespace {

constexpr const char *kSdpType = "application/sdp";
constexpr const char *kFragmentType = "application/trickle-ice-sdpfrag";
// draft-ietf-wish-whep §4.3.3
constexpr gint64 kCounterOfferS = 30;

enum HttpStatus : guint {
  kCreated = 201,
  kMethodNotAllowed = 405,
  kNotAcceptable = 406,
  kPreconditionFailed = 412,
  kUnprocessable = 422,
  kPreconditionRequired = 428,
  kNotImplemented = 501,
};

bool is_success(guint status)
{
  return status >= 200 && status < 300;
}

// No server of a PATCH, or not of this one: 422 says so of one of the two kinds (RFC 9725 §4.3.1).
bool is_unsupported(guint status)
{
  return status == kMethodNotAllowed || status == kNotImplemented || status == kUnprocessable ||
         status == kPreconditionRequired;
}

bool is_no_patch_at_all(guint status)
{
  return status == kMethodNotAllowed || status == kNotImplemented;
}

SignallingFailure protocol_failure(const HttpReply &reply, const std::string &text)
{
  SignallingFailure failure = make_failure(SignallingCategory::Protocol, text);
  failure.status = reply.status;
  return failure;
}

}  // namespace

// --- Offer and answer ---

bool SignallingSession::is_counter_offer(const HttpReply &reply) const
{
  return role_ == Role::Play && reply.status == kNotAcceptable && reply.content_type == kSdpType;
}

// There is a session at the server from here on, even when the rest of its answer never comes.
void SignallingSession::take_head(const HttpReply &reply)
{
  if (reply.status != kCreated && !is_counter_offer(reply))
    return;
  session_url_ = reply.location;
  etag_ = reply.etag;
}

Task<SignallingResult<SignallingSession::Opened>> SignallingSession::open(std::string offer)
{
  if (state_ != State::Closed || has_session_url())
    co_return make_failure(SignallingCategory::Protocol,
                           "There is a session already, or one is being made. Close it first.");
  state_ = State::Opening;
  can_trickle_ = can_restart_ = true;
  SignallingResult<Opened> result = co_await post(std::move(offer));
  if (!result)
    state_ = State::Closed;
  else
    state_ = result->is_counter_offer ? State::CounterOffered : State::Open;
  co_return result;
}

Task<SignallingResult<SignallingSession::Opened>> SignallingSession::post(std::string offer)
{
  HttpRequest request;
  request.method = "POST";
  request.uri = client_.settings().endpoint;
  request.content_type = kSdpType;
  request.accept = kSdpType;
  request.body = std::move(offer);
  request.follow_redirects = true;
  request.wants_body = [this](const HttpReply &reply) {
    take_head(reply);
    return reply.content_type == kSdpType && (reply.status == kCreated || is_counter_offer(reply));
  };
  SignallingResult<HttpReply> reply = co_await client_.send(std::move(request));
  if (!reply)
    co_return reply.take_error();
  co_return opened_by(*reply);
}

SignallingResult<SignallingSession::Opened> SignallingSession::opened_by(const HttpReply &reply)
{
  const std::string origin = origin_of(reply.uri);
  if (!is_success(reply.status) && !is_counter_offer(reply)) {
    SignallingFailure failure = failure_of_status(reply);
    // Nobody publishes there (draft-ietf-wish-whep §4.3.8). WHIP has no such meaning of it.
    if (reply.status == SOUP_STATUS_CONFLICT && role_ == Role::Publish)
      failure.may_pass = reply.retry_after_ms.has_value();
    return failure;
  }
  if (is_success(reply.status) && reply.status != kCreated)
    return protocol_failure(
        reply, origin + " has answered the offer with status " + std::to_string(reply.status) +
                   " instead of 201. Check that the endpoint is one of " + name() + ".");
  if (reply.content_type != kSdpType)
    return protocol_failure(
        reply, origin + " has answered the offer with " +
                   (reply.content_type.empty() ? "no type" : "the type " + reply.content_type) +
                   " instead of application/sdp. Check that the endpoint is one of " + name() +
                   ".");
  if (reply.location.empty())
    return protocol_failure(reply, origin +
                                       " has made a session without a Location that can be "
                                       "used, so it could never be ended. Check the server.");
  if (reply.body.empty())
    return protocol_failure(reply, origin +
                                       " has answered the offer with an empty description. "
                                       "Check the server.");
  Opened opened;
  opened.is_counter_offer = reply.status == kNotAcceptable;
  opened.sdp = reply.body;
  LinkServers links = ice_servers_of(reply.link);
  opened.ice_servers = std::move(links.servers);
  opened.notes = std::move(links.notes);
  if (opened.is_counter_offer) {
    const auto date =
        reply.valid_until.empty() ? std::nullopt : http_date(reply.valid_until.c_str());
    const gint64 seconds = date ? *date - g_get_real_time() / G_USEC_PER_SEC : kCounterOfferS;
    answer_until_us_ =
        g_get_monotonic_time() + std::clamp<gint64>(seconds, 0, 3600) * G_USEC_PER_SEC;
  }
  return opened;
}

Task<SignallingResult<Done>> SignallingSession::answer(std::string sdp)
{
  if (state_ != State::CounterOffered)
    co_return make_failure(SignallingCategory::Protocol,
                           "There is no offer of the server to be answered.");
  if (g_get_monotonic_time() >= *answer_until_us_)
    co_return make_failure(SignallingCategory::Timeout,
                           "The offer of " + origin_of(session_url_) +
                               " is not valid any more. Close the session and begin again.");
  HttpRequest request;
  request.method = "PATCH";
  request.uri = session_url_;
  request.content_type = kSdpType;
  request.body = std::move(sdp);
  SignallingResult<HttpReply> reply = co_await client_.send(std::move(request));
  if (!reply)
    co_return reply.take_error();
  if (!is_success(reply->status))
    co_return failure_of_status(*reply);
  if (state_ == State::CounterOffered)
    state_ = State::Open;
  co_return Done{};
}

// --- Candidates ---

void SignallingSession::set_fragment(IceFragment fragment)
{
  fragment_ = std::move(fragment);
  has_fragment_ = true;
}

void SignallingSession::add_candidate(std::string candidate)
{
  fragment_.candidates.push_back(std::move(candidate));
}

void SignallingSession::end_candidates()
{
  fragment_.end_of_candidates = true;
}

HttpRequest SignallingSession::patch_of(const IceFragment &fragment,
                                        const std::string &if_match) const
{
  HttpRequest request;
  request.method = "PATCH";
  request.uri = session_url_;
  request.content_type = kFragmentType;
  request.if_match = if_match;
  request.body = write_fragment(fragment);
  return request;
}

Task<SignallingResult<PatchOutcome>> SignallingSession::send_candidates()
{
  if (!is_open() || !has_fragment_ || is_patching_ || is_restarting_)
    co_return PatchOutcome::Waiting;
  is_patching_ = true;
  SignallingResult<PatchOutcome> result = co_await patch_candidates();
  // What came meanwhile.
  while (result && *result == PatchOutcome::Done && is_open() && !is_restarting_ &&
         (!fragment_.candidates.empty() || fragment_.end_of_candidates))
    result = co_await patch_candidates();
  is_patching_ = false;
  co_return result;
}

Task<SignallingResult<PatchOutcome>> SignallingSession::patch_candidates()
{
  IceFragment batch = fragment_;
  fragment_.candidates.clear();
  fragment_.end_of_candidates = false;
  if (batch.candidates.empty() && !batch.end_of_candidates)
    co_return PatchOutcome::Nothing;
  if (!can_trickle_)
    co_return PatchOutcome::Unsupported;
  SignallingResult<HttpReply> reply = co_await client_.send(patch_of(batch, etag_));
  const bool is_current = fragment_.credentials == batch.credentials;
  const auto keep = [&] {
    if (!is_current)
      return;
    fragment_.candidates.insert(fragment_.candidates.begin(), batch.candidates.begin(),
                                batch.candidates.end());
    fragment_.end_of_candidates = fragment_.end_of_candidates || batch.end_of_candidates;
  };
  if (!reply) {
    keep();
    co_return reply.take_error();
  }
  if (is_success(reply->status))
    co_return PatchOutcome::Done;
  if (reply->status == kPreconditionFailed)
    co_return PatchOutcome::Stale;
  if (is_unsupported(reply->status)) {
    can_trickle_ = false;
    if (is_no_patch_at_all(reply->status))
      can_restart_ = false;
    co_return PatchOutcome::Unsupported;
  }
  SignallingFailure failure = failure_of_status(*reply);
  if (failure.may_pass)
    keep();
  co_return failure;
}

Task<SignallingResult<SignallingSession::Restarted>> SignallingSession::restart_ice(
    IceFragment local)
{
  Restarted restarted;
  if (!is_open())
    co_return make_failure(SignallingCategory::Protocol, "There is no session to restart ICE in.");
  if (!can_restart_) {
    restarted.outcome = PatchOutcome::Unsupported;
    co_return restarted;
  }
  const guint number = ++restart_;
  const bool was_restarting = std::exchange(is_restarting_, true);
  HttpRequest request = patch_of(local, "*");
  request.accept = kFragmentType;
  request.wants_body = [](const HttpReply &reply) {
    return is_success(reply.status) && reply.content_type == kFragmentType;
  };
  // Candidates that come from now on belong to the new credentials.
  local.candidates.clear();
  local.end_of_candidates = false;
  if (!was_restarting)
    before_restart_ = fragment_;
  fragment_ = std::move(local);
  SignallingResult<HttpReply> reply = co_await client_.send(std::move(request));
  if (number != restart_) {
    restarted.outcome = PatchOutcome::Superseded;
    co_return restarted;
  }
  is_restarting_ = false;
  SignallingResult<Restarted> result = restarted_by(reply);
  if (!result || result->outcome != PatchOutcome::Done)
    fragment_ = before_restart_;
  co_return result;
}

SignallingResult<SignallingSession::Restarted> SignallingSession::restarted_by(
    SignallingResult<HttpReply> &reply)
{
  if (!reply)
    return reply.take_error();
  Restarted restarted;
  if (is_unsupported(reply->status) || reply->status == kPreconditionFailed) {
    can_restart_ = false;
    if (is_no_patch_at_all(reply->status))
      can_trickle_ = false;
    restarted.outcome = PatchOutcome::Unsupported;
    return restarted;
  }
  if (!is_success(reply->status))
    return failure_of_status(*reply);
  const std::string origin = origin_of(reply->uri);
  if (reply->content_type != kFragmentType || reply->body.empty())
    return protocol_failure(*reply, origin +
                                        " has answered the ICE restart without new "
                                        "credentials. The old ICE session goes on.");
  auto fragment = parse_fragment(reply->body);
  if (!fragment)
    return protocol_failure(*reply, origin +
                                        " has answered the ICE restart with a fragment that "
                                        "is not valid. " +
                                        fragment.error().text());
  etag_ = reply->etag;
  restarted.reply = std::move(*fragment);
  return restarted;
}

// --- The end ---

Task<SignallingResult<Done>> SignallingSession::close(guint limit_ms)
{
  if (state_ == State::Opening)
    co_return make_failure(SignallingCategory::Protocol,
                           "The session is still being made. Cancel that first.");
  state_ = State::Closed;
  restart_++;
  is_restarting_ = false;
  etag_.clear();
  const std::string url = std::exchange(session_url_, "");
  if (url.empty())
    co_return Done{};
  SignallingResult<Done> removed = co_await remove(url, limit_ms);
  // Nobody has answered.
  if (!removed && removed.error().status == 0)
    left_ = url;
  co_return removed;
}

Task<SignallingResult<Done>> SignallingSession::remove(std::string url, guint limit_ms)
{
  HttpRequest request;
  request.method = "DELETE";
  request.uri = url;
  GCancellable *parent = co_await support::CurrentCancellable();
  Deadline deadline(parent, limit_ms);
  SignallingResult<HttpReply> reply =
      co_await client_.send(std::move(request)).under(deadline.cancellable());
  if (!reply && deadline.is_over())
    co_return make_failure(SignallingCategory::Timeout,
                           origin_of(url) + " has not confirmed the end of the session in " +
                               std::to_string(limit_ms) +
                               " ms. It will notice by itself that nobody is there.");
  if (!reply)
    co_return reply.take_error();
  // Who knows of no such session has ended it already.
  if (is_success(reply->status) || reply->status == SOUP_STATUS_NOT_FOUND ||
      reply->status == SOUP_STATUS_GONE)
    co_return Done{};
  co_return failure_of_status(*reply);
}

}  // namespace streamlib::webrtc
