// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/media_session.h"

#include <algorithm>
#include <utility>

#include "ext/webrtc/session/codecs.h"
#include "ext/webrtc/session/gstslpacketsource.h"
#include "ext/webrtc/session/session_closer.h"
#include "gst/support/element_shell.h"
#include "gst/support/guards.h"

namespace streamlib::webrtc {

using support::adopt_mini;
using support::adopt_object;
using support::Failure;
using support::GObjectPtr;
using support::MiniPtr;
using support::MutexLock;
using support::sink_object;
using support::Status;
using support::StructurePtr;

namespace {

const char *name_of(MediaKind kind)
{
  return kind == MediaKind::Video ? "video" : "audio";
}

bool receives(const SessionMedia &media)
{
  return !media.local.rejected && !media.remote.rejected &&
         (media.local.direction == Direction::RecvOnly ||
          media.local.direction == Direction::SendRecv);
}

}  // namespace

struct MediaSession::Input {
  Input() { g_mutex_init(&mutex); }
  ~Input() { g_mutex_clear(&mutex); }

  const MediaSession *session = nullptr;
  MediaKind kind = MediaKind::Audio;
  GObjectPtr<GstElement> gate;
  GObjectPtr<GstPad> pad;
  std::atomic<guint> bitrate = 0;
  std::atomic<bool> is_expected = true;
  // Its last packet has left the chain.
  std::atomic<bool> has_ended = false;

  // The gate's streaming thread, or control while it does not flow.
  std::unique_ptr<SendChain> chain;
  // What the chain is linked to: it keeps what the chain uses.
  std::shared_ptr<SessionCore> core;
  GObjectPtr<GstPad> funnel;

  // A leaf; guards the pointer for those who change the bitrate.
  GMutex mutex;
  GObjectPtr<GstElement> encoder;

