// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc_far_peer.h"

#include <cmath>
#include <cstring>

#include <gst/check/gstcheck.h>

#include "gst/support/guards.h"

namespace fixture {

using namespace streamlib::webrtc;
using streamlib::support::adopt_object;
using streamlib::support::MappedBuffer;
using streamlib::support::MiniPtr;
using streamlib::support::sink_object;

namespace {

constexpr uint32_t kVideoSsrc = 0x1a000000;
constexpr uint32_t kRtxSsrc = 0x1b000000;
constexpr double kToneHz = 1000;
constexpr double kToneLevel = 12000;
constexpr int kRate = 48000;

bool is_in_flash(GstClockTime time)
{
  return time % GST_SECOND < kFlashMs * GST_MSECOND;
}

// I420 of any size whose strides are those of videotestsrc.
void paint(GstPad *pad, GstBuffer *buffer)
{
  const auto caps = streamlib::support::adopt_mini(gst_pad_get_current_caps(pad));
  gint width = 0;
  gint height = 0;
  const GstStructure *structure = gst_caps_get_structure(caps.get(), 0);
  ck_assert(gst_structure_get_int(structure, "width", &width));
  ck_assert(gst_structure_get_int(structure, "height", &height));
  const bool is_bright = is_in_flash(GST_BUFFER_PTS(buffer));
  const MappedBuffer map(buffer, GST_MAP_WRITE);
  const auto fill = [&](guint8 *plane, gint columns, gint rows, const guint8 *levels) {
    for (gint x = 0; x < columns; x++)
      plane[x] = levels[x * kBars / columns];
    for (gint y = 1; y < rows; y++)
      memcpy(plane + static_cast<ptrdiff_t>(y) * columns, plane, static_cast<size_t>(columns));
  };
  guint8 luma[kBars];
  memcpy(luma, kBarY, sizeof luma);
  luma[kBars - 1] = is_bright ? kFlashY : kBarY[kBars - 1];
  const ptrdiff_t size = static_cast<ptrdiff_t>(width) * height;
  fill(map.data(), width, height, luma);
  fill(map.data() + size, width / 2, height / 2, kBarU);
  fill(map.data() + size + size / 4, width / 2, height / 2, kBarV);
}

void sound(GstBuffer *buffer)
{
  const MappedBuffer map(buffer, GST_MAP_WRITE);
  auto *samples = reinterpret_cast<gint16 *>(map.data());
  const size_t frames = map.size() / (2 * sizeof *samples);
  for (size_t i = 0; i < frames; i++) {
    const GstClockTime time = GST_BUFFER_PTS(buffer) + gst_util_uint64_scale(i, GST_SECOND, kRate);
    const double phase = 2 * G_PI * kToneHz * static_cast<double>(time) / GST_SECOND;
    const gint16 value = is_in_flash(time) ? static_cast<gint16>(kToneLevel * std::sin(phase)) : 0;
    samples[2 * i] = samples[2 * i + 1] = value;
  }
}

template <typename Paint>
void paint_with(GstPad *pad, Paint)
{
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad *pad, GstPadProbeInfo *info, gpointer) {
        GstBuffer *buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
        GST_PAD_PROBE_INFO_DATA(info) = buffer;
        Paint{}(pad, buffer);
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
}

}  // namespace

void FarPeer::Sender::send(PacketKind kind, MiniPtr<GstBuffer> packet)
{
  if (peer.lose_out && peer.lose_out(kind, packet.get()))
    return;
  peer.transport_->send(kind, std::move(packet));
}

FarPeer::FarPeer(GMainContext *context, FarPlan plan)
    : context_(context),
      plan_(std::move(plan)),
      pipeline_(sink_object(gst_pipeline_new(nullptr))),
      session_(std::make_unique<MediaSession>(plan_.session, this))
{
  gst_bin_add(GST_BIN(pipeline_.get()), session_->bin());
  make_sources();
  gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
}

FarPeer::~FarPeer()
{
  kill();
  session_.reset();
}

void FarPeer::make_sources()
{
  if (plan_.direction != Direction::SendOnly && plan_.direction != Direction::SendRecv)
    return;
  if (!plan_.video.empty())
    add_source(MediaKind::Video, plan_.video_line);
  if (!plan_.audio.empty())
    add_source(MediaKind::Audio, plan_.audio_line);
}

void FarPeer::add_source(MediaKind kind, const std::string &line)
{
  GError *error = nullptr;
  // A description cannot end with caps.
  GstElement *bin =
      gst_parse_bin_from_description((line + " ! identity silent=true").c_str(), TRUE, &error);
  fail_unless(error == nullptr, "%s", error != nullptr ? error->message : "");
  gst_bin_add(GST_BIN(pipeline_.get()), bin);
  const auto src = adopt_object(gst_element_get_static_pad(bin, "src"));
  const auto canvas = adopt_object(gst_bin_get_by_name(GST_BIN(bin), "canvas"));
  const auto raw = canvas ? adopt_object(gst_element_get_static_pad(canvas.get(), "src")) : src;
  if (kind == MediaKind::Video)
    paint_with(raw.get(), [](GstPad *pad, GstBuffer *buffer) { paint(pad, buffer); });
  else
    paint_with(raw.get(), [](GstPad *, GstBuffer *buffer) { sound(buffer); });
  ck_assert_int_eq(gst_pad_link(src.get(), session_->add_input(kind)), GST_PAD_LINK_OK);
}

void FarPeer::add_sink(MediaKind kind, const std::string &line)
{
  GstPad *output = session_->output(kind);
  if (output == nullptr || gst_pad_is_linked(output))
    return;
  GError *error = nullptr;
  GstElement *bin = gst_parse_bin_from_description(line.c_str(), TRUE, &error);
  fail_unless(error == nullptr, "%s", error != nullptr ? error->message : "");
  gst_bin_add(GST_BIN(pipeline_.get()), bin);
  gst_element_sync_state_with_parent(bin);
  const auto sink = adopt_object(gst_element_get_static_pad(bin, "sink"));
  ck_assert_int_eq(gst_pad_link(output, sink.get()), GST_PAD_LINK_OK);
}

void FarPeer::make_transport(bool is_offering)
{
  TransportSettings settings;
  settings.is_offering = is_offering;
  settings.local_addresses = plan_.local_addresses;
  auto made = Transport::create(context_, std::move(settings), *this, *this);
  fail_unless(made.ok());
  transport_ = *made;
}

LocalSide FarPeer::local_side() const
{
  LocalSide side;
  side.session_id = 4711;
  side.direction = plan_.direction;
  side.transport = transport_->local_parameters();
  side.cname = "far";
  side.stream_id = "stream";
  const auto add = [&](MediaKind kind, const std::vector<Codec> &codecs, const char *track,
                       uint32_t ssrc, std::optional<uint32_t> rtx_ssrc) {
    if (!codecs.empty())
      side.media.push_back({kind, codecs, ssrc + g_random_int_range(0, 1 << 20), rtx_ssrc, track});
  };
  add(MediaKind::Audio, plan_.audio, "sound", kAudioSsrc, std::nullopt);
  add(MediaKind::Video, plan_.video, "picture", kVideoSsrc,
      kRtxSsrc + static_cast<uint32_t>(g_random_int_range(0, 1 << 20)));
  return side;
}

std::string FarPeer::text_of(SessionDescription description) const
{
  if (plan_.has_wrong_fingerprint)
    for (Fingerprint &fingerprint : description.transport.fingerprints)
      fingerprint.digest.back() ^= 1;
  return write_description(description);
}

void FarPeer::begin(const Negotiated &negotiated)
{
  std::vector<SessionMedia> media;
  for (const NegotiatedMedia &section : negotiated.media)
    media.push_back({section.local, section.remote});
  fail_unless(session_->begin(std::move(media), &sender_).ok());
  add_sink(MediaKind::Video, plan_.video_sink);
  add_sink(MediaKind::Audio, plan_.audio_sink);
  fail_unless(transport_->set_remote(negotiated.remote).ok());
}

bool FarPeer::answer(const std::string &offer, Ready ready)
{
  auto parsed = parse_description(offer, SdpType::Offer);
  if (!parsed || !check_offer(*parsed))
    return false;
  make_transport(false);
  on_gathered_ = [this, parsed = std::move(*parsed), ready = std::move(ready)] {
    auto made = make_answer(parsed, local_side());
    if (!made) {
      ready("");
      return;
    }
    description_ = made->description;
    begin(made->negotiated);
    ready(text_of(description_));
  };
  return transport_->start_gathering().ok();
}

void FarPeer::offer(Ready ready)
{
  make_transport(true);
  on_gathered_ = [this, ready = std::move(ready)] {
    description_ = make_offer(local_side());
    ready(text_of(description_));
  };
  fail_unless(transport_->start_gathering().ok());
}

bool FarPeer::accept(const std::string &answer)
{
  auto parsed = parse_description(answer, SdpType::Answer);
  if (!parsed)
    return false;
  auto negotiated = accept_answer(description_, *parsed);
  if (!negotiated)
    return false;
  begin(*negotiated);
  return true;
}

bool FarPeer::add_candidates(const IceFragment &fragment)
{
  return transport_ && transport_
                           ->add_remote_candidates(fragment.credentials.ufrag, fragment.candidates,
                                                   fragment.end_of_candidates)
                           .ok();
}

void FarPeer::restart(const IceFragment &fragment, Ready ready)
{
  fail_unless(transport_->begin_restart().ok());
  on_gathered_ = [this, fragment, ready = std::move(ready)] {
    const TransportParameters own = transport_->local_parameters();
    IceFragment reply = fragment_of(description_);
    reply.credentials = own.credentials;
    reply.candidates = own.candidates;
    reply.end_of_candidates = true;
    TransportParameters theirs;
    theirs.credentials = fragment.credentials;
    theirs.candidates = fragment.candidates;
    theirs.end_of_candidates = fragment.end_of_candidates;
    fail_unless(transport_->finish_restart(theirs).ok());
    ready(write_fragment(reply));
  };
}

void FarPeer::gathering_done(const std::string &)
{
  if (const auto next = std::exchange(on_gathered_, nullptr))
    next();
}

void FarPeer::state_changed(TransportState state, const std::string &, const std::string &)
{
  state_ = state;
  session_->set_connected(state == TransportState::Connected);
}

void FarPeer::received(PacketKind kind, MiniPtr<GstBuffer> packet)
{
  if (!lose_in || !lose_in(kind, packet.get()))
    session_->received(kind, std::move(packet));
}

TransportStats FarPeer::transport_stats() const
{
  return transport_ ? transport_->stats() : TransportStats{};
}

void FarPeer::close(std::function<void()> done)
{
  session_->stop();
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  if (transport_)
    transport_->close(std::move(done));
  else
    done();
}

void FarPeer::kill()
{
  on_gathered_ = nullptr;
  session_->stop();
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  transport_.reset();
}

}  // namespace fixture
