// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/control_socket.h"

#ifdef G_OS_UNIX

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gst/streamlib/graph/json.h"

namespace streamlib::graph {

using support::Done;
using support::Failure;
using support::Result;
using support::Status;

namespace {

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif

constexpr gulong kRestUs = 20 * 1000;

// A file descriptor that closes itself.
class Descriptor {
public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor &operator=(Descriptor &&other) noexcept
  {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor()
  {
    if (fd_ >= 0)
      close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

private:
  int fd_ = -1;
};

bool prepare(int fd)
{
  return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

Failure failure(const std::string &path, const std::string &what)
{
  return Failure{0, "the control socket '" + path + "' cannot be opened: " + what, {}};
}

Status to_address(const std::string &path, sockaddr_un &address)
{
  address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return failure(path, "a path has 1 to " + std::to_string(sizeof(address.sun_path) - 1) +
                             " bytes; choose a shorter one");
  memcpy(address.sun_path, path.c_str(), path.size());
  return Done{};
}

// Makes place where a graph that has crashed left its socket.
Status remove_dead(const std::string &path, const sockaddr_un &address)
{
  struct stat file;
  if (lstat(path.c_str(), &file) != 0)
    return errno == ENOENT ? Status(Done{}) : failure(path, strerror(errno));
  if (!S_ISSOCK(file.st_mode))
    return failure(path, "there is another file of that name; choose another path");
  const Descriptor probe(socket(AF_UNIX, SOCK_STREAM, 0));
  if (!probe || !prepare(probe.get()))
    return failure(path, strerror(errno));
  if (connect(probe.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) == 0 ||
      errno == EAGAIN)
    return failure(path, "another graph serves it; choose another path");
  if (errno != ECONNREFUSED || unlink(path.c_str()) != 0)
    return failure(path, strerror(errno));
  return Done{};
}

bool is_own_user(int fd)
{
#ifdef SO_PEERCRED
  struct ucred peer = {};
  socklen_t size = sizeof(peer);
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == geteuid() || peer.uid == 0);
#else
  // The permissions of the file have to do.
  return true;
#endif
}

std::string error_line(const char *text)
{
  Json answer(Json::Object{});
  answer.set("error", text);
  return write_json(answer) + "\n";
}

struct Peer {
  Descriptor fd;
  std::string request;  // Read so far, without an end of line.
  std::string answer;   // Not written yet.
  int64_t answer_since = 0;
  int64_t heard_at = 0;
  bool is_last = false;  // It is closed after its answer.

  bool has_work() const { return !answer.empty() || request.find('\n') != std::string::npos; }
};

struct Remembered {
  int64_t made_at = 0;
  std::string line;
};

}  // namespace

class ControlSocket::Server {
public:
  explicit Server(Answers answers) : answers_(std::move(answers)) {}
  Server(const Server &) = delete;
  Server &operator=(const Server &) = delete;
  ~Server()
  {
    struct stat file;
    const bool is_ours =
        lstat(path_.c_str(), &file) == 0 && file.st_ino == inode_ && file.st_dev == device_;
    if (listener_ && is_ours)
      unlink(path_.c_str());
  }

  Status open(const std::string &path)
  {
    sockaddr_un address;
    Status ok = to_address(path, address);
    if (ok)
      ok = remove_dead(path, address);
    if (!ok)
      return ok;
    int ends[2];
    if (pipe(ends) != 0)
      return failure(path, strerror(errno));
    wake_reader_ = Descriptor(ends[0]);
    wake_writer_ = Descriptor(ends[1]);
    Descriptor listener(socket(AF_UNIX, SOCK_STREAM, 0));
    // The mode of the descriptor becomes that of the file: it is never another one.
    if (!listener || !prepare(listener.get()) || !prepare(ends[0]) || !prepare(ends[1]) ||
        fchmod(listener.get(), S_IRUSR | S_IWUSR) != 0 ||
        bind(listener.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) != 0)
      return failure(path, strerror(errno));
    path_ = path;
    listener_ = std::move(listener);
    struct stat file;
    if (lstat(path.c_str(), &file) != 0)
      return failure(path, strerror(errno));
    inode_ = file.st_ino;
    device_ = file.st_dev;
    // Where the system does not do so by itself.
    if ((file.st_mode & 0777) != 0600 && chmod(path.c_str(), 0600) != 0)
      return failure(path, strerror(errno));
    if (listen(listener_.get(), kMostPeers) != 0)
      return failure(path, strerror(errno));
    return Done{};
  }

  void wake() const { (void)!write(wake_writer_.get(), "x", 1); }

  void run()
  {
    for (;;) {
      std::vector<pollfd> polled{{wake_reader_.get(), POLLIN, 0}};
      // Those that come while all places are taken wait in the backlog.
      const bool has_place = peers_.size() < kMostPeers;
      polled.push_back({has_place ? listener_.get() : -1, POLLIN, 0});
      for (const Peer &peer : peers_)
        polled.push_back({peer.fd.get(), peer.has_work() ? short{POLLOUT} : short{POLLIN}, 0});
      if (poll(polled.data(), polled.size(), patience()) < 0 && errno != EINTR)
        return;
      if (polled[0].revents != 0)
        return;
      const int64_t now = g_get_monotonic_time();
      for (size_t i = peers_.size(); i-- > 0;) {
        if (!serve(peers_[i], polled[i + 2].revents, now))
          peers_.erase(peers_.begin() + static_cast<std::ptrdiff_t>(i));
      }
      if (peers_.size() == kMostPeers)
        drop_silent_peer(now);
      if (polled[1].revents != 0)
        accept_peer();
    }
  }

private:
  // Peers that do not read or do not ask are looked at now and then; without any there is nothing
  // to look at.
  int patience() const
  {
    const bool is_watching = peers_.size() == kMostPeers ||
                             std::any_of(peers_.begin(), peers_.end(),
                                         [](const Peer &peer) { return !peer.answer.empty(); });
    return is_watching ? kSlowestPeerMs / 4 : -1;
  }

