// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/http/httperrors.h"

#include <algorithm>
#include <string>

#include <gst/gst.h>

#include "gst/support/certificate_faults.h"

namespace streamlib::http {

using support::CStr;
using support::ErrorPtr;

namespace {

constexpr gint64 kMaxRetryAfterS = 300;
// RFC 6585, section 4; libsoup has no name for it.
constexpr guint kTooManyRequests = 429;

// Without the password that it may carry.
std::string name_of(SoupMessage *message)
{
  const CStr text(g_uri_to_string_partial(soup_message_get_uri(message), G_URI_HIDE_USERINFO));
  return text.get();
}

Problem make_problem(int code, bool may_pass, const std::string &text)
{
  Problem problem;
  problem.error = support::make_error(GST_RESOURCE_ERROR, code, text.c_str());
  problem.may_pass = may_pass;
  return problem;
}

guint retry_after_ms(SoupMessage *message)
{
  const char *value =
      soup_message_headers_get_one(soup_message_get_response_headers(message), "Retry-After");
  if (value == nullptr)
    return 0;
  gchar *end = nullptr;
  gint64 seconds = g_ascii_strtoll(value, &end, 10);
  if (end == value || *end != '\0') {
    GDateTime *date = soup_date_time_new_from_http_string(value);
    if (date == nullptr)
      return 0;
    GDateTime *now = g_date_time_new_now_utc();
    seconds = g_date_time_difference(date, now) / G_TIME_SPAN_SECOND + 1;
    g_date_time_unref(now);
    g_date_time_unref(date);
  }
  return static_cast<guint>(std::clamp<gint64>(seconds, 0, kMaxRetryAfterS)) * 1000;
}

bool is_temporary(guint status)
{
  return status == SOUP_STATUS_REQUEST_TIMEOUT || status == kTooManyRequests ||
         status == SOUP_STATUS_INTERNAL_SERVER_ERROR || status == SOUP_STATUS_BAD_GATEWAY ||
         status == SOUP_STATUS_SERVICE_UNAVAILABLE || status == SOUP_STATUS_GATEWAY_TIMEOUT;
}

int code_of(guint status)
{
  switch (status) {
    case SOUP_STATUS_UNAUTHORIZED:
    case SOUP_STATUS_FORBIDDEN:
    case SOUP_STATUS_PROXY_UNAUTHORIZED:
      return GST_RESOURCE_ERROR_NOT_AUTHORIZED;
    case SOUP_STATUS_NOT_FOUND:
    case SOUP_STATUS_GONE:
      return GST_RESOURCE_ERROR_NOT_FOUND;
    case kTooManyRequests:
    case SOUP_STATUS_SERVICE_UNAVAILABLE:
      return GST_RESOURCE_ERROR_BUSY;
    default:
      return GST_RESOURCE_ERROR_OPEN_READ;
  }
}

const char *advice_for(int code)
{
  switch (code) {
    case GST_RESOURCE_ERROR_NOT_AUTHORIZED:
      return " Set what the server wants to see (such as Authorization) in the property headers.";
    case GST_RESOURCE_ERROR_NOT_FOUND:
      return " Check the location.";
    case GST_RESOURCE_ERROR_BUSY:
      return " Ask less often (interval), or let it try more often (retries).";
    default:
      return "";
  }
}

}  // namespace

Problem problem_of_status(SoupMessage *message)
{
  const guint status = soup_message_get_status(message);
  const char *reason = soup_message_get_reason_phrase(message);
  const int code = code_of(status);
  Problem problem =
      make_problem(code, is_temporary(status),
                   name_of(message) + " was answered with " + std::to_string(status) + " " +
                       (reason != nullptr ? reason : "") + "." + advice_for(code));
  problem.retry_after_ms = retry_after_ms(message);
  return problem;
}

Problem problem_of_transport(SoupMessage *message, ErrorPtr error, bool in_body)
{
  const std::string name = name_of(message);
  if (support::is_cancelled(error)) {
    Problem problem;
    problem.error = std::move(error);
    return problem;
  }
  if (error->domain == G_TLS_ERROR) {
    const std::string faults =
        support::certificate_faults(soup_message_get_tls_peer_certificate_errors(message));
    return make_problem(
        GST_RESOURCE_ERROR_OPEN_READ, false,
        "The secure connection to " + name + " failed: " + error->message +
            (faults.empty() ? "."
                            : ". The certificate is " + faults +
                                  ". Add its issuer to those that the system trusts; "
                                  "ssl-strict=false takes any certificate, for tests."));
  }
  if (error->domain == G_RESOLVER_ERROR)
    return make_problem(GST_RESOURCE_ERROR_NOT_FOUND, true,
                        "The host of " + name + " could not be found: " + error->message + ".");
  const bool is_session = error->domain == SOUP_SESSION_ERROR;
  return make_problem(in_body ? GST_RESOURCE_ERROR_READ : GST_RESOURCE_ERROR_OPEN_READ, !is_session,
                      (in_body ? "The answer of " : "No answer of ") + name +
                          (in_body ? " broke off: " : " could be had: ") + error->message + ".");
}

Problem problem_of_timeout(SoupMessage *message, guint timeout_ms, bool in_body)
{
  return make_problem(in_body ? GST_RESOURCE_ERROR_READ : GST_RESOURCE_ERROR_OPEN_READ, true,
                      name_of(message) + " has not answered completely in " +
                          std::to_string(timeout_ms) + " ms. The property timeout sets the limit.");
}

Problem problem_of_size(SoupMessage *message, guint64 max_bytes)
{
  return make_problem(GST_RESOURCE_ERROR_READ, false,
                      "The answer of " + name_of(message) + " has more than " +
                          std::to_string(max_bytes) +
                          " bytes. The property max-bytes sets the limit.");
}

}  // namespace streamlib::http
