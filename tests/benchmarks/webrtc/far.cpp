// SPDX-License-Identifier: LGPL-2.1-or-later
#include "far.h"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>

#include <libsoup/soup.h>
#include <unistd.h>

#include <glib-unix.h>

#include "board.h"
#include "ext/webrtc/sdp/codecs.h"
#include "ext/webrtc/sdp/fragment.h"
#include "ext/webrtc/sdp/negotiation.h"
#include "ext/webrtc/session/media_session.h"
#include "ext/webrtc/transport/transport.h"
#include "gst/support/ownership.h"
#include "material.h"
#include "watch.h"

namespace streamlib::bench {

using namespace streamlib::webrtc;
using support::adopt_object;
using support::GObjectPtr;
using support::share_object;
using support::sink_object;

namespace {

constexpr const char *kSdpType = "application/sdp";

struct FarPlan {
  bool is_sending = false;
  Show show = Show::kEncoded;
  Slot *slot = nullptr;
};

// The main thread, all of it.
class FarSession final : public TransportListener, public SessionListener {
public:
  FarSession(const FarPlan &plan, Feeder &feeder, std::function<void()> gone)
      : plan_(plan),
        feeder_(feeder),
        gone_(std::move(gone)),
        pipeline_(sink_object(gst_pipeline_new(nullptr))),
        session_(std::make_unique<MediaSession>(session_settings(), this))
  {
    gst_bin_add(GST_BIN(pipeline_.get()), session_->bin());
    if (plan_.is_sending) {
      add_source(MediaKind::Video, kVideoFeed);
      add_source(MediaKind::Audio, kAudioFeed);
    }
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
    if (plan_.is_sending)
      feeder_.add(pipeline_.get(), *plan_.slot);
  }

  bool answer(const std::string &offer, std::function<void(std::string)> ready)
  {
    auto parsed = parse_description(offer, SdpType::Offer);
    if (!parsed) {
      fprintf(stderr, "the offer cannot be read: %s\n", parsed.error().text().c_str());
      return false;
    }
    TransportSettings settings;
    settings.is_offering = false;
    settings.with_loopback = true;
    auto made = Transport::create(g_main_context_default(), settings, *this, *session_);
    if (!made)
      return false;
    transport_ = *made;
    on_gathered_ = [this, offer = std::move(*parsed), ready = std::move(ready)] {
      auto answered = make_answer(offer, local_side());
      if (!answered) {
        fprintf(stderr, "the offer has no answer: %s\n", answered.error().text().c_str());
        ready("");
        return;
      }
      ready(begin(answered->negotiated) ? write_description(answered->description) : "");
    };
    return transport_->start_gathering().ok();
  }

  bool add_candidates(const IceFragment &fragment)
  {
    return transport_ &&
           transport_
               ->add_remote_candidates(fragment.credentials.ufrag, fragment.candidates,
                                       fragment.end_of_candidates)
               .ok();
  }

  void close(std::function<void()> done)
  {
    on_gathered_ = nullptr;
    if (plan_.is_sending)
      feeder_.remove(pipeline_.get());
    session_->stop();
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
    if (transport_)
      transport_->close(std::move(done));
    else
      done();
  }

private:
  static SessionSettings session_settings()
  {
    SessionSettings settings;
    // What is measured is the other side.
    settings.video_latency_ms = settings.audio_latency_ms = 0;
    return settings;
  }

  GObjectPtr<GstElement> add_line(const std::string &line)
  {
    GError *error = nullptr;
    auto bin = sink_object(gst_parse_bin_from_description(line.c_str(), TRUE, &error));
    if (error != nullptr) {
      fprintf(stderr, "%s: %s\n", line.c_str(), error->message);
      exit(2);
    }
    gst_bin_add(GST_BIN(pipeline_.get()), bin.get());
    return bin;
  }

  void add_source(MediaKind kind, const char *line)
  {
    const auto bin = add_line(line);
    const auto src = adopt_object(gst_element_get_static_pad(bin.get(), "src"));
    gst_pad_link(src.get(), session_->add_input(kind));
  }

