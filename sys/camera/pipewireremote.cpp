// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/pipewireremote.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace streamlib::camera {

namespace {

using std::chrono::milliseconds;

constexpr const char *kDefaultName = "pipewire-0";
constexpr milliseconds kReadStep{10};
constexpr int kReadSteps = 25;

const char *variable(const char *name)
{
  const char *value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

// The connected socket, or -1.
int connect_to(const std::string &path)
{
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return -1;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  // A server that does not accept must not hold the caller.
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

std::shared_ptr<PipeWireRemote> PipeWireRemote::connect()
{
  const char *remote = variable("PIPEWIRE_REMOTE");
  const std::string name = remote != nullptr ? remote : kDefaultName;
  int fd = -1;
  if (name[0] == '/') {
    fd = connect_to(name);
  } else {
    for (const char *folder : {"PIPEWIRE_RUNTIME_DIR", "XDG_RUNTIME_DIR", "USERPROFILE"}) {
      // The first one that is set is the one.
      if (const char *path = variable(folder)) {
        fd = connect_to(std::string(path) + "/" + name);
        break;
      }
    }
  }
  return fd >= 0 ? std::make_shared<PipeWireRemote>(fd) : nullptr;
}

PipeWireRemote::~PipeWireRemote()
{
  close(fd_);
}

bool PipeWireRemote::is_gone() const
{
  pollfd wait = {fd_, POLLRDHUP, 0};
  return poll(&wait, 1, 0) > 0 && (wait.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void PipeWireRemote::silence()
{
  shutdown(fd_, SHUT_RDWR);
  int unread = 1;
  for (int i = 0; i < kReadSteps && unread > 0; i++) {
    std::this_thread::sleep_for(kReadStep);
    if (ioctl(fd_, FIONREAD, &unread) != 0)
      return;
  }
  // What was read last may still be worked on.
  std::this_thread::sleep_for(kReadStep);
}

}  // namespace streamlib::camera
