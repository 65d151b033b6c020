// SPDX-License-Identifier: LGPL-2.1-or-later
// Smart pointers for GObject, GstMiniObject and the plain GLib types.
//
// A pointer is made by a factory that says what it does with the reference:
//   adopt(p)  takes over the caller's reference (transfer full)
//   share(p)  takes a reference of its own      (transfer none)
//   sink(p)   takes over a floating reference   (transfer floating)
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <gst/gst.h>

namespace streamlib::support {

namespace detail {

struct ObjectOps {
  static void ref(gpointer object) { g_object_ref(object); }
  static void unref(gpointer object) { g_object_unref(object); }
};

struct MiniOps {
  static void ref(gpointer object) { gst_mini_object_ref(static_cast<GstMiniObject *>(object)); }
  static void unref(gpointer object)
  {
    gst_mini_object_unref(static_cast<GstMiniObject *>(object));
  }
};

// One reference, by the counting functions of Ops.
template <typename T, typename Ops>
class RefPtr {
public:
  RefPtr() = default;
  RefPtr(std::nullptr_t) {}
  RefPtr(const RefPtr &other) : object_(other.object_)
  {
    if (object_ != nullptr)
      Ops::ref(object_);
  }
  RefPtr(RefPtr &&other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  RefPtr &operator=(RefPtr other) noexcept
  {
    std::swap(object_, other.object_);
    return *this;
  }
  ~RefPtr()
  {
    if (object_ != nullptr)
      Ops::unref(object_);
  }

  static RefPtr adopt(T *object)
  {
    RefPtr result;
    result.object_ = object;
    return result;
  }
  static RefPtr share(T *object)
  {
    if (object != nullptr)
      Ops::ref(object);
    return adopt(object);
  }

  T *get() const { return object_; }
  T *operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  bool operator==(const RefPtr &other) const { return object_ == other.object_; }

  // Gives the reference to the caller (transfer full).
  [[nodiscard]] T *release() { return std::exchange(object_, nullptr); }
  void reset() { *this = RefPtr(); }

  template <typename U>
  U *as() const
  {
    return reinterpret_cast<U *>(object_);
  }

private:
  T *object_ = nullptr;
};

}  // namespace detail

// A reference to a GObject.
template <typename T>
using GObjectPtr = detail::RefPtr<T, detail::ObjectOps>;

// A reference to a buffer, caps, event, message, query, sample or another GstMiniObject.
template <typename T>
using MiniPtr = detail::RefPtr<T, detail::MiniOps>;

template <typename T>
GObjectPtr<T> adopt_object(T *object)
{
  return GObjectPtr<T>::adopt(object);
}

template <typename T>
GObjectPtr<T> share_object(T *object)
{
  return GObjectPtr<T>::share(object);
}

// Takes over the floating reference that constructors of GstObjects and GInitiallyUnowned return.
template <typename T>
GObjectPtr<T> sink_object(T *object)
{
  return GObjectPtr<T>::adopt(object != nullptr ? static_cast<T *>(g_object_ref_sink(object))
                                                : nullptr);
}

template <typename T>
MiniPtr<T> adopt_mini(T *object)
{
  return MiniPtr<T>::adopt(object);
}

template <typename T>
MiniPtr<T> share_mini(T *object)
{
  return MiniPtr<T>::share(object);
}

namespace detail {

struct FreeString {
  void operator()(gchar *text) const { g_free(text); }
};
struct FreeError {
  void operator()(GError *error) const { g_error_free(error); }
};
struct FreeStructure {
  void operator()(GstStructure *structure) const { gst_structure_free(structure); }
};

}  // namespace detail

// A string that g_free() ends.
using CStr = std::unique_ptr<gchar, detail::FreeString>;
using ErrorPtr = std::unique_ptr<GError, detail::FreeError>;
using StructurePtr = std::unique_ptr<GstStructure, detail::FreeStructure>;

}  // namespace streamlib::support
