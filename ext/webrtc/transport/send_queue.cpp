// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/transport/send_queue.h"

namespace streamlib::webrtc {

using support::adopt_mini;
using support::MiniPtr;

namespace {

struct QueueSource {
  GSource source;
  SendQueue *owner;
};

SendQueue *owner_of(GSource *source)
{
  return reinterpret_cast<QueueSource *>(source)->owner;
}

}  // namespace

SendQueue::SendQueue(GMainContext *context, Drain drain)
    : context_(g_main_context_ref(context)), drain_(std::move(drain))
{
  static GSourceFuncs functions = {
      &SendQueue::prepare, &SendQueue::check, &SendQueue::dispatch, nullptr, nullptr, nullptr};
  source_ = g_source_new(&functions, sizeof(QueueSource));
  reinterpret_cast<QueueSource *>(source_)->owner = this;
  g_source_set_name(source_, "streamlib WebRTC packets");
  g_source_attach(source_, context_);
}

SendQueue::~SendQueue()
{
  g_source_destroy(source_);
  g_source_unref(source_);
  for (auto *ring : {&rtp_, &rtcp_}) {
    while (GstBuffer *packet = ring->pop())
      gst_buffer_unref(packet);
  }
  g_main_context_unref(context_);
}

bool SendQueue::push(PacketKind kind, MiniPtr<GstBuffer> packet)
{
  GstBuffer *raw = packet.release();
  if (!(kind == PacketKind::Rtp ? rtp_ : rtcp_).push(raw)) {
    gst_buffer_unref(raw);
    return false;
  }
  if (!is_woken_.exchange(true))
    g_main_context_wakeup(context_);
  return true;
}

// Media first, so that a BYE is behind what it ends.
bool SendQueue::drain_one()
{
  PacketKind kind = PacketKind::Rtp;
  GstBuffer *packet = rtp_.pop();
  if (packet == nullptr) {
    kind = PacketKind::Rtcp;
    packet = rtcp_.pop();
  }
  if (packet == nullptr)
    return false;
  drain_(kind, adopt_mini(packet));
  return true;
}

void SendQueue::flush()
{
  is_woken_.exchange(false);
  // Others may go on pushing.
  for (size_t i = 0; i < kRtpPackets + kRtcpPackets && drain_one(); i++) {
  }
}

gboolean SendQueue::prepare(GSource *source, gint *timeout_ms)
{
  *timeout_ms = -1;
  return owner_of(source)->is_woken_.load();
}

gboolean SendQueue::check(GSource *source)
{
  return owner_of(source)->is_woken_.load();
}

gboolean SendQueue::dispatch(GSource *source, GSourceFunc, gpointer)
{
  SendQueue *self = owner_of(source);
  self->is_woken_.exchange(false);
  for (int i = 0; i < kBatch; i++) {
    if (!self->drain_one())
      return G_SOURCE_CONTINUE;
  }
  self->is_woken_.store(true);
  return G_SOURCE_CONTINUE;
}

}  // namespace streamlib::webrtc
