// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/whip_publisher.h"

#include <algorithm>
#include <sstream>

#include <strings.h>

#include "ext/webrtc/peer/peer_stats.h"
#include "ext/webrtc/sdp/codecs.h"
#include "ext/webrtc/session/codecs.h"
#include "gst/support/element_shell.h"

namespace streamlib::webrtc {

using support::adopt_mini;
using support::adopt_object;
using support::Done;
using support::Failure;
using support::GObjectPtr;
using support::MutexLock;
using support::Result;
using support::share_object;
using support::SourceGuard;
using support::Status;
using support::StructurePtr;

namespace {

// For what encoders still hold when all inputs have ended.
constexpr guint kDrainMs = 500;
// Whoever has linked nothing by then may not know.
constexpr guint kReminderMs = 1500;

const char *name_of(MediaKind kind)
{
  return kind == MediaKind::Video ? "video" : "audio";
}

bool is_same_name(const std::string &a, const char *b)
{
  return strcasecmp(a.c_str(), b) == 0;
}

size_t rank_of(const std::vector<std::string> &preference, const Codec &codec)
{
  const auto found = std::find_if(preference.begin(), preference.end(), [&](const auto &name) {
    return is_same_name(name, codec.name.c_str());
  });
  return static_cast<size_t>(found - preference.begin());
}

bool can_be_raw(GstCaps *caps, MediaKind kind)
{
  const auto raw = adopt_mini(
      gst_caps_new_empty_simple(kind == MediaKind::Video ? "video/x-raw" : "audio/x-raw"));
  return gst_caps_can_intersect(caps, raw.get()) != FALSE;
}

// What comes after caps: the end of a stream, or its silence.
bool is_media(GstEvent *event)
{
  return GST_EVENT_TYPE(event) == GST_EVENT_EOS || GST_EVENT_TYPE(event) == GST_EVENT_GAP;
}

bool has_linked_pad(GstElement *element)
{
  const support::ObjectLock lock(element);
  for (const GList *node = element->sinkpads; node != nullptr; node = node->next)
    if (gst_pad_is_linked(static_cast<GstPad *>(node->data)))
      return true;
  return false;
}

void remind(GstElement *element)
{
  if (!has_linked_pad(element))
    GST_ELEMENT_WARNING(element, STREAM, WRONG_TYPE,
                        ("There is nothing to send yet. Link a source to the pad video_0 or "
                         "audio_0: its first buffer begins the connection."),
                        (nullptr));
}

SessionSettings session_settings_of(const WhipSettings &settings,
                                    const std::vector<std::string> &preference)
{
  SessionSettings session;
  session.video_encoder = {settings.video_bitrate, settings.keyframe_interval_ms};
  session.audio_encoder.bitrate = settings.audio_bitrate;
  session.codec_preference = preference;
  return session;
}

}  // namespace

Result<std::vector<std::string>> codec_names(const std::string &list)
{
  std::string text = list;
  std::replace(text.begin(), text.end(), ',', ' ');
  std::istringstream words(text);
  std::vector<std::string> names;
  for (std::string name; words >> name;) {
    const CodecFacts *facts = find_codec(name);
    if (facts == nullptr || facts->kind != MediaKind::Video)
      return Failure{GST_RESOURCE_ERROR_SETTINGS,
                     "\"" + name +
                         "\" is no codec of ours for video. Set video-codec to one or several of "
                         "H264, VP8, VP9, with commas between them.",
                     list};
    names.push_back(facts->name);
  }
  return names;
}

Result<std::vector<Codec>> codecs_to_offer(MediaKind kind, GstCaps *caps,
                                           const std::vector<std::string> &preference)
{
  const bool is_raw = can_be_raw(caps, kind);
  std::vector<Codec> codecs = all_codecs(kind);
  const bool has_preference = kind == MediaKind::Video && !preference.empty();
  std::erase_if(codecs, [&](const Codec &codec) {
    return find_codec(codec.name) == nullptr ||
           (has_preference && rank_of(preference, codec) == preference.size());
  });
  const auto is_possible = [&](const Codec &codec) {
    const CodecFacts *facts = find_codec(codec.name);
    return can_be_encoded(caps, *facts) || (is_raw && find_encoder(facts->name) != nullptr);
  };
  // What an encoded input is not yet, it may become where it was named.
  if (is_raw || !has_preference || std::none_of(codecs.begin(), codecs.end(), is_possible))
    std::erase_if(codecs, [&](const Codec &codec) { return !is_possible(codec); });
  std::stable_sort(codecs.begin(), codecs.end(), [&](const Codec &a, const Codec &b) {
    return rank_of(preference, a) < rank_of(preference, b);
  });
  if (!codecs.empty())
    return codecs;
  const support::CStr text(gst_caps_to_string(caps));
  return Failure{GST_STREAM_ERROR_CODEC_NOT_FOUND,
                 std::string("There is no codec that the ") + name_of(kind) +
                     " of this input could be sent with. Install an encoder (gstreamer1.0-plugins-"
                     "ugly, -good, -base), or let video-codec name what is there.",
                 text.get()};
}

// --- Life ---

Result<std::unique_ptr<WhipPublisher>> WhipPublisher::create(GstElement *element,
                                                             const WhipSettings &settings)
{
  auto preference = codec_names(settings.video_codec);
  if (!preference)
    return preference.take_error();
  auto peer = settings.connection.peer_settings(PeerRole::Sender);
  if (!peer)
    return peer.take_error();
  SessionSettings session = session_settings_of(settings, *preference);
  return std::unique_ptr<WhipPublisher>(
      new WhipPublisher(element, std::move(session), std::move(*peer), std::move(*preference)));
}

WhipPublisher::WhipPublisher(GstElement *element, SessionSettings session, PeerSettings peer,
                             std::vector<std::string> preference)
    : element_(element),
      runtime_(adopt_object(gst_sl_runtime_for_element(element))),
      peer_settings_(std::move(peer)),
      preference_(std::move(preference)),
      session_(std::move(session), this)
{
  g_mutex_init(&mutex_);
  for (const MediaKind kind : {MediaKind::Audio, MediaKind::Video}) {
    input(kind).owner = this;
    input(kind).kind = kind;
  }
}

WhipPublisher::~WhipPublisher()
{
  g_mutex_clear(&mutex_);
}

std::shared_ptr<Peer> WhipPublisher::peer() const
{
  const MutexLock lock(mutex_);
  return peer_;
}

GstPad *WhipPublisher::add_input(MediaKind kind, GstPad *ghost)
{
  Input &entry = input(kind);
  {
    const MutexLock lock(mutex_);
    entry.ghost = share_object(ghost);
  }
  entry.probe = support::PadProbe(ghost,
                                  static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM |
                                                               GST_PAD_PROBE_TYPE_EVENT_FLUSH),
                                  on_input, &entry);
  return session_.add_input(kind);
}

