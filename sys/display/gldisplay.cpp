// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/gldisplay.h"

#include <cstdlib>

#include <poll.h>

#include <gst/gl/gl.h>
#include <gst/gl/gstglfuncs.h>
#if GST_GL_HAVE_WINDOW_X11
#include <gst/gl/x11/gstgldisplay_x11.h>
#endif
#if GST_GL_HAVE_WINDOW_WAYLAND
#include <gst/gl/wayland/gstgldisplay_wayland.h>
#endif

namespace streamlib::display {

namespace {

using support::adopt_object;
using support::Failure;
using support::GObjectPtr;
using support::Result;
using Flag = std::shared_ptr<std::atomic<bool>>;

bool is_x_name(const std::string &name)
{
  return name.find(':') != std::string::npos;
}

GObjectPtr<GstGLDisplay> connect(const std::string &name)
{
#if GST_GL_HAVE_WINDOW_X11
  if (is_x_name(name))
    return adopt_object(reinterpret_cast<GstGLDisplay *>(gst_gl_display_x11_new(name.c_str())));
#endif
#if GST_GL_HAVE_WINDOW_WAYLAND
  if (!name.empty() && !is_x_name(name))
    return adopt_object(reinterpret_cast<GstGLDisplay *>(gst_gl_display_wayland_new(name.c_str())));
#endif
  return name.empty() ? adopt_object(gst_gl_display_new()) : nullptr;
}

#if GST_GL_HAVE_WINDOW_X11

// Marks a connection of ours in its own list of extensions, whose numbers start at 128.
constexpr int kMark = 0x736c;

// The handler that ours stands before. Xlib has one for the whole process, so this is set once.
std::atomic<XIOErrorHandler> next_handler = nullptr;

XExtData **extensions_of(Display *display)
{
  XEDataObject object;
  object.display = display;
  return XEHeadOfExtensionList(object);
}

// Xlib's own handler ends the process before that of the connection is asked. For a connection that
// is not ours nothing changes.
int on_io_error(Display *display)
{
  if (XFindOnExtensionList(extensions_of(display), kMark) != nullptr)
    return 0;
  const XIOErrorHandler next = next_handler.load();
  return next != nullptr ? next(display) : 0;
}

// Xlib leaves the connection locked by this thread, since it expects the process to end.
void note_end(Display *display, void *flag)
{
  (*static_cast<Flag *>(flag))->store(true);
  XUnlockDisplay(display);
}

int free_flag(XExtData *data)
{
  delete reinterpret_cast<Flag *>(data->private_data);
  return 0;
}

void put_handler()
{
  const XIOErrorHandler before = XSetIOErrorHandler(on_io_error);
  if (before != on_io_error)
    next_handler.store(before);
}

// Returns the file descriptor of the connection.
int survive_end(GstGLDisplay *display, const Flag &flag)
{
  auto *connection = reinterpret_cast<Display *>(gst_gl_display_get_handle(display));
  auto *data = new Flag(flag);
  // Both are freed by Xlib, with the connection.
  auto *mark = static_cast<XExtData *>(std::calloc(1, sizeof(XExtData)));
  mark->number = kMark;
  mark->private_data = reinterpret_cast<XPointer>(data);
  mark->free_private = free_flag;
  XAddToExtensionList(extensions_of(connection), mark);
  XSetIOErrorExitHandler(connection, note_end, data);
  put_handler();
  return ConnectionNumber(connection);
}
#endif

}  // namespace

Result<std::shared_ptr<GlDisplay>> GlDisplay::open(const std::string &name)
{
  const auto display = connect(name);
  // A display of no kind at all is what there is where no server was found.
  if (!display || (!name.empty() && gst_gl_display_get_handle(display.get()) == 0))
    return Failure{0,
                   "The display server " + name +
                       " cannot be reached by OpenGL. See that it runs, or take another backend.",
                   "no GstGLDisplay"};
  std::shared_ptr<GlDisplay> self(new GlDisplay());
  self->gone_ = std::make_shared<std::atomic<bool>>(false);
  self->name_ = "OpenGL display";
  if (!name.empty())
    self->name_ += " " + name;
#if GST_GL_HAVE_WINDOW_X11
  if (gst_gl_display_get_handle_type(display.get()) == GST_GL_DISPLAY_TYPE_X11) {
    self->fd_ = survive_end(display.get(), self->gone_);
    self->name_ =
        std::string("X server ") +
        DisplayString(reinterpret_cast<Display *>(gst_gl_display_get_handle(display.get())));
  }
#endif
  self->context_ = support::adopt_mini(gst_context_new(GST_GL_DISPLAY_CONTEXT_TYPE, TRUE));
  gst_context_set_gl_display(self->context_.get(), display.get());
  return self;
}

bool GlDisplay::is_gone() const
{
  if (gone_->load())
    return true;
  if (fd_ < 0)
    return false;
  pollfd wait = {fd_, POLLRDHUP, 0};
  if (poll(&wait, 1, 0) > 0 && (wait.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
    gone_->store(true);
  return gone_->load();
}

void set_viewport(GstObject *context, const Rect &rectangle)
{
  GST_GL_CONTEXT(context)->gl_vtable->Viewport(rectangle.x, rectangle.y, rectangle.width,
                                               rectangle.height);
}

}  // namespace streamlib::display
