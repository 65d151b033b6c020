// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/play/player.h"

#include <algorithm>
#include <utility>

#include "ext/webrtc/peer/peer_stats.h"
#include "ext/webrtc/sdp/codecs.h"
#include "gst/support/element_shell.h"
#include "gst/support/guards.h"

namespace streamlib::webrtc {

using support::adopt_object;
using support::MutexLock;
using support::StructurePtr;

namespace {

const char *name_of(MediaKind kind)
{
  return kind == MediaKind::Video ? "video" : "audio";
}

std::vector<Codec> received_codecs(const SessionMedia &media)
{
  return media.local.codecs;
}

}  // namespace

Player::Player(GstBin *element, std::function<void()> state_changed)
    : element_(element), state_changed_(std::move(state_changed)), late_pads_(GST_ELEMENT(element))
{
  g_mutex_init(&mutex_);
}

Player::~Player()
{
  g_mutex_clear(&mutex_);
}

std::shared_ptr<MediaSession> Player::session() const
{
  const MutexLock lock(mutex_);
  return session_;
}

std::shared_ptr<Peer> Player::peer() const
{
  const MutexLock lock(mutex_);
  return peer_;
}

// --- From READY to PAUSED and back ---

bool Player::prepare(const PlayerSettings &settings)
{
  if (const auto before = peer(); before && !before->is_over())
    return false;
  clear();
  settings_ = settings;
  latency_ =
      std::max(settings.session.audio_latency_ms, settings.session.video_latency_ms) * GST_MSECOND;
  was_connected_ = is_eos_ = false;
  state_ = PeerState::New;
  group_id_ = gst_util_group_id_next();
  auto made = std::make_shared<MediaSession>(settings.session, this);
  gst_bin_add(element_, made->bin());
  const MutexLock lock(mutex_);
  session_ = std::move(made);
  return true;
}

void Player::begin(const PlayerSettings &settings)
{
  const auto runtime = adopt_object(gst_sl_runtime_for_element(GST_ELEMENT(element_)));
  std::vector<PeerMedia> media;
  for (const MediaKind kind : {MediaKind::Audio, MediaKind::Video})
    media.push_back({kind, all_codecs(kind)});
  auto started = Peer::start(GST_ELEMENT(element_), runtime.get(), settings.peer, std::move(media),
                             *session(), *this);
  const MutexLock lock(mutex_);
  peer_ = std::move(started);
}

bool Player::end_stream()
{
  const auto current = peer();
  if (!current)
    return false;
  // Whichever comes first sees the other one.
  is_eos_ = true;
  if (current->is_over())
    end_pads();
  else
    current->end();
  return true;
}

bool Player::end()
{
  const auto ending = peer();
  return !ending || ending->end_and_wait();
}

void Player::clear()
{
  std::vector<std::shared_ptr<PlayOutput>> outputs;
  std::shared_ptr<MediaSession> session;
  std::shared_ptr<Peer> peer;
  {
    const MutexLock lock(mutex_);
    if (peer_ && !peer_->is_over())
      return;
    outputs.swap(outputs_);
    session.swap(session_);
    peer.swap(peer_);
  }
  for (const auto &output : outputs)
    gst_element_remove_pad(GST_ELEMENT(element_), output->pad());
  outputs.clear();
  late_pads_.clear();
  if (!session)
    return;
  gst_element_set_state(session->bin(), GST_STATE_NULL);
  gst_bin_remove(element_, session->bin());
  if (state_.exchange(PeerState::New) != PeerState::New)
    state_changed_();
}

// --- What the peer says ---

void Player::peer_state_changed(PeerState state)
{
  if (state == PeerState::Connected)
    was_connected_ = true;
  state_ = state;
  state_changed_();
  if (state == PeerState::Closed && is_eos_)
    end_pads();
}

void Player::peer_warned(const PeerProblem &problem)
{
  gst_element_message_full(GST_ELEMENT(element_), GST_MESSAGE_WARNING, problem.domain, problem.code,
                           g_strdup(problem.text.c_str()),
                           problem.debug.empty() ? nullptr : g_strdup(problem.debug.c_str()),
                           __FILE__, GST_FUNCTION, __LINE__);
}

void Player::peer_failed(const PeerProblem &problem)
{
  // Who plays one session only is at its end with it.
  if (problem.is_end && settings_.peer.reconnect == Reconnect::Never) {
    end_pads();
    return;
  }
  SL_POST_ERROR(element_, problem.domain, problem.code, problem.text, problem.debug);
}

void Player::bye_sent()
{
  if (const auto current = peer())
    current->bye_sent();
}

void Player::peer_media_begun(const std::vector<SessionMedia> &media)
{
  bool is_first;
  {
    const MutexLock lock(mutex_);
    is_first = outputs_.empty();
    for (const auto &output : outputs_)
      for (const SessionMedia &section : media)
        if (section.local.kind == output->kind())
          output->set_codecs(received_codecs(section));
  }
  make_pads(media);
  if (is_first)
    gst_element_no_more_pads(GST_ELEMENT(element_));
}

GstPadTemplate *Player::template_of(MediaKind kind) const
{
  return gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(element_),
                                            (std::string(name_of(kind)) + "_%u").c_str());
}