  void add_sink(MediaKind kind)
  {
    GstPad *output = session_->output(kind);
    if (output == nullptr)
      return;
    const bool decodes = plan_.show != Show::kEncoded;
    std::string line;
    if (kind == MediaKind::Video)
      line = (decodes ? "avdec_h264 ! " : "") + video_sink(plan_.show);
    else
      line = (decodes ? "opusdec ! " : "") + audio_sink(plan_.show);
    const auto bin = add_line(line);
    watch(bin.get(), plan_.show, *plan_.slot);
    gst_element_sync_state_with_parent(bin.get());
    const auto sink = adopt_object(gst_element_get_static_pad(bin.get(), "sink"));
    gst_pad_link(output, sink.get());
  }

  LocalSide local_side() const
  {
    LocalSide side;
    side.session_id = 1;
    side.direction = plan_.is_sending ? Direction::SendOnly : Direction::RecvOnly;
    side.transport = transport_->local_parameters();
    side.cname = "far";
    side.stream_id = "stream";
    side.media.push_back({MediaKind::Audio, {opus_codec()}, g_random_int(), std::nullopt, "sound"});
    side.media.push_back(
        {MediaKind::Video, {h264_codec("42e01f")}, g_random_int(), g_random_int(), "picture"});
    return side;
  }

  bool begin(const Negotiated &negotiated)
  {
    std::vector<SessionMedia> media;
    for (const NegotiatedMedia &section : negotiated.media)
      media.push_back({section.local, section.remote});
    if (!session_->begin(std::move(media), transport_.get()))
      return false;
    add_sink(MediaKind::Video);
    add_sink(MediaKind::Audio);
    return transport_->set_remote(negotiated.remote).ok();
  }

  void state_changed(TransportState state, const std::string &, const std::string &) override
  {
    session_->set_connected(state == TransportState::Connected);
    if (state == TransportState::Failed || state == TransportState::Closed ||
        state == TransportState::Disconnected)
      gone_();
  }
  void candidate_found(const std::string &, const std::string &) override {}
  void gathering_done(const std::string &) override
  {
    if (const auto next = std::exchange(on_gathered_, nullptr))
      next();
  }
  void restart_ended(bool) override {}
  void warned(const std::string &, const std::string &) override {}
  void inputs_ended() override {}
  void bye_sent() override {}
  void bye_received(uint32_t) override {}

  const FarPlan plan_;
  Feeder &feeder_;
  const std::function<void()> gone_;
  GObjectPtr<GstElement> pipeline_;
  std::unique_ptr<MediaSession> session_;
  std::shared_ptr<Transport> transport_;
  std::function<void()> on_gathered_;
};

class FarServer {
public:
  FarServer(const Board &board, Feeder &feeder)
      : board_(board), feeder_(feeder), server_(adopt_object(soup_server_new(nullptr, nullptr)))
  {
    soup_server_add_handler(server_.get(), nullptr, handle, this, nullptr);
  }

  bool listen()
  {
    if (!soup_server_listen_local(server_.get(), 0, SOUP_SERVER_LISTEN_IPV4_ONLY, nullptr))
      return false;
    GSList *uris = soup_server_get_uris(server_.get());
    printf("port %d\n", g_uri_get_port(static_cast<GUri *>(uris->data)));
    fflush(stdout);
    g_slist_free_full(uris, [](gpointer uri) { g_uri_unref(static_cast<GUri *>(uri)); });
    return true;
  }

private:
  // A request that is answered later, unless its client goes.
  struct Held {
    GObjectPtr<SoupServerMessage> message;
    bool has_client = true;
  };

  static void handle(SoupServer *, SoupServerMessage *message, const char *path, GHashTable *query,
                     gpointer self)
  {
    static_cast<FarServer *>(self)->take(message, path, query);
  }

  static void give(SoupServerMessage *message, guint status, const char *type = nullptr,
                   const std::string &text = "")
  {
    soup_server_message_set_status(message, status, nullptr);
    if (type != nullptr)
      soup_server_message_set_response(message, type, SOUP_MEMORY_COPY, text.data(), text.size());
  }

