// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc_peers.h"

#include <algorithm>

#include "gst/support/guards.h"

namespace fixture {

using streamlib::support::MappedBuffer;
using streamlib::support::sink_object;

// --- Wire ---

Wire::Wire(WireSettings settings)
    : settings_(settings), random_(settings.seed), thread_([this] { run(); })
{}

Wire::~Wire()
{
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Wire::set_receiver(PacketReceiver *receiver)
{
  const std::lock_guard lock(receiver_mutex_);
  receiver_ = receiver;
}

void Wire::look_at_rtcp(const std::vector<uint8_t> &packet)
{
  for (size_t at = 0; at + 4 <= packet.size();) {
    const int count = packet[at] & 0x1f;
    const int type = packet[at + 1];
    sender_reports += type == 200;
    byes += type == 203;
    nacks += type == 205 && count == 1;
    plis += type == 206 && count == 1;
    firs += type == 206 && count == 4;
    at += (static_cast<size_t>(packet[at + 2]) << 8 | packet[at + 3]) * 4 + 4;
  }
}

void Wire::send(PacketKind kind, MiniPtr<GstBuffer> packet)
{
  std::vector<uint8_t> bytes;
  {
    const MappedBuffer map(packet.get(), GST_MAP_READ);
    bytes.assign(map.data(), map.data() + map.size());
  }
  if (kind == PacketKind::Rtcp) {
    rtcp++;
    look_at_rtcp(bytes);
  } else {
    rtp++;
    largest = std::max<unsigned>(largest, static_cast<unsigned>(bytes.size()));
  }
  if (lose && lose(kind, bytes)) {
    lost++;
    return;
  }
  // A network carries bytes, neither times nor flags.
  GstBuffer *copy = gst_buffer_new_memdup(bytes.data(), bytes.size());
  auto carried = adopt_mini(copy);
  std::uniform_real_distribution<double> chance;
  std::uniform_int_distribution<int> extra(0, settings_.jitter_ms * 1000);
  const std::lock_guard lock(mutex_);
  if (kind == PacketKind::Rtp && chance(random_) < settings_.loss) {
    lost++;
    return;
  }
  const int copies = kind == PacketKind::Rtp && chance(random_) < settings_.duplicate ? 2 : 1;
  for (int i = 0; i < copies; i++)
    on_the_way_.emplace(g_get_monotonic_time() + settings_.delay_ms * 1000 + extra(random_),
                        std::pair(kind, i == 0 ? carried : adopt_mini(gst_buffer_copy_deep(copy))));
  changed_.notify_one();
}

void Wire::run()
{
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    const int64_t now = g_get_monotonic_time();
    if (on_the_way_.empty()) {
      changed_.wait(lock);
    } else if (on_the_way_.begin()->first > now) {
      changed_.wait_for(lock, std::chrono::microseconds(on_the_way_.begin()->first - now));
    } else {
      auto [kind, packet] = std::move(on_the_way_.extract(on_the_way_.begin()).mapped());
      lock.unlock();
      {
        const std::lock_guard receiver_lock(receiver_mutex_);
        if (receiver_ != nullptr)
          receiver_->received(kind, std::move(packet));
      }
      lock.lock();
    }
  }
}

// --- Parameters ---

Codec make_codec(const char *name, int payload_type, int clock_rate, int channels,
                 std::vector<std::string> feedback, int rtx)
{
  Codec codec;
  codec.name = name;
  codec.payload_type = payload_type;
  codec.clock_rate = clock_rate;
  codec.channels = channels;
  codec.feedback = std::move(feedback);
  if (rtx >= 0)
    codec.rtx_payload_type = rtx;
  return codec;
}

Codec vp8(int payload_type)
{
  return make_codec("VP8", payload_type, 90000, 0, {"nack", "nack pli", "ccm fir"},
                    payload_type + 1);
}

Codec vp9(int payload_type)
{
  return make_codec("VP9", payload_type, 90000, 0, {"nack", "nack pli", "ccm fir"},
                    payload_type + 1);
}

Codec h264(const char *profile_level_id, int payload_type)
{
  Codec codec =
      make_codec("H264", payload_type, 90000, 0, {"nack", "nack pli", "ccm fir"}, payload_type + 1);
  codec.parameters = {{"profile-level-id", profile_level_id},
                      {"packetization-mode", "1"},
                      {"level-asymmetry-allowed", "1"}};
  return codec;
}

Codec opus(int payload_type)
{
  return make_codec("opus", payload_type, 48000, 2);
}

MediaParameters make_section(const char *mid, MediaKind kind, Direction direction,
                             std::vector<Codec> codecs, uint32_t ssrc, uint32_t rtx_ssrc)
{
  MediaParameters section;
  section.mid = mid;
  section.kind = kind;
  section.direction = direction;
  section.codecs = std::move(codecs);
  section.extensions = {{4, "urn:ietf:params:rtp-hdrext:sdes:mid"}};
  section.cname = "peer";
  if (ssrc != 0)
    section.ssrc = ssrc;
  if (rtx_ssrc != 0)
    section.rtx_ssrc = rtx_ssrc;
  return section;
}

SessionMedia sending(const char *mid, MediaKind kind, std::vector<Codec> codecs, uint32_t ssrc,
                     uint32_t rtx_ssrc)
{
  SessionMedia media;
  media.local = make_section(mid, kind, Direction::SendOnly, codecs, ssrc, rtx_ssrc);
  media.remote = make_section(mid, kind, Direction::RecvOnly, codecs);
  media.remote.cname = "other";
  return media;
}

SessionMedia turned(const SessionMedia &media)
{
  return {media.remote, media.local};
}

std::vector<SessionMedia> turned(const std::vector<SessionMedia> &media)
{
  std::vector<SessionMedia> result;
  for (const SessionMedia &section : media)
    result.push_back(turned(section));
  return result;
}

// --- Peer ---

Peer::Peer(SessionSettings settings)
    : pipeline_(sink_object(gst_pipeline_new(nullptr))),
      session_(std::make_unique<MediaSession>(std::move(settings), &listener))
{
  gst_bin_add(GST_BIN(pipeline_.get()), session_->bin());
}

Peer::~Peer()
{
  stop();
  session_.reset();
}

void Peer::stop()
{
  session_->stop();
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
}

GstElement *Peer::add_source(MediaKind kind, const std::string &line)
{
  GError *error = nullptr;
  // A description cannot end with caps.
  GstElement *bin =
      gst_parse_bin_from_description((line + " ! identity silent=true").c_str(), TRUE, &error);
  fail_unless(error == nullptr, "%s", error != nullptr ? error->message : "");
  gst_bin_add(GST_BIN(pipeline_.get()), bin);
  const auto src = adopt_object(gst_element_get_static_pad(bin, "src"));
  ck_assert_int_eq(gst_pad_link(src.get(), session_->add_input(kind)), GST_PAD_LINK_OK);
  return bin;
}

void Peer::on_buffer(GstElement *, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  auto *recording = static_cast<Recording *>(data);
  const auto event = adopt_mini(gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0));
  const GstSegment *segment = nullptr;
  if (event)
    gst_event_parse_segment(event.get(), &segment);
  Received entry;
  const GstClockTime stamp =
      GST_BUFFER_PTS_IS_VALID(buffer) ? GST_BUFFER_PTS(buffer) : GST_BUFFER_DTS(buffer);
  if (segment != nullptr)
    entry.running = gst_segment_to_running_time(segment, GST_FORMAT_TIME, stamp);
  entry.is_key = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  entry.is_discont = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  entry.size = gst_buffer_get_size(buffer);
  const std::lock_guard lock(recording->mutex);
  recording->buffers.push_back(entry);
  recording->caps = adopt_mini(gst_pad_get_current_caps(pad));
}

