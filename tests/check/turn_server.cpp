// SPDX-License-Identifier: LGPL-2.1-or-later
#include "turn_server.h"

#include <csignal>
#include <memory>
#include <vector>

#include <sys/wait.h>

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>

#include "gst/support/ownership.h"

namespace fixture {

using streamlib::support::adopt_object;
using streamlib::support::CStr;
using streamlib::support::GObjectPtr;

namespace {

constexpr char kServer[] = "turnserver";

GObjectPtr<GSocketAddress> address_at(const std::string &address, guint16 port)
{
  return adopt_object(g_inet_socket_address_new_from_string(address.c_str(), port));
}

GObjectPtr<GSocket> make_socket()
{
  return adopt_object(
      g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, nullptr));
}

guint16 find_port(const std::string &address)
{
  const auto socket = make_socket();
  fail_unless(g_socket_bind(socket.get(), address_at(address, 0).get(), FALSE, nullptr));
  const auto bound = adopt_object(g_socket_get_local_address(socket.get(), nullptr));
  return g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound.get()));
}

// No thread is made for it, so that a test may fork afterwards.
bool is_listening(const std::string &address, guint16 port)
{
  return g_socket_connect(make_socket().get(), address_at(address, port).get(), nullptr, nullptr) !=
         FALSE;
}

}  // namespace

bool TurnServer::is_installed()
{
  const CStr path(g_find_program_in_path(kServer));
  return path != nullptr;
}

TurnServer::TurnServer(const char *address)
    : address(address),
      port(find_port(this->address)),
      folder_(g_dir_make_tmp("streamlib-turn-XXXXXX", nullptr))
{
  const std::string folder = folder_;
  const std::vector<std::string> arguments = {kServer,
                                              "-n",
                                              "--listening-ip=" + this->address,
                                              "--relay-ip=" + this->address,
                                              "--listening-port=" + std::to_string(port),
                                              "--no-tls",
                                              "--no-dtls",
                                              "--no-cli",
                                              "--lt-cred-mech",
                                              std::string("--user=") + kUser + ":" + kPassword,
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
    is_there = is_listening(this->address, port);
  }
  fail_unless(is_there, "coturn does not listen");
}

TurnServer::~TurnServer()
{
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  for (const char *name : {"pid", "db", "log"}) {
    const CStr path(g_build_filename(folder_, name, nullptr));
    g_remove(path.get());
  }
  g_rmdir(folder_);
  g_free(folder_);
}

void TurnServer::freeze() const
{
  kill(pid_, SIGSTOP);
}

void TurnServer::go_on() const
{
  kill(pid_, SIGCONT);
}

std::string TurnServer::uri(const char *transport) const
{
  return "turn:" + address + ":" + std::to_string(port) + "?transport=" + transport;
}

}  // namespace fixture