void WhipPublisher::remove_input(MediaKind kind)
{
  Input &entry = input(kind);
  entry.probe = support::PadProbe();
  {
    const MutexLock lock(mutex_);
    entry.ghost.reset();
  }
  entry.is_linked = false;
  session_.remove_input(kind);
}

void WhipPublisher::prepare()
{
  if (!is_over())
    return;
  is_eos_ = false;
  for (Input &entry : inputs_)
    entry.is_eos = entry.is_refused = false;
  std::shared_ptr<Peer> before;
  const MutexLock lock(mutex_);
  std::swap(before, peer_);
}

Status WhipPublisher::begin()
{
  {
    const MutexLock lock(mutex_);
    is_waiting_ = true;
  }
  Status connected = connect_linked();
  if (!connected || !is_waiting_)
    return connected;
  SourceGuard reminder = call_after(gst_sl_runtime_get_io_context(runtime_.get()), kReminderMs,
                                    [element = share_object(element_)] { remind(element.get()); });
  const MutexLock lock(mutex_);
  std::swap(reminder, reminder_);
  return Done{};
}

// Nothing happens where nothing is linked, or where it was done before.
Status WhipPublisher::connect_linked()
{
  std::array<GObjectPtr<GstPad>, 2> pads;
  {
    const MutexLock lock(mutex_);
    for (size_t i = 0; i < inputs_.size(); i++)
      pads[i] = inputs_[i].ghost;
  }
  std::vector<PeerMedia> media;
  for (size_t i = 0; i < inputs_.size(); i++) {
    const MediaKind kind = inputs_[i].kind;
    if (!pads[i] || !gst_pad_is_linked(pads[i].get())) {
      pads[i].reset();
      continue;
    }
    const auto possible = possible_input_caps(kind);
    const auto caps = adopt_mini(gst_pad_peer_query_caps(pads[i].get(), possible.get()));
    auto codecs = codecs_to_offer(kind, caps.get(), preference_);
    if (!codecs) {
      const MutexLock lock(mutex_);
      is_waiting_ = false;
      return codecs.take_error();
    }
    media.push_back({kind, std::move(*codecs)});
  }
  if (media.empty())
    return Done{};
  {
    const MutexLock lock(mutex_);
    if (!is_waiting_)
      return Done{};
    is_waiting_ = false;
    for (size_t i = 0; i < inputs_.size(); i++)
      inputs_[i].is_linked = pads[i].get() != nullptr;
    // It only posts to the I/O thread.
    peer_ =
        Peer::start(element_, runtime_.get(), peer_settings_, std::move(media), session_, *this);
  }
  for (const Input &entry : inputs_)
    session_.set_expected(entry.kind, entry.is_linked);
  // Streams may have ended meanwhile: their threads have seen no peer.
  end_stream_if_due();
  return Done{};
}

void WhipPublisher::begin_late()
{
  const Status connected = connect_linked();
  if (!connected)
    SL_POST_ERROR(element_, GST_STREAM_ERROR, connected.error().code, connected.error().text,
                  connected.error().debug);
}