void Peer::add_output(MediaKind kind, const std::string &line)
{
  const std::string whole = line + (line.empty() ? "" : " ! ") +
                            "fakesink name=end sync=false async=false signal-handoffs=true";
  GError *error = nullptr;
  GstElement *bin = gst_parse_bin_from_description(whole.c_str(), TRUE, &error);
  fail_unless(error == nullptr, "%s", error != nullptr ? error->message : "");
  const auto end = adopt_object(gst_bin_get_by_name(GST_BIN(bin), "end"));
  g_signal_connect(end.get(), "handoff", G_CALLBACK(on_buffer), &recordings_[kind]);
  gst_bin_add(GST_BIN(pipeline_.get()), bin);
  gst_element_sync_state_with_parent(bin);
  const auto sink = adopt_object(gst_element_get_static_pad(bin, "sink"));
  ck_assert(session_->output(kind) != nullptr);
  ck_assert_int_eq(gst_pad_link(session_->output(kind), sink.get()), GST_PAD_LINK_OK);
}

void Peer::play()
{
  ck_assert_int_ne(gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING),
                   GST_STATE_CHANGE_FAILURE);
  // PAUSED does not wait for the network.
  ck_assert_int_ne(gst_element_get_state(pipeline_.get(), nullptr, nullptr, 5 * GST_SECOND),
                   GST_STATE_CHANGE_ASYNC);
}