  void set_encoder(GstElement *next)
  {
    GObjectPtr<GstElement> other = support::share_object(next);
    const MutexLock lock(mutex);
    std::swap(encoder, other);
  }
  GObjectPtr<GstElement> get_encoder()
  {
    const MutexLock lock(mutex);
    return encoder;
  }
  void drop_chain(GstBin *bin)
  {
    set_encoder(nullptr);
    if (chain) {
      chain->stop();
      gst_bin_remove(bin, chain->bin());
      chain.reset();
    }
    if (funnel)
      core->release_send_pad(funnel.get());
    funnel.reset();
    core.reset();
  }
};

MediaSession::MediaSession(SessionSettings settings, SessionListener *listener)
    : settings_(std::move(settings)),
      listener_(listener),
      bin_(sink_object(gst_bin_new(nullptr))),
      feeder_(sink_object(gst_pad_new("packets", GST_PAD_SRC)))
{
  g_mutex_init(&mutex_);
  open_feeder();
}

MediaSession::~MediaSession()
{
  stop();
  gst_element_set_state(bin_.get(), GST_STATE_NULL);
  for (const auto &input : inputs())
    input->drop_chain(GST_BIN(bin_.get()));
  outputs_.clear();
  gst_pad_set_active(feeder_.get(), FALSE);
  g_mutex_clear(&mutex_);
}

std::shared_ptr<SessionCore> MediaSession::core() const
{
  const MutexLock lock(mutex_);
  return core_;
}

std::vector<std::shared_ptr<MediaSession::Input>> MediaSession::inputs() const
{
  const MutexLock lock(mutex_);
  return inputs_;
}

std::vector<std::shared_ptr<ReceiveOutput>> MediaSession::outputs() const
{
  const MutexLock lock(mutex_);
  return outputs_;
}

// --- Inputs ---

std::shared_ptr<MediaSession::Input> MediaSession::input_of(MediaKind kind) const
{
  for (const auto &input : inputs())
    if (input->kind == kind)
      return input;
  return nullptr;
}

GstPad *MediaSession::add_input(MediaKind kind)
{
  if (const auto known = input_of(kind))
    return known->pad.get();
  const auto owned = std::make_shared<Input>();
  Input *input = owned.get();
  input->session = this;
  input->kind = kind;
  input->bitrate =
      kind == MediaKind::Video ? settings_.video_encoder.bitrate : settings_.audio_encoder.bitrate;
  const MiniPtr<GstCaps> possible = possible_input_caps(kind);
  input->gate = make_send_gate(possible.get(), &pace_,
                               {[this, input](GstCaps *caps) { return prepare(*input, caps); },
                                [this, input] {
                                  input->has_ended = true;
                                  if (have_inputs_ended())
                                    listener_->inputs_ended();
                                },
                                [input] { input->has_ended = false; }});
  gst_bin_add(GST_BIN(bin_.get()), input->gate.get());
  const auto sink = adopt_object(gst_element_get_static_pad(input->gate.get(), "sink"));
  input->pad = sink_object(gst_ghost_pad_new(name_of(kind), sink.get()));
  gst_pad_set_active(input->pad.get(), TRUE);
  gst_element_add_pad(bin_.get(), input->pad.get());
  {
    const MutexLock lock(mutex_);
    inputs_.push_back(owned);
  }
  set_send_gate_open(input->gate.get(), is_connected_);
  gst_element_sync_state_with_parent(input->gate.get());
  return input->pad.get();
}

void MediaSession::remove_input(MediaKind kind)
{
  const std::shared_ptr<Input> input = input_of(kind);
  if (!input)
    return;
  gst_element_set_locked_state(input->gate.get(), TRUE);
  gst_element_set_state(input->gate.get(), GST_STATE_NULL);
  gst_element_remove_pad(bin_.get(), input->pad.get());
  gst_bin_remove(GST_BIN(bin_.get()), input->gate.get());
  input->drop_chain(GST_BIN(bin_.get()));
  const MutexLock lock(mutex_);
  std::erase(inputs_, input);
}

void MediaSession::set_expected(MediaKind kind, bool expected)
{
  if (const auto input = input_of(kind))
    input->is_expected = expected;
}

bool MediaSession::have_inputs_ended() const
{
  const auto all = inputs();
  return std::none_of(all.begin(), all.end(),
                      [](const auto &input) { return input->is_expected && !input->has_ended; });
}

// The funnel hands each EOS on, and nothing gets through it after the first one: only the last
// input may end what is sent.
GstPadProbeReturn MediaSession::on_chain_event(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) != GST_EVENT_EOS)
    return GST_PAD_PROBE_OK;
  auto *input = static_cast<Input *>(data);
  input->has_ended = true;
  return input->session->have_inputs_ended() ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
}

// In the gate's streaming thread: nothing flows through the old chain meanwhile.
bool MediaSession::prepare(Input &input, GstCaps *caps)
{
  input.drop_chain(GST_BIN(bin_.get()));
  std::shared_ptr<SessionCore> core = this->core();
  // The gate has been closed meanwhile.
  if (!core)
    return false;
  const int section = core->sending_section(input.kind);
  if (section < 0) {
    SL_POST_ERROR(bin_.get(), GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND,
                  std::string("The peer does not take ") + name_of(input.kind) +
                      ". Send without it, or to another peer.",
                  "no section of the description sends it");
    return false;
  }
  const SessionMedia &media = core->media()[static_cast<size_t>(section)];
  SendChainConfig config;
  config.local = media.local;
  config.remote = media.remote;
  config.encoder =
      input.kind == MediaKind::Video ? settings_.video_encoder : settings_.audio_encoder;
  config.encoder.bitrate = input.bitrate;
  config.codec_preference = settings_.codec_preference;
  config.datagram_limit = settings_.datagram_limit;
  config.throttle = &core->send_throttle(static_cast<size_t>(section));
  config.place = &core->send_place(static_cast<size_t>(section));
  auto made = SendChain::make(config, caps);
  if (!made) {
    SL_POST_ERROR(bin_.get(), GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND, made.error().text,
                  made.error().debug);
    return false;
  }
  input.chain = std::move(*made);
  input.core = core;
  input.set_encoder(input.chain->encoder());
  GstElement *chain = input.chain->bin();
  gst_bin_add(GST_BIN(bin_.get()), chain);
  const auto gate_src = adopt_object(gst_element_get_static_pad(input.gate.get(), "src"));
  const auto sink = adopt_object(gst_element_get_static_pad(chain, "sink"));
  const auto src = adopt_object(gst_element_get_static_pad(chain, "src"));
  // It goes with the pad.
  gst_pad_add_probe(src.get(), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_chain_event, &input,
                    nullptr);
  input.funnel = core->request_send_pad();
  gst_element_sync_state_with_parent(chain);
  // A session that was exchanged meanwhile takes nothing more; the next opening prepares anew.
  return input.funnel && gst_pad_link(src.get(), input.funnel.get()) == GST_PAD_LINK_OK &&
         gst_pad_link(gate_src.get(), sink.get()) == GST_PAD_LINK_OK;
}

