// SPDX-License-Identifier: LGPL-2.1-or-later
// Transports through a real TURN server: coturn, on loopback.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <signal.h>
#include <sys/wait.h>

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "webrtc_transport_peers.h"

using namespace webrtc_peers;

constexpr char kServer[] = "turnserver";

static guint16 find_port()
{
  GSocket *socket =
      g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, nullptr);
  GInetAddress *loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
  GSocketAddress *any = g_inet_socket_address_new(loopback, 0);
  fail_unless(g_socket_bind(socket, any, FALSE, nullptr));
  GSocketAddress *bound = g_socket_get_local_address(socket, nullptr);
  const guint16 port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound));
  g_object_unref(bound);
  g_object_unref(any);
  g_object_unref(loopback);
  g_object_unref(socket);
  return port;
}

static bool is_listening(guint16 port)
{
  GSocketClient *client = g_socket_client_new();
  GSocketConnection *connection =
      g_socket_client_connect_to_host(client, "127.0.0.1", port, nullptr, nullptr);
  const bool is_there = connection != nullptr;
  g_clear_object(&connection);
  g_object_unref(client);
  return is_there;
}

class Server {
public:
  Server() : port(find_port()), folder_(g_dir_make_tmp("streamlib-turn-XXXXXX", nullptr))
  {
    const std::string number = std::to_string(port);
    const std::string folder = folder_;
    const std::vector<std::string> arguments = {kServer,
                                                "-n",
                                                "--listening-ip=127.0.0.1",
                                                "--relay-ip=127.0.0.1",
                                                "--listening-port=" + number,
                                                "--no-tls",
                                                "--no-dtls",
                                                "--no-cli",
                                                "--lt-cred-mech",
                                                "--user=user:secret-word",
                                                "--realm=test",
                                                "--allow-loopback-peers",
                                                "--pidfile=" + folder + "/pid",
                                                "--userdb=" + folder + "/db",
                                                "--log-file=" + folder + "/log",
                                                "--simple-log"};
    std::vector<gchar *> argv;
    for (const std::string &argument : arguments)
      argv.push_back(const_cast<gchar *>(argument.c_str()));
    argv.push_back(nullptr);
    GError *error = nullptr;
    const bool is_started =
        g_spawn_async(
            folder_, argv.data(), nullptr,
            static_cast<GSpawnFlags>(G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                                     G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL),
            nullptr, nullptr, &pid_, &error) != FALSE;
    fail_unless(is_started, "%s", error != nullptr ? error->message : "");
    bool is_there = false;
    for (int i = 0; i < 1000 && !is_there; i++) {
      g_usleep(10000);
      is_there = is_listening(port);
    }
    fail_unless(is_there, "coturn does not listen");
  }
  Server(const Server &) = delete;
  Server &operator=(const Server &) = delete;
  ~Server()
  {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    for (const char *name : {"pid", "db", "log"}) {
      gchar *path = g_build_filename(folder_, name, nullptr);
      g_remove(path);
      g_free(path);
    }
    g_rmdir(folder_);
    g_free(folder_);
  }

  IceServer as(const char *transport, const char *word = "secret-word") const
  {
    return {"turn:127.0.0.1:" + std::to_string(port) + "?transport=" + transport, "user", word};
  }

  const guint16 port;

private:
  gchar *const folder_;
  GPid pid_ = 0;
};

static bool all_relayed(const Peer &peer)
{
  return !peer.candidates.empty() &&
         std::all_of(peer.candidates.begin(), peer.candidates.end(), [](const auto &one) {
           return one.second.find(" typ relay") != std::string::npos;
         });
}

// One side or both by relays only, over UDP and over TCP.
GST_START_TEST(media_goes_through_the_relay)
{
  const char *transport = (__i__ & 1) == 0 ? "udp" : "tcp";
  const bool both = (__i__ & 2) != 0;
  Server server;
  Context context;
  const auto relay = [&](TransportSettings &settings) {
    settings.relay_only = true;
    // A server that cannot be used and one that does not answer are no obstacle.
    settings.servers = {{"turns:127.0.0.1", "user", "secret-word"}, server.as(transport)};
  };
  Peer a(context, true, relay);
  Peer b(context, false, both ? std::function<void(TransportSettings &)>(relay) : nullptr);
  fail_unless(connect(context, a, b));
  fail_unless(all_relayed(a));
  fail_unless(all_relayed(b) == both);
  fail_unless_equals_int(a.warnings.size(), 1);
  for (guint16 i = 0; i < 50; i++) {
    a->send(PacketKind::Rtp, make_rtp(i, 1100));
    b->send(PacketKind::Rtp, make_rtp(i, 1100));
    context.serve(1);
  }
  fail_unless(has_rtp(context, b, 50) && has_rtp(context, a, 50));
  const TransportStats stats = a->stats();
  fail_unless(stats.local_address.rfind("relay ", 0) == 0, "%s", stats.local_address.c_str());
  const gint64 begin_us = g_get_monotonic_time();
  fail_unless(close(context, a));
  fail_unless(close(context, b));
  fail_unless(g_get_monotonic_time() - begin_us < 4 * G_USEC_PER_SEC);
}
GST_END_TEST

GST_START_TEST(wrong_credential_gives_no_relay)
{
  Server server;
  Context context;
  Peer a(context, true,
         [&](TransportSettings &settings) { settings.servers = {server.as("udp", "other-word")}; });
  fail_unless(gather(context, a));
  fail_unless(!a.candidates.empty());
  for (const auto &one : a.candidates)
    fail_unless(one.second.find(" typ relay") == std::string::npos);
  fail_unless(close(context, a));
}
GST_END_TEST

static Suite *webrtc_turn_suite()
{
  Suite *suite = suite_create("webrtc-turn");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_loop_test(tc, media_goes_through_the_relay, 0, 4);
  tcase_add_test(tc, wrong_credential_gives_no_relay);
  return suite;
}

int main(int argc, char **argv)
{
  gchar *path = g_find_program_in_path(kServer);
  if (path == nullptr) {
    g_print("skipped: there is no %s (Debian: coturn)\n", kServer);
    return 77;
  }
  g_free(path);
  gst_check_init(&argc, &argv);
  return gst_check_run_suite(webrtc_turn_suite(), "webrtc_turn", __FILE__);
}