  void take(SoupServerMessage *message, const std::string &path, GHashTable *query)
  {
    const std::string method = soup_server_message_get_method(message);
    // A kept connection is not closed here when its client closes it.
    soup_message_headers_replace(soup_server_message_get_response_headers(message), "Connection",
                                 "close");
    if (method == "POST" && (path == "/whip" || path == "/whep"))
      post(message, path == "/whep", query);
    else if (method == "GET" && path == "/sessions")
      give(message, 200, "text/plain", std::to_string(sessions_.size()));
    else if (sessions_.count(path) == 0)
      give(message, 404);
    else if (method == "PATCH")
      patch(message, *sessions_[path]);
    else if (method == "DELETE") {
      give(message, 200);
      remove(path);
    } else
      give(message, 405);
  }

  FarPlan plan_of(bool is_sending, GHashTable *query) const
  {
    const auto value = [&](const char *name) -> std::string {
      const void *text = query != nullptr ? g_hash_table_lookup(query, name) : nullptr;
      return text != nullptr ? static_cast<const char *>(text) : "";
    };
    FarPlan plan;
    plan.is_sending = is_sending;
    plan.slot = &board_.slot(static_cast<unsigned>(atoi(value("slot").c_str())));
    if (value("show") == "decoded")
      plan.show = Show::kDecoded;
    else if (value("show") == "read")
      plan.show = Show::kRead;
    return plan;
  }

  void post(SoupServerMessage *message, bool is_sending, GHashTable *query)
  {
    const std::string path = "/session/" + std::to_string(next_++);
    const auto session = std::make_shared<FarSession>(plan_of(is_sending, query), feeder_,
                                                      [this, path] { remove(path); });
    sessions_[path] = session;
    const auto held = std::make_shared<Held>();
    held->message = share_object(message);
    g_signal_connect_data(
        message, "disconnected", G_CALLBACK(+[](SoupServerMessage *, gpointer data) {
          (*static_cast<std::shared_ptr<Held> *>(data))->has_client = false;
        }),
        new std::shared_ptr<Held>(held),
        [](gpointer data, GClosure *) { delete static_cast<std::shared_ptr<Held> *>(data); },
        GConnectFlags(0));
    soup_server_message_pause(message);
    const auto ready = [this, held, path](const std::string &sdp) {
      if (!held->has_client) {
        remove(path);
        return;
      }
      SoupServerMessage *asked = held->message.get();
      soup_message_headers_replace(soup_server_message_get_response_headers(asked), "Location",
                                   path.c_str());
      give(asked, sdp.empty() ? 422 : 201, kSdpType, sdp);
      soup_server_message_unpause(asked);
      if (sdp.empty())
        remove(path);
    };
    const SoupMessageBody *body = soup_server_message_get_request_body(message);
    if (!session->answer({body->data, static_cast<size_t>(body->length)}, ready))
      ready("");
  }

  static void patch(SoupServerMessage *message, FarSession &session)
  {
    const SoupMessageBody *body = soup_server_message_get_request_body(message);
    auto parsed = parse_fragment({body->data, static_cast<size_t>(body->length)});
    give(message, parsed && session.add_candidates(parsed->fragment) ? 204 : 400);
  }

  // It goes when its transport has said its last word.
  void remove(const std::string &path)
  {
    const auto found = sessions_.find(path);
    if (found == sessions_.end())
      return;
    const std::shared_ptr<FarSession> session = found->second;
    sessions_.erase(found);
    session->close([session] {});
  }

  const Board &board_;
  Feeder &feeder_;
  const GObjectPtr<SoupServer> server_;
  std::map<std::string, std::shared_ptr<FarSession>> sessions_;
  int next_ = 1;
};

}  // namespace

int serve_far_end(const std::string &board_path, const std::string &material_path)
{
  const Board board(board_path);
  const Material material = Material::load(material_path);
  Feeder feeder(material);
  FarServer server(board, feeder);
  if (material.pictures.empty() || !server.listen())
    return 2;
  GMainLoop *loop = g_main_loop_new(nullptr, FALSE);
  g_unix_fd_add(
      STDIN_FILENO, static_cast<GIOCondition>(G_IO_IN | G_IO_HUP),
      [](gint, GIOCondition, gpointer loop) -> gboolean {
        g_main_loop_quit(static_cast<GMainLoop *>(loop));
        return G_SOURCE_REMOVE;
      },
      loop);
  g_main_loop_run(loop);
  // Its peers are gone; nothing is to be tidied up.
  fflush(nullptr);
  _exit(0);
}

}  // namespace streamlib::bench
