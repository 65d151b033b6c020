// SPDX-License-Identifier: LGPL-2.1-or-later
// How a session with a peer ends: the BYE, streams that went away, the tearing down.
#include <algorithm>
#include <cstdio>

#include "ext/webrtc/session/bye.h"
#include "ext/webrtc/session/session_core.h"

namespace streamlib::webrtc {

using support::MiniPtr;
using support::MutexLock;
using support::StructurePtr;

void SessionCore::send(PacketKind kind, MiniPtr<GstBuffer> packet)
{
  // Also the BYE of rtpsession, which comes when its timers like it.
  if (has_said_bye_)
    return;
  has_sent_ = true;
  sender_->send(kind, std::move(packet));
}

void SessionCore::say_bye()
{
  if (has_said_bye_.exchange(true))
    return;
  // Who has said nothing must not say BYE (RFC 3550 §6.3.7).
  if (auto bye = has_sent_ ? make_bye(own_ssrcs(), own_cname()) : MiniPtr<GstBuffer>())
    sender_->send(PacketKind::Rtcp, std::move(bye));
  hooks_.bye_sent();
}

// What rtpsession has sent, or would send reports, as.
std::vector<uint32_t> SessionCore::own_ssrcs() const
{
  std::vector<uint32_t> ssrcs;
  for_each_source([&](const GstStructure *source) {
    gboolean is_ours = FALSE;
    guint ssrc = 0;
    if (gst_structure_get_boolean(source, "internal", &is_ours) && is_ours &&
        gst_structure_get_uint(source, "ssrc", &ssrc))
      ssrcs.push_back(ssrc);
  });
  return ssrcs;
}

std::string SessionCore::own_cname() const
{
  GstStructure *raw = nullptr;
  if (session_)
    g_object_get(session_.get(), "sdes", &raw, nullptr);
  const StructurePtr sdes(raw);
  const char *cname = sdes ? gst_structure_get_string(sdes.get(), "cname") : nullptr;
  return cname != nullptr ? cname : "";
}

// --- Streams that went away ---

void SessionCore::on_pad_gone(GstElement *, GstPad *pad, gpointer data)
{
  static_cast<SessionCore *>(data)->drop_stream(pad);
}

// The jitter buffer's thread is gone already.
void SessionCore::drop_stream(GstPad *pad)
{
  unsigned session = 0;
  unsigned ssrc = 0;
  unsigned payload_type = 0;
  if (sscanf(GST_PAD_NAME(pad), "recv_rtp_src_%u_%u_%u", &session, &ssrc, &payload_type) != 3)
    return;
  std::shared_ptr<ReceiveChain> gone;
  GObjectPtr<GstElement> jitterbuffer;
  {
    const MutexLock lock(streams_mutex_);
    const auto found = std::find_if(chains_.begin(), chains_.end(),
                                    [&](const auto &entry) { return entry.second->is_of(pad); });
    if (found == chains_.end())
      return;
    gone = found->second;
    chains_.erase(found);
    // Another payload type of the stream may still be there.
    if (std::none_of(chains_.begin(), chains_.end(),
                     [&](const auto &entry) { return entry.second->ssrc() == ssrc; })) {
      const auto known = jitterbuffers_.find(ssrc);
      if (known != jitterbuffers_.end()) {
        jitterbuffer = known->second;
        jitterbuffers_.erase(known);
      }
      section_of_.erase(ssrc);
      gone_ssrcs_.push_back(ssrc);
      has_gone_ = true;
    }
  }
  dropped_no_key_ += gone->dropped_no_key();
  if (jitterbuffer) {
    const StructurePtr last(jitterbuffer_stats(jitterbuffer.get()));
    const MutexLock lock(streams_mutex_);
    add_jitterbuffer_stats(gone_stats_.get(), last.get());
  }
  remove(gone->bin());
}

void SessionCore::forget_gone()
{
  std::vector<uint32_t> gone;
  {
    const MutexLock lock(streams_mutex_);
    std::swap(gone, gone_ssrcs_);
    has_gone_ = false;
  }
  for (const uint32_t ssrc : gone) {
    demux_.forget(ssrc);
    sync_.forget(ssrc);
  }
}

// --- The tearing down ---

void SessionCore::remove(GstElement *element)
{
  if (element == nullptr)
    return;
  gst_element_set_locked_state(element, TRUE);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_bin_remove(bin(), element);
}

void SessionCore::cut_off()
{
  {
    // A look at statistics waits for nothing, so this is short.
    const MutexLock lock(look_mutex_);
    is_ending_ = true;
    while (lookers_ > 0)
      g_cond_wait(&looked_, &look_mutex_);
  }
  // Its pads take nothing from now on; who stands in one of them is waited for, and does not wait.
  if (sink_) {
    gst_element_set_locked_state(sink_.get(), TRUE);
    gst_element_set_state(sink_.get(), GST_STATE_NULL);
  }
}

void SessionCore::close()
{
  cut_off();
  // First what brings packets, then what has threads, then the ends.
  for (const auto &element : {source_, rtpbin_})
    remove(element.get());
  signals_.clear();
  std::vector<std::pair<int, std::shared_ptr<ReceiveChain>>> chains;
  {
    const MutexLock lock(streams_mutex_);
    std::swap(chains, chains_);
  }
  for (const auto &[section, chain] : chains)
    remove(chain->bin());
  for (const auto &element : {funnel_, sink_})
    remove(element.get());
}

}  // namespace streamlib::webrtc
