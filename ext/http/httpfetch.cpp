// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/http/httpfetch.h"

#include <algorithm>

#include "gst/support/environment_proxy.h"

namespace streamlib::http {

using support::adopt_mini;
using support::adopt_object;
using support::Deadline;
using support::Done;
using support::GObjectPtr;
using support::MiniPtr;
using support::Outcome;
using support::Result;
using support::share_object;
using support::Task;

namespace {

constexpr gsize kReadBytes = 64 * 1024;
constexpr guint kMaxDelayMs = 60 * 1000;
constexpr guint kMaxDoublings = 16;
// libsoup's own limits, 10 and 2, would queue the requests of many elements.
constexpr int kMaxConnections = 4096;

struct Unref {
  void operator()(GBytes *bytes) const { g_bytes_unref(bytes); }
};
using BytesPtr = std::unique_ptr<GBytes, Unref>;

// What an attempt works with. It lives in the frame of fetch().
struct Attempt {
  SoupSession *session;
  const Request &request;
  Validators &known;
  Figures &figures;
  const OnBlock &on_block;
  GObjectPtr<SoupMessage> message;
  // Something was given to on_block: there is no way back.
  bool has_begun = false;
  bool has_status = false;
  // The time was over.
  bool is_late = false;

  // With blocks the consumer may let the server wait: then the limit is for each answer of the
  // network, else for all of them.
  guint whole_limit_ms() const { return request.block_bytes == 0 ? request.timeout_ms : 0; }
  guint single_limit_ms() const { return request.block_bytes == 0 ? 0 : request.timeout_ms; }
};

template <typename T>
Task<T> in_time(Attempt *attempt, guint limit_ms, Task<T> task)
{
  auto *parent = co_await support::CurrentCancellable();
  Deadline deadline(parent, limit_ms);
  T outcome = co_await std::move(task).under(deadline.cancellable());
  attempt->is_late = attempt->is_late || deadline.is_over();
  co_return outcome;
}

GObjectPtr<SoupMessage> make_message(const Request &request, const Validators &known)
{
  auto message = adopt_object(soup_message_new(SOUP_METHOD_GET, request.location.c_str()));
  if (!message)
    return message;
  SoupMessageHeaders *headers = soup_message_get_request_headers(message.get());
  soup_message_headers_replace(headers, "User-Agent", request.user_agent.c_str());
  if (!known.etag.empty())
    soup_message_headers_replace(headers, "If-None-Match", known.etag.c_str());
  else if (!known.last_modified.empty())
    soup_message_headers_replace(headers, "If-Modified-Since", known.last_modified.c_str());
  for (const auto &[name, value] : request.headers)
    soup_message_headers_replace(headers, name.c_str(), value.c_str());
  if (!request.is_strict)
    g_signal_connect(message.get(), "accept-certificate",
                     G_CALLBACK(+[](SoupMessage *, GTlsCertificate *, GTlsCertificateFlags,
                                    gpointer) -> gboolean { return TRUE; }),
                     nullptr);
  return message;
}

std::string header_of(SoupMessage *message, const char *name)
{
  const char *value =
      soup_message_headers_get_one(soup_message_get_response_headers(message), name);
  return value != nullptr ? value : "";
}

std::string content_type_of(SoupMessage *message)
{
  const char *type =
      soup_message_headers_get_content_type(soup_message_get_response_headers(message), nullptr);
  return type != nullptr ? type : "";
}

Task<Outcome<GObjectPtr<GInputStream>>> send(Attempt *attempt)
{
  auto start = [attempt](GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
    soup_session_send_async(attempt->session, attempt->message.get(), G_PRIORITY_DEFAULT,
                            cancellable, callback, data);
  };
  auto finish = [](GObject *session, GAsyncResult *result, GError **error) {
    return adopt_object(soup_session_send_finish(SOUP_SESSION(session), result, error));
  };
  Outcome<GObjectPtr<GInputStream>> stream = co_await support::gio_call(start, finish);
  co_return stream;
}

Task<Outcome<BytesPtr>> read(GInputStream *stream, gsize bytes)
{
  auto start = [=](GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
    g_input_stream_read_bytes_async(stream, bytes, G_PRIORITY_DEFAULT, cancellable, callback, data);
  };
  auto finish = [](GObject *source, GAsyncResult *result, GError **error) {
    return BytesPtr(g_input_stream_read_bytes_finish(G_INPUT_STREAM(source), result, error));
  };
  Outcome<BytesPtr> data = co_await support::gio_call(start, finish);
  co_return data;
}

// Reads to the end. Blocks go to on_block, or everything into the answer.
Task<Result<Done, Problem>> read_body(Attempt *attempt, GInputStream *stream, Answer *answer)
{
  const Request &request = attempt->request;
  const gsize piece = request.block_bytes != 0 ? request.block_bytes : kReadBytes;
  guint64 total = 0;
  for (;;) {
    Outcome<BytesPtr> read_now =
        co_await in_time(attempt, attempt->single_limit_ms(), read(stream, piece));
    if (!read_now)
      co_return problem_of_transport(attempt->message.get(), read_now.take_error(), true);
    const gsize size = g_bytes_get_size(read_now->get());
    if (size == 0)
      co_return Done{};
    total += size;
    attempt->figures.bytes += size;
    if (request.max_bytes != 0 && total > request.max_bytes)
      co_return problem_of_size(attempt->message.get(), request.max_bytes);
    MiniPtr<GstBuffer> block = adopt_mini(gst_buffer_new_wrapped_bytes(read_now->get()));
    if (request.block_bytes == 0) {
      if (answer->data)
        answer->data = adopt_mini(gst_buffer_append(answer->data.release(), block.release()));
      else
        answer->data = std::move(block);
      continue;
    }
    GST_BUFFER_OFFSET(block.get()) = total - size;
    GST_BUFFER_OFFSET_END(block.get()) = total;
    attempt->has_begun = true;
    Outcome<bool> taken = co_await attempt->on_block(std::move(block), answer->content_type);
    if (!taken) {
      Problem problem;
      problem.error = taken.take_error();
      co_return problem;
    }
    if (!*taken)
      co_return Done{};
  }
}

Task<Result<Answer, Problem>> request_once(Attempt *attempt)
{
  SoupMessage *message = attempt->message.get();
  attempt->figures.requests++;
  Outcome<GObjectPtr<GInputStream>> stream =
      co_await in_time(attempt, attempt->single_limit_ms(), send(attempt));
  if (!stream)
    co_return problem_of_transport(message, stream.take_error(), false);
  attempt->has_status = true;
  const guint status = soup_message_get_status(message);
  attempt->figures.last_status = status;
  Answer answer;
  if (status == SOUP_STATUS_NOT_MODIFIED) {
    answer.is_modified = false;
    co_return answer;
  }
  if (!SOUP_STATUS_IS_SUCCESSFUL(status))
    co_return problem_of_status(message);
  const goffset length =
      soup_message_headers_get_content_length(soup_message_get_response_headers(message));
  const guint64 max_bytes = attempt->request.max_bytes;
  if (max_bytes != 0 && length > 0 && static_cast<guint64>(length) > max_bytes)
    co_return problem_of_size(message, max_bytes);
  answer.content_type = content_type_of(message);
  Result<Done, Problem> body = co_await read_body(attempt, stream->get(), &answer);
  if (!body)
    co_return body.take_error();
  // Not before all of it is here.
  attempt->known.etag = header_of(message, "ETag");
  attempt->known.last_modified = header_of(message, "Last-Modified");
  co_return answer;
}

Task<Result<Answer, Problem>> request_in_time(Attempt *attempt)
{
  Result<Answer, Problem> outcome =
      co_await in_time(attempt, attempt->whole_limit_ms(), request_once(attempt));
  if (!outcome && support::is_cancelled(outcome.error().error) && attempt->is_late)
    co_return problem_of_timeout(attempt->message.get(), attempt->request.timeout_ms,
                                 attempt->has_status);
  co_return outcome;
}

}  // namespace

void Figures::clear()
{
  for (auto *figure : {&requests, &answers, &not_modified, &bytes, &retries, &last_latency_ns})
    figure->store(0);
  last_status = 0;
}

SoupSession *session_of(GstSlRuntime *runtime)
{
  const GQuark quark = g_quark_from_static_string("streamlib-soup-session");
  auto *known = static_cast<SoupSession *>(g_object_get_qdata(G_OBJECT(runtime), quark));
  if (known != nullptr)
    return known;
  // It belongs to the thread default context, which is that of the I/O thread. It goes with the
  // runtime, after that thread.
  const GObjectPtr<GProxyResolver> proxies = support::environment_proxy_resolver();
  SoupSession *session =
      soup_session_new_with_options("proxy-resolver", proxies.get(), "max-conns", kMaxConnections,
                                    "max-conns-per-host", kMaxConnections, "timeout", 0, nullptr);
  g_object_set_qdata_full(G_OBJECT(runtime), quark, session, g_object_unref);
  return session;
}

guint retry_delay(guint base_ms, guint attempt, guint retry_after_ms)
{
  const guint doublings = std::min(attempt - 1, kMaxDoublings);
  const guint64 full = std::min<guint64>(guint64{base_ms} << doublings, kMaxDelayMs);
  const auto delay =
      static_cast<guint>(static_cast<double>(full) * g_random_double_range(0.5, 1.0));
  return std::max(delay, retry_after_ms);
}

Task<Outcome<Answer>> fetch(GObjectPtr<SoupSession> session, Request request, Validators *known,
                            Figures *figures, OnBlock on_block)
{
  for (guint attempt_number = 1;; attempt_number++) {
    Attempt attempt{session.get(), request,  *known,
                    *figures,      on_block, make_message(request, *known)};
    if (!attempt.message)
      co_return support::make_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                                    "The location is no HTTP address.");
    const gint64 began = g_get_monotonic_time();
    Result<Answer, Problem> outcome = co_await request_in_time(&attempt);
    figures->last_latency_ns = static_cast<guint64>(g_get_monotonic_time() - began) * 1000;
    if (outcome) {
      (outcome->is_modified ? figures->answers : figures->not_modified)++;
      co_return std::move(*outcome);
    }
    Problem problem = outcome.take_error();
    if (!problem.may_pass || attempt.has_begun || attempt_number > request.retries)
      co_return std::move(problem.error);
    figures->retries++;
    const guint delay = retry_delay(request.retry_delay_ms, attempt_number, problem.retry_after_ms);
    Outcome<Done> slept = co_await support::sleep_for(delay);
    if (!slept)
      co_return slept.take_error();
  }
}

}  // namespace streamlib::http
