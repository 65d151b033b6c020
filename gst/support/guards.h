// SPDX-License-Identifier: LGPL-2.1-or-later
// Scopes: what is begun by the constructor is ended by the destructor.
#pragma once

#include <utility>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib::support {

// The memory of a buffer, mapped. False in a condition when the mapping failed.
class MappedBuffer {
public:
  MappedBuffer(GstBuffer *buffer, GstMapFlags flags)
      : buffer_(gst_buffer_map(buffer, &info_, flags) ? buffer : nullptr)
  {}
  MappedBuffer(const MappedBuffer &) = delete;
  MappedBuffer &operator=(const MappedBuffer &) = delete;
  ~MappedBuffer()
  {
    if (buffer_ != nullptr)
      gst_buffer_unmap(buffer_, &info_);
  }

  explicit operator bool() const { return buffer_ != nullptr; }
  guint8 *data() const { return info_.data; }
  gsize size() const { return info_.size; }

private:
  GstMapInfo info_ = {};
  GstBuffer *buffer_;
};

// GST_OBJECT_LOCK for a scope. Nothing that blocks or calls other code may stand in it.
class ObjectLock {
public:
  explicit ObjectLock(gpointer object) : object_(GST_OBJECT_CAST(object))
  {
    GST_OBJECT_LOCK(object_);
  }
  ObjectLock(const ObjectLock &) = delete;
  ObjectLock &operator=(const ObjectLock &) = delete;
  ~ObjectLock() { GST_OBJECT_UNLOCK(object_); }

private:
  GstObject *object_;
};

// A GMutex for a scope. Nothing that blocks or calls other code may stand in it.
class MutexLock {
public:
  explicit MutexLock(GMutex &mutex) : mutex_(mutex) { g_mutex_lock(&mutex_); }
  MutexLock(const MutexLock &) = delete;
  MutexLock &operator=(const MutexLock &) = delete;
  ~MutexLock() { g_mutex_unlock(&mutex_); }

private:
  GMutex &mutex_;
};

// A probe that is removed with its guard.
class PadProbe {
public:
  PadProbe() = default;
  PadProbe(GstPad *pad, GstPadProbeType type, GstPadProbeCallback callback, gpointer data)
      : pad_(share_object(pad)), id_(gst_pad_add_probe(pad, type, callback, data, nullptr))
  {}
  PadProbe(PadProbe &&other) noexcept
      : pad_(std::move(other.pad_)), id_(std::exchange(other.id_, 0))
  {}
  PadProbe &operator=(PadProbe &&other) noexcept
  {
    std::swap(pad_, other.pad_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~PadProbe()
  {
    if (id_ != 0)
      gst_pad_remove_probe(pad_.get(), id_);
  }

private:
  GObjectPtr<GstPad> pad_;
  gulong id_ = 0;
};

// A signal connection that is cut with its guard. The guard keeps the instance alive.
class SignalHandler {
public:
  SignalHandler() = default;
  SignalHandler(gpointer instance, const char *signal, GCallback callback, gpointer data)
      : instance_(share_object(G_OBJECT(instance))),
        id_(g_signal_connect(instance, signal, callback, data))
  {}
  SignalHandler(SignalHandler &&other) noexcept
      : instance_(std::move(other.instance_)), id_(std::exchange(other.id_, 0))
  {}
  SignalHandler &operator=(SignalHandler &&other) noexcept
  {
    std::swap(instance_, other.instance_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~SignalHandler()
  {
    if (id_ != 0)
      g_signal_handler_disconnect(instance_.get(), id_);
  }

private:
  GObjectPtr<GObject> instance_;
  gulong id_ = 0;
};

// A GSource that is destroyed with its guard; destroying is safe from any thread.
class SourceGuard {
public:
  SourceGuard() = default;
  // Takes over the caller's reference of a source that is attached already.
  explicit SourceGuard(GSource *source) : source_(source) {}
  SourceGuard(SourceGuard &&other) noexcept : source_(std::exchange(other.source_, nullptr)) {}
  SourceGuard &operator=(SourceGuard &&other) noexcept
  {
    std::swap(source_, other.source_);
    return *this;
  }
  ~SourceGuard() { reset(); }

  void reset()
  {
    GSource *source = std::exchange(source_, nullptr);
    if (source == nullptr)
      return;
    g_source_destroy(source);
    g_source_unref(source);
  }
  explicit operator bool() const { return source_ != nullptr; }

private:
  GSource *source_ = nullptr;
};

}  // namespace streamlib::support
