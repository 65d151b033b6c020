// SPDX-License-Identifier: LGPL-2.1-or-later
// Two transports in one context, over loopback.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gst/check/gstcheck.h>

#include "ext/webrtc/transport/transport.h"
#include "patience.h"

namespace webrtc_peers {

using namespace streamlib::webrtc;
using streamlib::support::adopt_mini;
using streamlib::support::MiniPtr;

class Context {
public:
  Context() : context_(g_main_context_new()) {}
  Context(const Context &) = delete;
  Context &operator=(const Context &) = delete;
  ~Context() { g_main_context_unref(context_); }

  operator GMainContext *() const { return context_; }

  // Serves the context until it is so, or the time is over.
  bool until(const std::function<bool()> &is_so, guint limit_ms = 8000)
  {
    const gint64 end_us =
        g_get_monotonic_time() + gint64{fixture::limit_ms(static_cast<int>(limit_ms))} * 1000;
    GSource *tick = g_timeout_source_new(5);
    g_source_set_callback(
        tick, [](gpointer) -> gboolean { return G_SOURCE_CONTINUE; }, nullptr, nullptr);
    g_source_attach(tick, context_);
    bool so = is_so();
    while (!so && g_get_monotonic_time() < end_us) {
      g_main_context_iteration(context_, TRUE);
      so = is_so();
    }
    g_source_destroy(tick);
    g_source_unref(tick);
    return so;
  }
  void serve(guint ms)
  {
    const gint64 end_us = g_get_monotonic_time() + gint64{ms} * 1000;
    until([=] { return g_get_monotonic_time() >= end_us; }, ms + 1000);
  }

private:
  GMainContext *const context_;
};

inline MiniPtr<GstBuffer> make_rtp(guint16 number, size_t payload = 100, guint32 ssrc = 0x1234)
{
  MiniPtr<GstBuffer> packet = adopt_mini(gst_buffer_new_allocate(nullptr, 12 + payload, nullptr));
  gst_buffer_memset(packet.get(), 0, number & 0xff, 12 + payload);
  guint8 header[12] = {0x80, 96};
  GST_WRITE_UINT16_BE(header + 2, number);
  GST_WRITE_UINT32_BE(header + 4, 90u * number);
  GST_WRITE_UINT32_BE(header + 8, ssrc);
  gst_buffer_fill(packet.get(), 0, header, sizeof header);
  return packet;
}

// A receiver report without blocks.
inline MiniPtr<GstBuffer> make_rtcp(guint32 ssrc = 0x1234)
{
  guint8 data[8] = {0x80, 201, 0, 1};
  GST_WRITE_UINT32_BE(data + 4, ssrc);
  MiniPtr<GstBuffer> packet = adopt_mini(gst_buffer_new_allocate(nullptr, sizeof data, nullptr));
  gst_buffer_fill(packet.get(), 0, data, sizeof data);
  return packet;
}

inline guint16 number_of(GstBuffer *packet)
{
  guint8 header[4] = {};
  gst_buffer_extract(packet, 0, header, sizeof header);
  return GST_READ_UINT16_BE(header + 2);
}

// One side, and all that it heard.
class Peer : public TransportListener, public PacketReceiver {
public:
  Peer(GMainContext *context, bool is_offering,
       const std::function<void(TransportSettings &)> &change = nullptr)
  {
    TransportSettings settings;
    settings.is_offering = is_offering;
    settings.local_addresses = {"127.0.0.1"};
    if (change)
      change(settings);
    auto made = Transport::create(context, std::move(settings), *this, *this);
    fail_unless(made.ok());
    transport = *made;
  }
  virtual ~Peer() = default;

  Transport *operator->() const { return transport.get(); }
  bool is(TransportState state) const { return !states.empty() && states.back() == state; }

  void state_changed(TransportState state, const std::string &reason,
                     const std::string &facts) override
  {
    states.push_back(state);
    if (!reason.empty())
      reasons.push_back(reason + " (" + facts + ")");
    if (on_state)
      on_state(state);
  }
  void candidate_found(const std::string &ufrag, const std::string &candidate) override
  {
    candidates.emplace_back(ufrag, candidate);
    if (trickle_to != nullptr)
      fail_unless((*trickle_to)->add_remote_candidates(ufrag, {candidate}, false).ok());
  }
  void gathering_done(const std::string &ufrag) override
  {
    gathered.push_back(ufrag);
    if (trickle_to != nullptr)
      fail_unless((*trickle_to)->add_remote_candidates(ufrag, {}, true).ok());
  }
  void restart_ended(bool is_connected) override { restarts.push_back(is_connected); }
  void warned(const std::string &text, const std::string &) override { warnings.push_back(text); }
  void received(PacketKind kind, MiniPtr<GstBuffer> packet) override
  {
    (kind == PacketKind::Rtp ? rtp : rtcp).push_back(std::move(packet));
  }

  std::shared_ptr<Transport> transport;
  std::vector<TransportState> states;
  std::vector<std::string> reasons;
  std::vector<std::pair<std::string, std::string>> candidates;
  std::vector<std::string> gathered;
  std::vector<bool> restarts;
  std::vector<std::string> warnings;
  std::vector<MiniPtr<GstBuffer>> rtp;
  std::vector<MiniPtr<GstBuffer>> rtcp;
  Peer *trickle_to = nullptr;
  std::function<void(TransportState)> on_state;
};

inline bool gather(Context &context, Peer &peer)
{
  const size_t before = peer.gathered.size();
  fail_unless(peer->start_gathering().ok());
  return context.until([&] { return peer.gathered.size() > before; });
}

inline bool until_connected(Context &context, const Peer &a, const Peer &b)
{
  return context.until(
      [&] { return a.is(TransportState::Connected) && b.is(TransportState::Connected); });
}

// Both with all candidates from the beginning.
inline bool connect(Context &context, Peer &offering, Peer &answering)
{
  if (!gather(context, offering) || !gather(context, answering))
    return false;
  fail_unless(answering->set_remote(offering->local_parameters()).ok());
  fail_unless(offering->set_remote(answering->local_parameters()).ok());
  return until_connected(context, offering, answering);
}

inline bool close(Context &context, Peer &peer)
{
  bool is_closed = false;
  peer->close([&] { is_closed = true; });
  const bool came = context.until([&] { return is_closed; }, 2000);
  peer.transport.reset();
  context.serve(10);
  return came;
}

inline bool close_both(Context &context, Peer &a, Peer &b)
{
  const bool is_closed = close(context, a);
  return close(context, b) && is_closed;
}

inline bool has_rtp(Context &context, const Peer &peer, size_t count, guint limit_ms = 3000)
{
  return context.until([&] { return peer.rtp.size() >= count; }, limit_ms);
}

}  // namespace webrtc_peers
