// SPDX-License-Identifier: LGPL-2.1-or-later
// A Wayland compositor without a screen, whose hand on mouse and keyboard is the test's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace fakecompositor {

// What stands on the screen: the surface that was given pixels last.
struct Seen {
  // Commits with pixels, of all surfaces.
  int frames = 0;
  int width = 0;
  int height = 0;
  // The pixel in the middle, as 0xRRGGBB.
  uint32_t middle = 0;
  // A window of its own, or a subsurface at this place of another surface.
  bool toplevel = false;
  bool subsurface = false;
  int x = 0;
  int y = 0;
  // Surfaces that are there, with pixels or without.
  int surfaces = 0;
  std::string title;
  bool fullscreen = false;
};

class Server;

// Methods in the test's thread; they return once the compositor's thread has done it.
class Compositor {
public:
  // The size that it gives to windows.
  Compositor(int width, int height);
  Compositor(const Compositor &) = delete;
  Compositor &operator=(const Compositor &) = delete;
  // Its clients lose their connection.
  ~Compositor();

  // The path of its socket.
  const std::string &path() const { return path_; }

  Seen seen();
  // Waits for up to five seconds.
  bool wait_until(const std::function<bool(const Seen &)> &fits);

  // On the surface that was given pixels last.
  void enter(double x, double y);
  void leave();
  void move(double x, double y);
  void button(uint32_t code, bool pressed);
  // The codes of linux/input-event-codes.h.
  void key(uint32_t code, bool pressed);
  void shift(bool held);
  // As the user does who clicks on the cross.
  void close();
  void resize(int width, int height);

private:
  std::string folder_;
  std::string path_;
  std::unique_ptr<Server> server_;
};

}  // namespace fakecompositor
