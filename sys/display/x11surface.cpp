// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/x11surface.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <sys/ipc.h>
#include <sys/shm.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>
#include <xcb/xcb_keysyms.h>
#include <xcb/xcbext.h>
#include <xkbcommon/xkbcommon.h>

namespace streamlib::display {

namespace {

using support::Done;
using support::Failure;
using support::Result;
using support::Status;

constexpr int kBytesPerPixel = 4;
constexpr int kCanvases = 2;

struct Free {
  void operator()(void *memory) const { std::free(memory); }
};
// What XCB hands out is freed by free().
template <typename T>
using Reply = std::unique_ptr<T, Free>;

// Pixels that the server reads: shared memory, or where that is not to be had, memory of ours that
// goes through the connection.
class Image {
public:
  ~Image() { release(); }

  bool allocate(xcb_connection_t *connection, Size size, bool shared)
  {
    release();
    connection_ = connection;
    size_ = size;
    const size_t bytes = static_cast<size_t>(stride()) * size.height;
    if (shared)
      return attach(bytes);
    own_.resize(bytes);
    pixels_ = own_.data();
    return true;
  }

  int stride() const { return size_.width * kBytesPerPixel; }
  Size size() const { return size_; }
  guint8 *pixels() const { return pixels_; }
  xcb_shm_seg_t segment() const { return segment_; }

  // The server has not read it to the end.
  bool busy = false;

private:
  bool attach(size_t bytes)
  {
    const int id = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
    if (id < 0)
      return false;
    void *memory = shmat(id, nullptr, 0);
    bool attached = false;
    if (memory != reinterpret_cast<void *>(-1)) {
      pixels_ = static_cast<guint8 *>(memory);
      segment_ = xcb_generate_id(connection_);
      const auto cookie = xcb_shm_attach_checked(connection_, segment_, id, 0);
      Reply<xcb_generic_error_t> refused(xcb_request_check(connection_, cookie));
      attached = refused == nullptr;
      if (!attached)
        segment_ = XCB_NONE;
    }
    // It lives on until both sides have let go.
    shmctl(id, IPC_RMID, nullptr);
    if (!attached)
      release();
    return attached;
  }

  void release()
  {
    if (segment_ != XCB_NONE)
      xcb_shm_detach(connection_, segment_);
    segment_ = XCB_NONE;
    if (pixels_ != nullptr && own_.empty())
      shmdt(pixels_);
    pixels_ = nullptr;
    own_.clear();
    busy = false;
  }

  xcb_connection_t *connection_ = nullptr;
  Size size_;
  guint8 *pixels_ = nullptr;
  xcb_shm_seg_t segment_ = XCB_NONE;
  std::vector<guint8> own_;
};

class X11Surface final : public Surface {
public:
  X11Surface(xcb_connection_t *connection, int screen_number, std::string name)
      : connection_(connection), name_(std::move(name))
  {
    auto roots = xcb_setup_roots_iterator(xcb_get_setup(connection_));
    for (; screen_number > 0 && roots.rem > 1; screen_number--)
      xcb_screen_next(&roots);
    screen_ = roots.data;
  }

  ~X11Surface() override
  {
    for (Image &image : images_)
      image.allocate(connection_, {0, 0}, false);
    destroy();
    xcb_disconnect(connection_);
  }

  Status check();
  Status create(const WindowWish &wish, Size natural) override;
  void destroy() override;
  void configure(const WindowWish &wish) override;

  int fd() const override { return xcb_get_file_descriptor(connection_); }
  bool prepare_poll() override;
  bool dispatch(bool readable, SurfaceEvents &events) override;
  std::optional<Canvas> canvas() override;
  void present() override;
  std::string name() const override { return "X server " + name_; }

private:
  void set_title(const std::string &title);
  void set_fullscreen(bool fullscreen);
  void select_events(bool handle_input);
  void follow_parent();
  bool has_window_manager();
  xcb_atom_t atom(const char *name);
  void put_in_strips(const Image &image);
  void take(xcb_generic_event_t *event, SurfaceEvents &events);
  void take_structure_event(xcb_generic_event_t *event, SurfaceEvents &events);
  void take_key(xcb_keycode_t code, KeyEvent kind, SurfaceEvents &events);
  void completed();

  xcb_connection_t *connection_;
  std::string name_;
  xcb_screen_t *screen_ = nullptr;
  GstVideoFormat format_ = GST_VIDEO_FORMAT_BGRx;
  bool has_shm_ = false;
  uint8_t shm_event_ = 0;

