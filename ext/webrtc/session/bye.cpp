// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/bye.h"

#include <algorithm>

#include <gst/rtp/rtp.h>

namespace streamlib::webrtc {

namespace {

constexpr size_t kMaxSsrcs = 31;  // The count has five bits.
constexpr size_t kMaxCname = 255;
constexpr guint kRoom = 1000;

}  // namespace

support::MiniPtr<GstBuffer> make_bye(std::vector<uint32_t> ssrcs, const std::string &cname)
{
  if (ssrcs.empty())
    return {};
  ssrcs.resize(std::min(ssrcs.size(), kMaxSsrcs));
  GstBuffer *buffer = gst_rtcp_buffer_new(kRoom);
  GstRTCPBuffer rtcp = GST_RTCP_BUFFER_INIT;
  GstRTCPPacket packet;
  gst_rtcp_buffer_map(buffer, GST_MAP_READWRITE, &rtcp);
  gst_rtcp_buffer_add_packet(&rtcp, GST_RTCP_TYPE_RR, &packet);
  gst_rtcp_packet_rr_set_ssrc(&packet, ssrcs.front());
  gst_rtcp_buffer_add_packet(&rtcp, GST_RTCP_TYPE_SDES, &packet);
  gst_rtcp_packet_sdes_add_item(&packet, ssrcs.front());
  gst_rtcp_packet_sdes_add_entry(&packet, GST_RTCP_SDES_CNAME,
                                 static_cast<guint8>(std::min(cname.size(), kMaxCname)),
                                 reinterpret_cast<const guint8 *>(cname.data()));
  gst_rtcp_buffer_add_packet(&rtcp, GST_RTCP_TYPE_BYE, &packet);
  gst_rtcp_packet_bye_add_ssrcs(&packet, ssrcs.data(), static_cast<guint>(ssrcs.size()));
  gst_rtcp_buffer_unmap(&rtcp);
  return support::adopt_mini(buffer);
}

}  // namespace streamlib::webrtc
