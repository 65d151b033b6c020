// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/transport/srtp.h"

#include <mutex>

namespace streamlib::webrtc {

using support::Failure;
using support::Result;

namespace {

constexpr size_t kMaxPacket = 65535;
constexpr size_t kRtpHeader = 12;
constexpr size_t kRtcpHeader = 8;

// The library demands it once in a process, before anything else of it.
srtp_err_status_t initialise_once()
{
  static std::once_flag once;
  static srtp_err_status_t status;
  std::call_once(once, [] { status = srtp_init(); });
  return status;
}

void set_policy_of_profile(srtp_crypto_policy_t *policy, SrtpProfile profile, bool is_rtcp)
{
  switch (profile) {
    case SrtpProfile::AesCm128HmacSha1_80:
      if (is_rtcp)
        srtp_crypto_policy_set_rtcp_default(policy);
      else
        srtp_crypto_policy_set_rtp_default(policy);
      return;
    case SrtpProfile::AeadAes128Gcm:
      srtp_crypto_policy_set_aes_gcm_128_16_auth(policy);
      return;
    case SrtpProfile::AeadAes256Gcm:
      srtp_crypto_policy_set_aes_gcm_256_16_auth(policy);
      return;
  }
}

srtp_err_status_t create_context(srtp_t *context, SrtpProfile profile, srtp_ssrc_type_t direction,
                                 const std::vector<uint8_t> &key)
{
  const SrtpProfileSizes sizes = sizes_of(profile);
  if (key.size() != sizes.key + sizes.salt)
    return srtp_err_status_bad_param;
  // The library takes a copy through a pointer that is not const.
  std::vector<uint8_t> copy = key;
  srtp_policy_t policy = {};
  policy.ssrc.type = direction;
  policy.key = copy.data();
  policy.window_size = Srtp::kReplayWindow;
  // A packet that is asked for by NACK without RTX goes out again as it was.
  policy.allow_repeat_tx = direction == ssrc_any_outbound ? 1 : 0;
  set_policy_of_profile(&policy.rtp, profile, false);
  set_policy_of_profile(&policy.rtcp, profile, true);
  const srtp_err_status_t status = srtp_create(context, &policy);
  OPENSSL_cleanse(copy.data(), copy.size());
  return status;
}

SrtpOutcome outcome_of(srtp_err_status_t status)
{
  switch (status) {
    case srtp_err_status_ok:
      return SrtpOutcome::Ok;
    case srtp_err_status_bad_param:
    case srtp_err_status_parse_err:
      return SrtpOutcome::Malformed;
    case srtp_err_status_auth_fail:
      return SrtpOutcome::Authentication;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
      return SrtpOutcome::Replay;
    default:
      return SrtpOutcome::Other;
  }
}

bool is_plausible(PacketKind kind, size_t size)
{
  return size <= kMaxPacket && size >= (kind == PacketKind::Rtp ? kRtpHeader : kRtcpHeader);
}

}  // namespace

Result<std::unique_ptr<Srtp>> Srtp::create(const SrtpKeys &keys)
{
  std::unique_ptr<Srtp> self(new Srtp);
  srtp_err_status_t status = initialise_once();
  if (status == srtp_err_status_ok)
    status = create_context(&self->sending_, keys.profile, ssrc_any_outbound, keys.local);
  if (status == srtp_err_status_ok)
    status = create_context(&self->receiving_, keys.profile, ssrc_any_inbound, keys.remote);
  if (status != srtp_err_status_ok)
    return Failure{
        0, "libsrtp2 could not set up the encryption of the media.",
        std::string(name_of(keys.profile)) + ": srtp_err_status_t " + std::to_string(status)};
  return self;
}

Srtp::~Srtp()
{
  if (sending_ != nullptr)
    srtp_dealloc(sending_);
  if (receiving_ != nullptr)
    srtp_dealloc(receiving_);
}

SrtpOutcome Srtp::protect(PacketKind kind, uint8_t *packet, size_t room, size_t *size)
{
  if (!is_plausible(kind, *size) || room < *size + kMaxOverhead)
    return SrtpOutcome::Malformed;
  int length = static_cast<int>(*size);
  const srtp_err_status_t status = kind == PacketKind::Rtp
                                       ? srtp_protect(sending_, packet, &length)
                                       : srtp_protect_rtcp(sending_, packet, &length);
  if (status == srtp_err_status_ok)
    *size = static_cast<size_t>(length);
  return outcome_of(status);
}

SrtpOutcome Srtp::unprotect(PacketKind kind, uint8_t *packet, size_t *size)
{
  if (!is_plausible(kind, *size))
    return SrtpOutcome::Malformed;
  int length = static_cast<int>(*size);
  const srtp_err_status_t status = kind == PacketKind::Rtp
                                       ? srtp_unprotect(receiving_, packet, &length)
                                       : srtp_unprotect_rtcp(receiving_, packet, &length);
  if (status == srtp_err_status_ok)
    *size = static_cast<size_t>(length);
  return outcome_of(status);
}

}  // namespace streamlib::webrtc