std::vector<Received> Peer::received(MediaKind kind)
{
  Recording &recording = recordings_[kind];
  const std::lock_guard lock(recording.mutex);
  return recording.buffers;
}

size_t Peer::count(MediaKind kind)
{
  return received(kind).size();
}

MiniPtr<GstCaps> Peer::caps(MediaKind kind)
{
  Recording &recording = recordings_[kind];
  const std::lock_guard lock(recording.mutex);
  return recording.caps;
}

guint64 Peer::stat(const char *field)
{
  const StructurePtr stats = session_->stats();
  guint64 value = 0;
  ck_assert_msg(gst_structure_get_uint64(stats.get(), field, &value), "no field %s", field);
  return value;
}

std::string Peer::error(int ms)
{
  const auto bus = adopt_object(gst_element_get_bus(pipeline_.get()));
  const auto message = adopt_mini(gst_bus_timed_pop_filtered(
      bus.get(), static_cast<GstClockTime>(limit_ms(ms)) * GST_MSECOND, GST_MESSAGE_ERROR));
  if (!message)
    return "";
  GError *error = nullptr;
  gst_message_parse_error(message.get(), &error, nullptr);
  const std::string text = error->message;
  g_error_free(error);
  return text;
}

// --- Pair ---

Pair::Pair(WireSettings to, SessionSettings here, SessionSettings there, WireSettings from)
    : forth(std::make_unique<Wire>(to)),
      back(std::make_unique<Wire>(from)),
      a(std::move(here)),
      b(std::move(there))
{}

Pair::~Pair()
{
  forth->set_receiver(nullptr);
  back->set_receiver(nullptr);
  a.stop();
  b.stop();
}

void Pair::begin(const std::vector<SessionMedia> &media)
{
  for (const bool first : {false, true}) {
    auto status = (first ? a : b)
                      .session()
                      .begin(first ? media : turned(media), first ? forth.get() : back.get());
    ck_assert_msg(status.ok(), "%s", status.ok() ? "" : status.error().text.c_str());
  }
  forth->set_receiver(&b.session());
  back->set_receiver(&a.session());
}

void Pair::connect()
{
  a.session().set_connected(true);
  b.session().set_connected(true);
}

// --- Looks ---

guint64 sum_of_ssrcs(GstStructure *stats, const char *field, bool local)
{
  guint64 sum = 0;
  const GValue *list = gst_structure_get_value(stats, "ssrcs");
  for (guint i = 0; list != nullptr && i < gst_value_list_get_size(list); i++) {
    const GstStructure *entry = gst_value_get_structure(gst_value_list_get_value(list, i));
    gboolean is_local = FALSE;
    guint64 value = 0;
    gst_structure_get_boolean(entry, "local", &is_local);
    if ((is_local != FALSE) == local && gst_structure_get_uint64(entry, field, &value))
      sum += value;
  }
  return sum;
}

std::vector<std::string> thread_names()
{
  std::vector<std::string> names;
  GDir *folder = g_dir_open("/proc/self/task", 0, nullptr);
  while (const gchar *entry = folder != nullptr ? g_dir_read_name(folder) : nullptr) {
    gchar *text = nullptr;
    const std::string path = std::string("/proc/self/task/") + entry + "/comm";
    if (g_file_get_contents(path.c_str(), &text, nullptr, nullptr))
      names.emplace_back(g_strchomp(text));
    g_free(text);
  }
  if (folder != nullptr)
    g_dir_close(folder);
  return names;
}

}  // namespace fixture
