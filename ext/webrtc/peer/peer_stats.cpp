// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/peer/peer_stats.h"

namespace streamlib::webrtc {

support::StructurePtr unbegun_stats()
{
  return support::StructurePtr(
      gst_structure_new("webrtc-stats", "state", G_TYPE_STRING, "new", nullptr));
}

support::StructurePtr structure_of(const TransportStats &stats)
{
  support::StructurePtr structure(gst_structure_new(
      "transport", "packets-sent", G_TYPE_UINT64, stats.packets_sent, "bytes-sent", G_TYPE_UINT64,
      stats.bytes_sent, "packets-received", G_TYPE_UINT64, stats.packets_received, "bytes-received",
      G_TYPE_UINT64, stats.bytes_received, "skipped-candidates", G_TYPE_UINT64,
      stats.skipped_candidates, "ice-restarts", G_TYPE_UINT64, stats.restarts, "consent-renewals",
      G_TYPE_UINT64, stats.consent_renewals, "connect-time", G_TYPE_INT64, stats.connect_us * 1000,
      "silent-time", G_TYPE_INT64, stats.silent_us < 0 ? stats.silent_us : stats.silent_us * 1000,
      "local-address", G_TYPE_STRING, stats.local_address.c_str(), "remote-address", G_TYPE_STRING,
      stats.remote_address.c_str(), "local-ufrag", G_TYPE_STRING, stats.local_ufrag.c_str(),
      "remote-ufrag", G_TYPE_STRING, stats.remote_ufrag.c_str(), "srtp-profile", G_TYPE_STRING,
      stats.srtp_profile.c_str(), "peer-fingerprint", G_TYPE_STRING, stats.peer_fingerprint.c_str(),
      nullptr));
  for (size_t i = 0; i < kDropReasons; i++) {
    const std::string field = std::string("dropped-") + name_of(static_cast<DropReason>(i));
    gst_structure_set(structure.get(), field.c_str(), G_TYPE_UINT64, stats.drops[i], nullptr);
  }
  return structure;
}

}  // namespace streamlib::webrtc