// Those that are not there yet: a peer that comes back may have more than before.
void Player::make_pads(const std::vector<SessionMedia> &media)
{
  const auto session = this->session();
  std::vector<std::shared_ptr<PlayOutput>> all;
  {
    const MutexLock lock(mutex_);
    all = outputs_;
  }
  std::vector<std::shared_ptr<PlayOutput>> made;
  for (const SessionMedia &section : media) {
    const MediaKind kind = section.local.kind;
    const auto is_kind = [&](const auto &output) { return output->kind() == kind; };
    if (session->output(kind) == nullptr || std::any_of(all.begin(), all.end(), is_kind))
      continue;
    PlayOutputSettings settings;
    settings.kind = kind;
    settings.latency =
        GST_MSECOND * (kind == MediaKind::Video ? settings_.session.video_latency_ms
                                                : settings_.session.audio_latency_ms);
    settings.group_id = group_id_;
    settings.request_keyframe = [raw = session.get()] { raw->request_keyframe(); };
    made.push_back(std::make_shared<PlayOutput>(element_, template_of(kind),
                                                std::string(name_of(kind)) + "_0",
                                                std::move(settings), received_codecs(section)));
    all.push_back(made.back());
  }
  if (made.empty())
    return;
  // Who links "the" pad, as in a launch line, means the picture.
  std::stable_partition(made.begin(), made.end(),
                        [](const auto &output) { return output->kind() == MediaKind::Video; });
  const auto collection = adopt_object(gst_stream_collection_new("webrtc"));
  for (const auto &output : all)
    gst_stream_collection_add_stream(collection.get(),
                                     static_cast<GstStream *>(gst_object_ref(output->stream())));
  {
    const MutexLock lock(mutex_);
    outputs_ = all;
  }
  gst_element_post_message(GST_ELEMENT(element_), gst_message_new_stream_collection(
                                                      GST_OBJECT(element_), collection.get()));
  for (const auto &output : made) {
    output->set_collection(collection.get());
    output->attach(session->output(output->kind()));
    gst_element_add_pad(GST_ELEMENT(element_), output->pad());
  }
}

// Not in the I/O context: whoever is behind the pads may block.
void Player::end_pads()
{
  struct Call {
    Player *self;  // The element keeps it, which is kept until the call returns.
    std::shared_ptr<MediaSession> session;
    guint run;
    guint group_id;
  };
  gst_element_call_async(
      GST_ELEMENT(element_),
      [](GstElement *, gpointer data) {
        const auto *call = static_cast<Call *>(data);
        if (!call->session)
          return;
        call->session->end_outputs();
        if (call->self->is_eos_)
          call->self->end_missing_pads(call->run, call->group_id);
      },
      new Call{this, session(), late_pads_.run(), group_id_},
      [](gpointer data) { delete static_cast<Call *>(data); });
}

// The peer is over: no pads come any more.
void Player::end_missing_pads(guint run, guint group_id)
{
  std::vector<std::shared_ptr<PlayOutput>> outputs;
  {
    const MutexLock lock(mutex_);
    outputs = outputs_;
  }
  for (const MediaKind kind : {MediaKind::Video, MediaKind::Audio}) {
    const auto there = std::find_if(outputs.begin(), outputs.end(),
                                    [&](const auto &output) { return output->kind() == kind; });
    // One that nobody could link, for its codec, say, keeps its name.
    if (there == outputs.end() || !gst_pad_is_linked((*there)->pad()))
      late_pads_.add(run, name_of(kind) + std::string(there == outputs.end() ? "_0" : "_1"),
                     template_of(kind), group_id);
  }
  if (outputs.empty() && run == late_pads_.run())
    gst_element_no_more_pads(GST_ELEMENT(element_));
  late_pads_.end(run);
}

StructurePtr Player::stats() const
{
  const auto current = peer();
  StructurePtr stats = current ? current->stats() : unbegun_stats();
  std::vector<std::shared_ptr<PlayOutput>> outputs;
  {
    const MutexLock lock(mutex_);
    outputs = outputs_;
  }
  for (const auto &output : outputs) {
    const PlayOutputStats of = output->stats();
    const StructurePtr entry(gst_structure_new(
        "pad", "decoding", G_TYPE_BOOLEAN, of.is_decoding, "passed", G_TYPE_UINT64, of.passed,
        "times-mended", G_TYPE_UINT64, of.times_mended, "dropped-unlinked", G_TYPE_UINT64,
        of.dropped_unlinked, "dropped-full", G_TYPE_UINT64, of.dropped_full, "dropped-no-keyframe",
        G_TYPE_UINT64, of.dropped_no_key, "refused", G_TYPE_UINT64, of.refused, nullptr));
    gst_structure_set(stats.get(), GST_PAD_NAME(output->pad()), GST_TYPE_STRUCTURE, entry.get(),
                      nullptr);
  }
  return stats;
}

}  // namespace streamlib::webrtc