// --- The session with a peer ---

gboolean MediaSession::answer_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
    return gst_pad_query_default(pad, parent, query);
  gst_query_set_latency(query, TRUE, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

// What a link end that comes later sees first: a pad gives its sticky events to each new peer.
void MediaSession::open_feeder()
{
  GstPad *feeder = feeder_.get();
  gst_pad_set_query_function(feeder, answer_query);
  gst_pad_set_active(feeder, TRUE);
  gst_pad_push_event(feeder, gst_event_new_stream_start("packets"));
  const auto caps = adopt_mini(gst_caps_new_empty_simple("application/x-webrtc-packets"));
  gst_pad_push_event(feeder, gst_event_new_caps(caps.get()));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(feeder, gst_event_new_segment(&segment));
}

void MediaSession::end_core()
{
  const auto peer = adopt_object(gst_pad_get_peer(feeder_.get()));
  if (peer)
    gst_pad_unlink(feeder_.get(), peer.get());
  std::shared_ptr<SessionCore> old;
  {
    const MutexLock lock(mutex_);
    old = std::exchange(core_, nullptr);
  }
  const auto outputs = this->outputs();
  for (const auto &output : outputs)
    output->starve();
  if (!old)
    return;
  for (const auto &output : close_core(std::move(old), outputs))
    gst_element_message_full(
        bin_.get(), GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY,
        g_strdup((std::string("What follows the ") + name_of(output->kind()) +
                  " output does not return. Its media are dropped until it does; put an sllink "
                  "before it.")
                     .c_str()),
        g_strdup_printf("pad %s", GST_PAD_NAME(output->pad())), __FILE__, GST_FUNCTION, __LINE__);
}

void MediaSession::make_outputs(const std::vector<SessionMedia> &media)
{
  for (const SessionMedia &section : media) {
    if (!receives(section) || output(section.local.kind) != nullptr)
      continue;
    const std::string kind = name_of(section.local.kind);
    const auto made = std::make_shared<ReceiveOutput>(GST_BIN(bin_.get()), section.local.kind,
                                                      kind + "_out", "webrtc/" + kind);
    {
      const MutexLock lock(mutex_);
      outputs_.push_back(made);
    }
    gst_element_add_pad(bin_.get(), made->pad());
  }
}

Status MediaSession::begin(std::vector<SessionMedia> media, PacketSender *sender)
{
  set_connected(false);
  end_core();
  pace_.reset();
  make_outputs(media);
  CoreHooks hooks;
  hooks.inputs_ended = [this] { listener_->inputs_ended(); };
  hooks.bye_sent = [this] { listener_->bye_sent(); };
  hooks.bye_received = [this](uint32_t ssrc) { listener_->bye_received(ssrc); };
  auto core = std::make_shared<SessionCore>(GST_BIN(bin_.get()), settings_, std::move(media),
                                            outputs(), sender, std::move(hooks));
  if (Status status = core->build(); !status) {
    core->close();
    return status;
  }
  gst_pad_link_full(feeder_.get(), core->entry(), GST_PAD_LINK_CHECK_NOTHING);
  const MutexLock lock(mutex_);
  core_ = std::move(core);
  return support::Done{};
}

void MediaSession::stop()
{
  set_connected(false);
  end_core();
}

void MediaSession::set_connected(bool connected)
{
  is_connected_ = connected;
  for (const auto &input : inputs())
    set_send_gate_open(input->gate.get(), connected);
}

void MediaSession::begin_bye()
{
  for (const auto &input : inputs())
    set_send_gate_open(input->gate.get(), false);
  if (const auto current = core())
    current->say_bye();
}

// --- Outputs ---

GstPad *MediaSession::output(MediaKind kind) const
{
  for (const auto &output : outputs())
    if (output->kind() == kind)
      return output->pad();
  return nullptr;
}

void MediaSession::end_outputs()
{
  for (const auto &output : outputs())
    output->end_stream();
}

void MediaSession::request_keyframe()
{
  if (const auto current = core())
    current->request_keyframe(MediaKind::Video);
}

void MediaSession::send_keyframe()
{
  if (const auto current = core())
    current->send_keyframe();
}

void MediaSession::set_bitrate(MediaKind kind, guint bitrate)
{
  const std::shared_ptr<Input> input = input_of(kind);
  if (!input)
    return;
  input->bitrate = bitrate;
  const GObjectPtr<GstElement> encoder = input->get_encoder();
  if (!encoder)
    return;
  if (const EncoderEntry *entry = entry_of(encoder.get()))
    set_encoder_bitrate(encoder.get(), *entry, bitrate);
}

// --- Packets ---

void MediaSession::received(PacketKind kind, MiniPtr<GstBuffer> packet)
{
  GstBuffer *buffer = gst_buffer_make_writable(packet.release());
  mark_packet(buffer, kind);
  const auto clock = adopt_object(gst_element_get_clock(bin_.get()));
  if (clock) {
    const GstClockTime now = gst_clock_get_time(clock.get());
    const GstClockTime base = gst_element_get_base_time(bin_.get());
    GST_BUFFER_DTS(buffer) = GST_BUFFER_PTS(buffer) = now > base ? now - base : 0;
  }
  if (gst_pad_push(feeder_.get(), buffer) != GST_FLOW_OK)
    dropped_in_.fetch_add(1, std::memory_order_relaxed);
}

Liveness MediaSession::liveness() const
{
  const auto current = core();
  return current ? current->liveness() : Liveness{};
}

StructurePtr MediaSession::stats() const
{
  const auto current = core();
  StructurePtr stats =
      current ? current->stats() : StructurePtr(gst_structure_new_empty("session"));
  gst_structure_set(stats.get(), "dropped-stopped", G_TYPE_UINT64, dropped_in_.load(), nullptr);
  for (const auto &input : inputs()) {
    const SendGateStats gate = send_gate_stats(input->gate.get());
    const StructurePtr entry(gst_structure_new(
        "input", "live", G_TYPE_BOOLEAN, gate.live, "passed", G_TYPE_UINT64, gate.passed,
        "dropped-closed", G_TYPE_UINT64, gate.dropped_closed, "dropped-no-keyframe", G_TYPE_UINT64,
        gate.dropped_no_key, "dropped-exchange", G_TYPE_UINT64, gate.dropped_unlinked, nullptr));
    gst_structure_set(stats.get(), (std::string(name_of(input->kind)) + "-input").c_str(),
                      GST_TYPE_STRUCTURE, entry.get(), nullptr);
  }
  for (const auto &output : outputs()) {
    const StructurePtr entry(gst_structure_new(
        "output", "buffers", G_TYPE_UINT64, output->buffers(), "gaps", G_TYPE_UINT64,
        output->gaps(), "times-mended", G_TYPE_UINT64, output->times_mended(), "dropped-busy",
        G_TYPE_UINT64, output->dropped_held(), nullptr));
    gst_structure_set(stats.get(), (std::string(name_of(output->kind())) + "-output").c_str(),
                      GST_TYPE_STRUCTURE, entry.get(), nullptr);
  }
  return stats;
}

}  // namespace streamlib::webrtc