  // A window of our own, or a child of the application's.
  xcb_window_t window_ = XCB_NONE;
  xcb_window_t parent_ = XCB_NONE;
  xcb_gcontext_t gc_ = XCB_NONE;
  xcb_key_symbols_t *keys_ = nullptr;
  xcb_atom_t wm_protocols_ = XCB_NONE;
  xcb_atom_t wm_delete_ = XCB_NONE;
  Size size_;
  WindowWish wish_;
  // What the window was before it became as large as the screen, without a window manager.
  Size windowed_;

  std::array<Image, kCanvases> images_;
  Image *painted_ = nullptr;
  // Without shared memory: the reply that says the pixels have arrived.
  std::optional<xcb_get_input_focus_cookie_t> arrival_;
  Reply<xcb_generic_event_t> queued_;
};

// The pixels are written as 8 bits of red, green and blue in 32: the screen must have them so.
Status X11Surface::check()
{
  const xcb_setup_t *setup = xcb_get_setup(connection_);
  bool fits = false;
  for (auto it = xcb_setup_pixmap_formats_iterator(setup); it.rem > 0; xcb_format_next(&it))
    fits = fits || (it.data->depth == screen_->root_depth && it.data->bits_per_pixel == 32);
  bool rgb = false;
  for (auto depth = xcb_screen_allowed_depths_iterator(screen_); depth.rem > 0;
       xcb_depth_next(&depth)) {
    for (auto visual = xcb_depth_visuals_iterator(depth.data); visual.rem > 0;
         xcb_visualtype_next(&visual))
      rgb = rgb || (visual.data->visual_id == screen_->root_visual &&
                    visual.data->red_mask == 0xff0000 && visual.data->blue_mask == 0xff);
  }
  if (!fits || !rgb)
    return Failure{0,
                   name() +
                       " has no screen of 24 bit colour. Start it with one (for Xvfb: "
                       "-screen 0 1280x720x24), or take another backend.",
                   "root depth " + std::to_string(screen_->root_depth)};
  if (setup->image_byte_order == XCB_IMAGE_ORDER_MSB_FIRST)
    format_ = GST_VIDEO_FORMAT_xRGB;

  const auto *shm = xcb_get_extension_data(connection_, &xcb_shm_id);
  has_shm_ = shm != nullptr && shm->present != 0;
  if (has_shm_)
    shm_event_ = shm->first_event + XCB_SHM_COMPLETION;
  return Done{};
}

xcb_atom_t X11Surface::atom(const char *name)
{
  const auto cookie =
      xcb_intern_atom(connection_, 0, static_cast<uint16_t>(std::strlen(name)), name);
  Reply<xcb_intern_atom_reply_t> reply(xcb_intern_atom_reply(connection_, cookie, nullptr));
  return reply ? reply->atom : static_cast<xcb_atom_t>(XCB_NONE);
}

void X11Surface::select_events(bool handle_input)
{
  uint32_t mask = XCB_EVENT_MASK_EXPOSURE | XCB_EVENT_MASK_STRUCTURE_NOTIFY;
  if (handle_input)
    mask |= XCB_EVENT_MASK_BUTTON_PRESS | XCB_EVENT_MASK_BUTTON_RELEASE |
            XCB_EVENT_MASK_POINTER_MOTION | XCB_EVENT_MASK_KEY_PRESS | XCB_EVENT_MASK_KEY_RELEASE;
  xcb_change_window_attributes(connection_, window_, XCB_CW_EVENT_MASK, &mask);
}

Status X11Surface::create(const WindowWish &wish, Size natural)
{
  wish_ = wish;
  parent_ = static_cast<xcb_window_t>(wish.handle);
  Rect place = {0, 0, std::min<int>(natural.width, screen_->width_in_pixels),
                std::min<int>(natural.height, screen_->height_in_pixels)};
  if (parent_ != XCB_NONE) {
    const auto cookie = xcb_get_geometry(connection_, parent_);
    Reply<xcb_get_geometry_reply_t> geometry(xcb_get_geometry_reply(connection_, cookie, nullptr));
    if (!geometry)
      return Failure{0,
                     "The window handle given to the display is no window of " + name() +
                         ". Give the XID of a window that exists.",
                     "handle " + std::to_string(wish.handle)};
    place = {0, 0, geometry->width, geometry->height};
    if (!wish.rectangle.size().empty())
      place = wish.rectangle;
    const uint32_t mask = XCB_EVENT_MASK_STRUCTURE_NOTIFY;
    xcb_change_window_attributes(connection_, parent_, XCB_CW_EVENT_MASK, &mask);
  }
  size_ = windowed_ = place.size();

  window_ = xcb_generate_id(connection_);
  const uint32_t values[] = {screen_->black_pixel};
  xcb_create_window(connection_, XCB_COPY_FROM_PARENT, window_,
                    parent_ != XCB_NONE ? parent_ : screen_->root, static_cast<int16_t>(place.x),
                    static_cast<int16_t>(place.y), static_cast<uint16_t>(place.width),
                    static_cast<uint16_t>(place.height), 0, XCB_WINDOW_CLASS_INPUT_OUTPUT,
                    screen_->root_visual, XCB_CW_BACK_PIXEL, values);
  gc_ = xcb_generate_id(connection_);
  const uint32_t no_exposures = 0;
  xcb_create_gc(connection_, gc_, window_, XCB_GC_GRAPHICS_EXPOSURES, &no_exposures);
  keys_ = xcb_key_symbols_alloc(connection_);
  select_events(wish.handle_events);

  if (parent_ == XCB_NONE) {
    wm_protocols_ = atom("WM_PROTOCOLS");
    wm_delete_ = atom("WM_DELETE_WINDOW");
    xcb_change_property(connection_, XCB_PROP_MODE_REPLACE, window_, wm_protocols_, XCB_ATOM_ATOM,
                        32, 1, &wm_delete_);
    set_title(wish.title);
  }
  xcb_map_window(connection_, window_);
  if (parent_ == XCB_NONE && wish.fullscreen)
    set_fullscreen(true);
  xcb_flush(connection_);
  return Done{};
}

void X11Surface::destroy()
{
  if (keys_ != nullptr)
    xcb_key_symbols_free(std::exchange(keys_, nullptr));
  if (gc_ != XCB_NONE)
    xcb_free_gc(connection_, std::exchange(gc_, xcb_gcontext_t{XCB_NONE}));
  if (window_ != XCB_NONE)
    xcb_destroy_window(connection_, std::exchange(window_, xcb_window_t{XCB_NONE}));
  xcb_flush(connection_);
}

void X11Surface::set_title(const std::string &title)
{
  const auto length = static_cast<uint32_t>(title.size());
  xcb_change_property(connection_, XCB_PROP_MODE_REPLACE, window_, XCB_ATOM_WM_NAME,
                      XCB_ATOM_STRING, 8, length, title.data());
  xcb_change_property(connection_, XCB_PROP_MODE_REPLACE, window_, atom("_NET_WM_NAME"),
                      atom("UTF8_STRING"), 8, length, title.data());
}

bool X11Surface::has_window_manager()
{
  const auto cookie = xcb_get_property(connection_, 0, screen_->root,
                                       atom("_NET_SUPPORTING_WM_CHECK"), XCB_ATOM_WINDOW, 0, 1);
  Reply<xcb_get_property_reply_t> reply(xcb_get_property_reply(connection_, cookie, nullptr));
  return reply && reply->type == XCB_ATOM_WINDOW;
}

void X11Surface::set_fullscreen(bool fullscreen)
{
  if (has_window_manager()) {
    xcb_client_message_event_t message = {};
    message.response_type = XCB_CLIENT_MESSAGE;
    message.format = 32;
    message.window = window_;
    message.type = atom("_NET_WM_STATE");
    message.data.data32[0] = fullscreen ? 1 : 0;
    message.data.data32[1] = atom("_NET_WM_STATE_FULLSCREEN");
    message.data.data32[3] = 1;
    xcb_send_event(connection_, 0, screen_->root,
                   XCB_EVENT_MASK_SUBSTRUCTURE_REDIRECT | XCB_EVENT_MASK_SUBSTRUCTURE_NOTIFY,
                   reinterpret_cast<const char *>(&message));
    return;
  }
  // Nobody else arranges the windows of this screen.
  if (fullscreen)
    windowed_ = size_;
  const Size wanted =
      fullscreen ? Size{screen_->width_in_pixels, screen_->height_in_pixels} : windowed_;
  const uint32_t values[] = {0, 0, static_cast<uint32_t>(wanted.width),
                             static_cast<uint32_t>(wanted.height)};
  xcb_configure_window(connection_, window_,
                       XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y | XCB_CONFIG_WINDOW_WIDTH |
                           XCB_CONFIG_WINDOW_HEIGHT,
                       values);
}

void X11Surface::follow_parent()
{
  const Rect &place = wish_.rectangle;
  if (place.size().empty())
    return;
  const uint32_t values[] = {static_cast<uint32_t>(place.x), static_cast<uint32_t>(place.y),
                             static_cast<uint32_t>(place.width),
                             static_cast<uint32_t>(place.height)};
  xcb_configure_window(connection_, window_,
                       XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y | XCB_CONFIG_WINDOW_WIDTH |
                           XCB_CONFIG_WINDOW_HEIGHT,
                       values);
}

void X11Surface::configure(const WindowWish &wish)
{
  const WindowWish before = std::exchange(wish_, wish);
  if (window_ == XCB_NONE)
    return;
  if (wish.handle_events != before.handle_events)
    select_events(wish.handle_events);
  if (parent_ != XCB_NONE) {
    if (wish.rectangle != before.rectangle)
      follow_parent();
  } else {
    if (wish.title != before.title)
      set_title(wish.title);
    if (wish.fullscreen != before.fullscreen)
      set_fullscreen(wish.fullscreen);
  }
  xcb_flush(connection_);
}

bool X11Surface::prepare_poll()
{
  xcb_flush(connection_);
  if (!queued_)
    queued_.reset(xcb_poll_for_queued_event(connection_));
  return !queued_ && xcb_connection_has_error(connection_) == 0;
}

bool X11Surface::dispatch(bool readable, SurfaceEvents &events)
{
  Reply<xcb_generic_event_t> event = std::move(queued_);
  if (!event && readable)
    event.reset(xcb_poll_for_event(connection_));
  while (event) {
    take(event.get(), events);
    event.reset(xcb_poll_for_event(connection_));
  }
  if (arrival_) {
    void *reply = nullptr;
    xcb_generic_error_t *error = nullptr;
    if (xcb_poll_for_reply(connection_, arrival_->sequence, &reply, &error) != 0)
      completed();
    std::free(reply);
    std::free(error);
  }
  return xcb_connection_has_error(connection_) == 0;
}

void X11Surface::completed()
{
  arrival_.reset();
  for (Image &image : images_)
    image.busy = false;
}

void X11Surface::take(xcb_generic_event_t *event, SurfaceEvents &events)
{
  const uint8_t type = event->response_type & 0x7f;
  if (has_shm_ && type == shm_event_) {
    const auto *done = reinterpret_cast<xcb_shm_completion_event_t *>(event);
    for (Image &image : images_) {
      if (image.segment() == done->shmseg)
        image.busy = false;
    }
    return;
  }
  switch (type) {
    case XCB_MOTION_NOTIFY: {
      const auto *motion = reinterpret_cast<xcb_motion_notify_event_t *>(event);
      events.on_pointer(
          PointerEvent::Move, 0,
          {static_cast<double>(motion->event_x), static_cast<double>(motion->event_y)});
      break;
    }
    case XCB_BUTTON_PRESS:
    case XCB_BUTTON_RELEASE: {
      const auto *button = reinterpret_cast<xcb_button_press_event_t *>(event);
      events.on_pointer(
          type == XCB_BUTTON_PRESS ? PointerEvent::Press : PointerEvent::Release, button->detail,
          {static_cast<double>(button->event_x), static_cast<double>(button->event_y)});
      break;
    }
    case XCB_KEY_PRESS:
    case XCB_KEY_RELEASE:
      take_key(reinterpret_cast<xcb_key_press_event_t *>(event)->detail,
               type == XCB_KEY_PRESS ? KeyEvent::Press : KeyEvent::Release, events);
      break;
    default:
      take_structure_event(event, events);
      break;
  }
}

void X11Surface::take_structure_event(xcb_generic_event_t *event, SurfaceEvents &events)
{
  switch (event->response_type & 0x7f) {
    case XCB_EXPOSE:
      events.on_exposed();
      break;
    case XCB_CONFIGURE_NOTIFY: {
      const auto *configure = reinterpret_cast<xcb_configure_notify_event_t *>(event);
      const Size size = {configure->width, configure->height};
      if (configure->window == window_ && size != size_) {
        size_ = size;
        events.on_exposed();
      } else if (configure->window == parent_ && parent_ != XCB_NONE &&
                 wish_.rectangle.size().empty() && size != size_) {
        const uint32_t values[] = {configure->width, configure->height};
        xcb_configure_window(connection_, window_,
                             XCB_CONFIG_WINDOW_WIDTH | XCB_CONFIG_WINDOW_HEIGHT, values);
      }
      break;
    }
    case XCB_DESTROY_NOTIFY:
      if (reinterpret_cast<xcb_destroy_notify_event_t *>(event)->window == window_) {
        window_ = XCB_NONE;
        events.on_close();
      }
      break;
    case XCB_CLIENT_MESSAGE: {
      const auto *message = reinterpret_cast<xcb_client_message_event_t *>(event);
      if (message->type == wm_protocols_ && message->data.data32[0] == wm_delete_)
        events.on_close();
      break;
    }
    case XCB_MAPPING_NOTIFY:
      xcb_refresh_keyboard_mapping(keys_, reinterpret_cast<xcb_mapping_notify_event_t *>(event));
      break;
    default:
      break;
  }
}

void X11Surface::take_key(xcb_keycode_t code, KeyEvent kind, SurfaceEvents &events)
{
  const xcb_keysym_t symbol = xcb_key_symbols_get_keysym(keys_, code, 0);
  char name[64];
  if (symbol != XCB_NO_SYMBOL && xkb_keysym_get_name(symbol, name, sizeof name) > 0)
    events.on_key(kind, name);
}

std::optional<Canvas> X11Surface::canvas()
{
  if (window_ == XCB_NONE || size_.empty() || arrival_)
    return std::nullopt;
  for (Image &image : images_) {
    if (image.busy)
      continue;
    if (image.size() != size_ || image.pixels() == nullptr) {
      if (has_shm_ && !image.allocate(connection_, size_, true))
        has_shm_ = false;
      if (!has_shm_ && !image.allocate(connection_, size_, false))
        return std::nullopt;
    }
    painted_ = &image;
    return Canvas{image.pixels(), image.stride(), size_, format_};
  }
  return std::nullopt;
}

// One request may carry only so much.
void X11Surface::put_in_strips(const Image &image)
{
  constexpr uint32_t kHeader = 64;
  const uint32_t limit = xcb_get_maximum_request_length(connection_) * 4 - kHeader;
  const int rows = std::max<int>(1, static_cast<int>(limit / image.stride()));
  for (int y = 0; y < image.size().height; y += rows) {
    const int height = std::min(rows, image.size().height - y);
    xcb_put_image(connection_, XCB_IMAGE_FORMAT_Z_PIXMAP, window_, gc_,
                  static_cast<uint16_t>(image.size().width), static_cast<uint16_t>(height), 0,
                  static_cast<int16_t>(y), 0, screen_->root_depth,
                  static_cast<uint32_t>(image.stride() * height),
                  image.pixels() + static_cast<size_t>(y) * image.stride());
  }
}

void X11Surface::present()
{
  Image *image = std::exchange(painted_, nullptr);
  if (image == nullptr)
    return;
  image->busy = true;
  const auto width = static_cast<uint16_t>(image->size().width);
  const auto height = static_cast<uint16_t>(image->size().height);
  if (image->segment() != XCB_NONE) {
    xcb_shm_put_image(connection_, window_, gc_, width, height, 0, 0, width, height, 0, 0,
                      screen_->root_depth, XCB_IMAGE_FORMAT_Z_PIXMAP, 1, image->segment(), 0);
  } else {
    put_in_strips(*image);
    arrival_ = xcb_get_input_focus(connection_);
  }
  xcb_flush(connection_);
}

}  // namespace

Result<std::unique_ptr<Surface>> connect_x11(const std::string &display)
{
  const char *from_environment = std::getenv("DISPLAY");
  std::string name = display;
  if (name.empty() && from_environment != nullptr)
    name = from_environment;
  if (name.empty())
    return Failure{0, "No X server is named. Set DISPLAY, or the property `display`.", ""};

  int screen = 0;
  xcb_connection_t *connection = xcb_connect(name.c_str(), &screen);
  const int error = xcb_connection_has_error(connection);
  if (error != 0) {
    xcb_disconnect(connection);
    return Failure{0,
                   "The X server " + name +
                       " cannot be reached. See that it runs and lets you in (xhost, XAUTHORITY).",
                   "XCB connection error " + std::to_string(error)};
  }
  auto surface = std::make_unique<X11Surface>(connection, screen, name);
  Status fits = surface->check();
  if (!fits)
    return fits.error();
  return std::unique_ptr<Surface>(std::move(surface));
}

}  // namespace streamlib::display