bool WhipPublisher::end()
{
  {
    SourceGuard reminder;
    const MutexLock lock(mutex_);
    is_waiting_ = false;
    std::swap(reminder, reminder_);
  }
  const auto current = peer();
  if (!current)
    return true;
  {
    SourceGuard limit;
    const MutexLock lock(mutex_);
    std::swap(limit, drain_limit_);
  }
  if (!current->end_and_wait()) {
    // In a message handler of the I/O thread it may be all but over; it stays until that returns.
    const PeerState state = current->state();
    return state == PeerState::Closed || state == PeerState::Failed;
  }
  const MutexLock lock(mutex_);
  peer_.reset();
  return true;
}

bool WhipPublisher::is_over() const
{
  const auto current = peer();
  return !current || current->is_over();
}

PeerState WhipPublisher::state() const
{
  const auto current = peer();
  return current ? current->state() : PeerState::New;
}

StructurePtr WhipPublisher::stats() const
{
  const auto current = peer();
  StructurePtr stats = current ? current->stats() : unbegun_stats();
  for (const Input &entry : inputs_)
    gst_structure_set(stats.get(), (std::string("dropped-refused-") + name_of(entry.kind)).c_str(),
                      G_TYPE_UINT64, entry.refused.load(), nullptr);
  return stats;
}

// --- Inputs. Streaming threads. ---

GstPadProbeReturn WhipPublisher::on_input(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  Input &entry = *static_cast<Input *>(data);
  const bool is_event = (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_EVENT_BOTH) != 0;
  if (entry.owner->is_waiting_ && (!is_event || is_media(GST_PAD_PROBE_INFO_EVENT(info))))
    entry.owner->begin_late();
  if (is_event) {
    entry.owner->take_event(entry, GST_PAD_PROBE_INFO_EVENT(info));
    return GST_PAD_PROBE_OK;
  }
  if (!entry.is_refused)
    return GST_PAD_PROBE_OK;
  entry.refused++;
  return GST_PAD_PROBE_DROP;
}

void WhipPublisher::take_event(Input &entry, GstEvent *event)
{
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
    case GST_EVENT_FLUSH_STOP:
      entry.is_eos = false;
      break;
    case GST_EVENT_EOS:
      entry.seqnum = gst_event_get_seqnum(event);
      entry.is_eos = true;
      end_stream_if_due();
      break;
    default:
      break;
  }
}

// What is connected ends when its last packet is out; what is not has nothing more to say.
void WhipPublisher::end_stream_if_due()
{
  const auto current = peer();
  if (!current ||
      std::any_of(inputs_.begin(), inputs_.end(),
                  [](const Input &one) { return one.is_linked && !one.is_eos; }) ||
      is_eos_.exchange(true))
    return;
  if (current->state() != PeerState::Connected) {
    current->end();
    return;
  }
  SourceGuard limit = call_after(gst_sl_runtime_get_io_context(runtime_.get()), kDrainMs,
                                 [waiting = std::weak_ptr<Peer>(current)] {
                                   if (const auto alive = waiting.lock())
                                     alive->end();
                                 });
  const MutexLock lock(mutex_);
  std::swap(limit, drain_limit_);
}

void WhipPublisher::inputs_ended()
{
  const auto current = peer();
  if (is_eos_ && current)
    current->end();
}

void WhipPublisher::bye_sent()
{
  if (const auto current = peer())
    current->bye_sent();
}

// --- What the peer says ---

void WhipPublisher::peer_state_changed(PeerState state)
{
  g_object_notify(G_OBJECT(element_), "state");
  if (state != PeerState::Closed || !is_eos_)
    return;
  GstMessage *message = gst_message_new_eos(GST_OBJECT(element_));
  for (const Input &entry : inputs_)
    if (entry.is_eos && entry.seqnum != GST_SEQNUM_INVALID)
      gst_message_set_seqnum(message, entry.seqnum);
  gst_element_post_message(element_, message);
}

void WhipPublisher::peer_warned(const PeerProblem &problem)
{
  gst_element_message_full(element_, GST_MESSAGE_WARNING, problem.domain, problem.code,
                           g_strdup(problem.text.c_str()),
                           problem.debug.empty() ? nullptr : g_strdup(problem.debug.c_str()),
                           __FILE__, GST_FUNCTION, __LINE__);
}

void WhipPublisher::peer_failed(const PeerProblem &problem)
{
  SL_POST_ERROR(element_, problem.domain, problem.code, problem.text, problem.debug);
}

// A kind that the peer does not take must not stop the other one.
void WhipPublisher::peer_media_begun(const std::vector<SessionMedia> &media)
{
  for (Input &entry : inputs_) {
    if (!entry.is_linked)
      continue;
    entry.is_refused = std::none_of(media.begin(), media.end(), [&](const SessionMedia &section) {
      return section.local.kind == entry.kind && section.local.direction == Direction::SendOnly;
    });
    if (entry.is_refused)
      peer_warned({GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND,
                   std::string("The server takes no ") + name_of(entry.kind) +
                       "; it is dropped. Offer other codecs, or send it elsewhere.",
                   "the section is rejected in the answer"});
  }
}

}  // namespace streamlib::webrtc