  void drop_silent_peer(int64_t now)
  {
    const auto oldest = std::min_element(
        peers_.begin(), peers_.end(),
        [](const Peer &one, const Peer &other) { return one.heard_at < other.heard_at; });
    if (now - oldest->heard_at > kSilentPeerMs * G_TIME_SPAN_MILLISECOND)
      peers_.erase(oldest);
  }

  void accept_peer()
  {
    Descriptor fd(accept(listener_.get(), nullptr, nullptr));
    // There may be no descriptor left: it is tried again, but not without a rest.
    if (!fd)
      g_usleep(kRestUs);
    if (!fd || !prepare(fd.get()) || !is_own_user(fd.get()))
      return;
#ifdef SO_NOSIGPIPE
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
    peers_.emplace_back();
    peers_.back().fd = std::move(fd);
    peers_.back().heard_at = g_get_monotonic_time();
  }

  // False when the connection ends. One answer in a turn, so that everybody has theirs.
  bool serve(Peer &peer, int events, int64_t now)
  {
    if (!peer.answer.empty()) {
      if (now - peer.answer_since > kSlowestPeerMs * G_TIME_SPAN_MILLISECOND)
        return false;
      return events == 0 || send_rest(peer);
    }
    if (events == 0)
      return true;
    if (peer.has_work())
      return answer_next(peer, now);
    char part[1024];
    const ssize_t size = recv(peer.fd.get(), part, sizeof(part), 0);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
      return false;
    peer.heard_at = now;
    if (size > 0)
      peer.request.append(part, static_cast<size_t>(size));
    return answer_next(peer, now);
  }

  // The next request is read when the answer has gone out.
  bool answer_next(Peer &peer, int64_t now)
  {
    const size_t end = peer.request.find('\n');
    if (end == std::string::npos && peer.request.size() <= kLongestRequest)
      return true;
    if (end == std::string::npos || end > kLongestRequest) {
      peer.answer = error_line("a request has 4096 bytes at most, and ends with a line feed");
      peer.is_last = true;
      peer.request.clear();
    } else {
      peer.answer = answer_to(std::string_view(peer.request).substr(0, end), now);
      peer.request.erase(0, end + 1);
    }
    peer.answer_since = g_get_monotonic_time();
    return send_rest(peer);
  }

  static bool send_rest(Peer &peer)
  {
    const ssize_t sent = send(peer.fd.get(), peer.answer.data(), peer.answer.size(), kSendFlags);
    if (sent < 0)
      return errno == EAGAIN || errno == EINTR;
    peer.answer.erase(0, static_cast<size_t>(sent));
    return !peer.answer.empty() || !peer.is_last;
  }

  std::string answer_to(std::string_view request, int64_t now)
  {
    const auto json = parse_json(request);
    const Json *wanted = json ? json->find("request") : nullptr;
    const std::string *name = wanted != nullptr ? wanted->string() : nullptr;
    if (name != nullptr && *name == "stats")
      return remembered(stats_, "stats", answers_.stats, now);
    if (name != nullptr && *name == "describe")
      return remembered(describe_, "describe", answers_.describe, now);
    return error_line(R"(a request is {"request": "stats"} or {"request": "describe"})");
  }

  static std::string remembered(Remembered &answer, const char *name,
                                const std::function<std::string()> &make, int64_t now)
  {
    if (answer.made_at == 0 || now - answer.made_at > kLeastIntervalMs * G_TIME_SPAN_MILLISECOND) {
      answer.line = std::string("{\"") + name + "\":" + make() + "}\n";
      answer.made_at = g_get_monotonic_time();
    }
    return answer.line;
  }

  const Answers answers_;
  std::string path_;
  ino_t inode_ = 0;
  dev_t device_ = 0;
  Descriptor listener_;
  Descriptor wake_reader_;
  Descriptor wake_writer_;
  // The thread's own.
  std::vector<Peer> peers_;
  Remembered stats_;
  Remembered describe_;
};

Result<std::unique_ptr<ControlSocket>> ControlSocket::open(const std::string &path, Answers answers)
{
  auto server = std::make_unique<Server>(std::move(answers));
  Status opened = server->open(path);
  if (!opened)
    return opened.take_error();
  std::unique_ptr<ControlSocket> result(new ControlSocket(std::move(server)));
  const auto run = [](gpointer data) -> gpointer {
    static_cast<Server *>(data)->run();
    return nullptr;
  };
  result->thread_ = g_thread_try_new("sl-control", run, result->server_.get(), nullptr);
  if (result->thread_ == nullptr)
    return failure(path, "no thread could be started; look at the limits of the system");
  return result;
}

ControlSocket::ControlSocket(std::unique_ptr<Server> server) : server_(std::move(server)) {}

ControlSocket::~ControlSocket()
{
  if (thread_ == nullptr)
    return;
  server_->wake();
  g_thread_join(thread_);
}

}  // namespace streamlib::graph

#else

namespace streamlib::graph {

class ControlSocket::Server {};

support::Result<std::unique_ptr<ControlSocket>> ControlSocket::open(const std::string &, Answers)
{
  return support::Failure{0, "this system has no control sockets", {}};
}

ControlSocket::ControlSocket(std::unique_ptr<Server> server) : server_(std::move(server)) {}
ControlSocket::~ControlSocket() = default;

}  // namespace streamlib::graph

#endif
