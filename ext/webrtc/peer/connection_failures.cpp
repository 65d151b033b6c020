// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/peer/connection_failures.h"

#include <utility>

namespace streamlib::webrtc {

ConnectionFailure failure_with(GQuark domain, int code, std::string text, std::string debug)
{
  ConnectionFailure failure;
  failure.domain = domain;
  failure.code = code;
  failure.text = std::move(text);
  failure.debug = std::move(debug);
  return failure;
}

ConnectionFailure sdp_failure(const char *what, const SdpFault &fault)
{
  ConnectionFailure failure =
      failure_with(GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                   std::string("The ") + what + " of the server cannot be used. " + fault.text(),
                   "RFC 8866, RFC 9429");
  failure.is_refusal = true;
  return failure;
}

ConnectionFailure Connection::failure_of(SignallingFailure signalling) const
{
  int code = GST_RESOURCE_ERROR_SETTINGS;
  const int open = is_sender() ? GST_RESOURCE_ERROR_OPEN_WRITE : GST_RESOURCE_ERROR_OPEN_READ;
  switch (signalling.category()) {
    case SignallingCategory::Network:
    case SignallingCategory::Timeout:
    case SignallingCategory::Cancelled:
      code = open;
      break;
    case SignallingCategory::Refused:
      code = signalling.may_pass ? GST_RESOURCE_ERROR_BUSY : open;
      break;
    case SignallingCategory::Unauthorised:
    case SignallingCategory::Tls:
      code = GST_RESOURCE_ERROR_NOT_AUTHORIZED;
      break;
    case SignallingCategory::NotFound:
      code = GST_RESOURCE_ERROR_NOT_FOUND;
      break;
    case SignallingCategory::Protocol:
    case SignallingCategory::Settings:
      code = GST_RESOURCE_ERROR_SETTINGS;
      break;
  }
  ConnectionFailure failure =
      failure_with(GST_RESOURCE_ERROR, code, signalling.text, signalling.debug);
  failure.may_pass = signalling.may_pass;
  // A certificate may be made anew, as a server may change its mind.
  failure.is_refusal = signalling.status != 0 || signalling.category() == SignallingCategory::Tls;
  failure.retry_after_ms = signalling.retry_after_ms;
  return failure;
}

ConnectionFailure Connection::transport_failure() const
{
  const bool is_wrong_peer = transport_ && transport_->stats().peer_refused;
  const int code = is_wrong_peer     ? GST_RESOURCE_ERROR_NOT_AUTHORIZED
                   : !was_connected_ ? (is_sender() ? GST_RESOURCE_ERROR_OPEN_WRITE
                                                    : GST_RESOURCE_ERROR_OPEN_READ)
                   : is_sender()     ? GST_RESOURCE_ERROR_WRITE
                                     : GST_RESOURCE_ERROR_READ;
  ConnectionFailure failure = failure_with(GST_RESOURCE_ERROR, code, reason_, facts_);
  failure.may_pass = !is_wrong_peer;
  failure.is_end = was_connected_ && state_ == TransportState::Closed;
  return failure;
}

ConnectionFailure Connection::stopped() const
{
  return failure_with(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "The connection was ended.",
                      "");
}

}  // namespace streamlib::webrtc
