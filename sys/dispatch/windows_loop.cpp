// SPDX-License-Identifier: LGPL-2.1-or-later
// The messages of Windows: a window that is never shown, in the thread that makes it, which is the
// one whose GetMessage() loop calls back.
#include <utility>

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

#include "gst/streamlib/platform_loop.h"

namespace streamlib {

namespace {

constexpr UINT kServe = WM_APP;
constexpr UINT kEnd = WM_APP + 1;
const wchar_t kClassName[] = L"GstStreamlibDispatcher";

using SharedServe = std::shared_ptr<PlatformLoop::Serve>;

// The window owns a copy of the shared pointer: its last message may come when the loop object has
// gone.
SharedServe *serve_of(HWND window)
{
  return reinterpret_cast<SharedServe *>(GetWindowLongPtrW(window, GWLP_USERDATA));
}

LRESULT CALLBACK handle_message(HWND window, UINT message, WPARAM first, LPARAM second)
{
  switch (message) {
    case kServe: {
      SharedServe *serve = serve_of(window);
      if (serve != nullptr && **serve)
        (**serve)();
      return 0;
    }
    case kEnd:
      // Only the thread of a window may destroy it.
      DestroyWindow(window);
      return 0;
    case WM_NCDESTROY:
      delete serve_of(window);
      SetWindowLongPtrW(window, GWLP_USERDATA, 0);
      break;
    default:
      break;
  }
  return DefWindowProcW(window, message, first, second);
}

HWND make_window()
{
  WNDCLASSEXW description = {};
  description.cbSize = sizeof description;
  description.lpfnWndProc = handle_message;
  description.hInstance = GetModuleHandleW(nullptr);
  description.lpszClassName = kClassName;
  // The second time it is there already.
  RegisterClassExW(&description);
  return CreateWindowExW(0, kClassName, L"", 0, 0, 0, 0, 0, HWND_MESSAGE, nullptr,
                         description.hInstance, nullptr);
}

class MessageWindow final : public PlatformLoop {
public:
  MessageWindow(HWND window, Serve serve) : window_(window)
  {
    SetWindowLongPtrW(
        window_, GWLP_USERDATA,
        reinterpret_cast<LONG_PTR>(new SharedServe(std::make_shared<Serve>(std::move(serve)))));
  }
  ~MessageWindow() override { PostMessageW(window_, kEnd, 0, 0); }

  // A full message queue (10,000) refuses it; then there is something in it that wakes the loop,
  // but not us: the next post tries again.
  void wake() override { PostMessageW(window_, kServe, 0, 0); }

private:
  const HWND window_;
};

}  // namespace

std::unique_ptr<PlatformLoop> make_platform_loop(PlatformLoop::Serve serve)
{
  const HWND window = make_window();
  if (window == nullptr)
    return nullptr;
  return std::make_unique<MessageWindow>(window, std::move(serve));
}

}  // namespace streamlib
