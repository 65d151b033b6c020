// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/capture.h"

#include <optional>

#include <gst/support/futex.h>

namespace streamlib::camera {

namespace {

using support::Failure;
using support::GObjectPtr;
using support::monotonic_ns;
using support::Result;
using support::sink_object;

// So many buffers of the device may be held downstream before copies go there: some have but four.
constexpr int kMostHeld = 2;

// Frames of one picture must not wait for the next ones in a decoder with many threads.
void configure_decoder(GstElement *decoder)
{
  GObjectClass *klass = G_OBJECT_GET_CLASS(decoder);
  if (g_object_class_find_property(klass, "max-threads") != nullptr)
    g_object_set(decoder, "max-threads", 1, nullptr);
}

// Plain memory that somebody else maps and unmaps. A file descriptor's (DMABuf, memfd) is mapped by
// the memory itself, for as long as it lives.
bool is_borrowed(GstBuffer *buffer)
{
  for (guint i = 0; i < gst_buffer_n_memory(buffer); i++) {
    if (gst_memory_is_type(gst_buffer_peek_memory(buffer, i), GST_ALLOCATOR_SYSMEM))
      return true;
  }
  return false;
}

GObjectPtr<GstPad> source_pad(GstElement *element)
{
  if (GstPad *pad = gst_element_get_static_pad(element, "src"))
    return support::adopt_object(pad);
  GstIterator *pads = gst_element_iterate_src_pads(element);
  GValue value = G_VALUE_INIT;
  GObjectPtr<GstPad> first;
  if (gst_iterator_next(pads, &value) == GST_ITERATOR_OK) {
    first = support::share_object(GST_PAD(g_value_get_object(&value)));
    g_value_unset(&value);
  }
  gst_iterator_free(pads);
  return first;
}

}  // namespace

Result<std::unique_ptr<Capture>> Capture::make(const CaptureSetup &setup, CaptureEvents *events)
{
  std::unique_ptr<Capture> self(new Capture(setup, events));
  GstElement *filter = gst_element_factory_make("capsfilter", nullptr);
  if (filter == nullptr || !self->make_decoders())
    return Failure{0, "An element that the camera needs cannot be made. Reinstall GStreamer.",
                   "capsfilter or a decoder"};
  self->filter_ = sink_object(filter);
  g_object_set(filter, "caps", setup.caps.get(), nullptr);
  self->pad_ = source_pad(setup.source.get());
  if (!self->pad_)
    return Failure{0, "The camera's source element has no pad. Report this to its authors.",
                   GST_OBJECT_NAME(setup.source.get())};
  self->probe_ = support::PadProbe(
      self->pad_.get(),
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
      &Capture::probe, self.get());
  return self;
}

bool Capture::make_decoders()
{
  for (const auto &factory : setup_.decoding) {
    GstElement *element = gst_element_factory_create(factory.get(), nullptr);
    if (element == nullptr)
      return false;
    configure_decoder(element);
    decoders_.push_back(sink_object(element));
  }
  return true;
}

void Capture::enter(GstBin *bin, GstPad *ghost)
{
  gst_bin_add(bin, setup_.source.get());
  gst_bin_add(bin, filter_.get());
  gst_element_link(setup_.source.get(), filter_.get());
  GstElement *last = filter_.get();
  for (const auto &decoder : decoders_) {
    gst_bin_add(bin, decoder.get());
    gst_element_link(last, decoder.get());
    last = decoder.get();
  }
  const auto target = support::adopt_object(gst_element_get_static_pad(last, "src"));
  gst_ghost_pad_set_target(GST_GHOST_PAD(ghost), target.get());
}

void Capture::leave(GstBin *bin, GstPad *ghost)
{
  // The source first: nothing flows when the pads are unlinked.
  std::vector<GstElement *> elements = {setup_.source.get(), filter_.get()};
  for (const auto &decoder : decoders_)
    elements.push_back(decoder.get());
  for (GstElement *element : elements) {
    gst_element_set_locked_state(element, TRUE);
    gst_element_set_state(element, GST_STATE_NULL);
  }
  gst_ghost_pad_set_target(GST_GHOST_PAD(ghost), nullptr);
  for (GstElement *element : elements)
    gst_bin_remove(bin, element);
}

void Capture::end_after(int frames)
{
  frames_left_ = frames;
  if (frames >= 0)
    expect_eos();
}

bool Capture::sync_state()
{
  // Downstream first.
  for (auto it = decoders_.rbegin(); it != decoders_.rend(); ++it) {
    if (!gst_element_sync_state_with_parent(it->get()))
      return false;
  }
  return gst_element_sync_state_with_parent(filter_.get()) &&
         gst_element_sync_state_with_parent(setup_.source.get());
}

GstPadProbeReturn Capture::probe(GstPad *, GstPadProbeInfo *info, gpointer user_data)
{
  auto *self = static_cast<Capture *>(user_data);
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0)
    return self->take_buffer(info);
  return self->take_event(GST_PAD_PROBE_INFO_EVENT(info));
}

GstPadProbeReturn Capture::take_event(GstEvent *event)
{
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
    GstCaps *caps = nullptr;
    gst_event_parse_caps(event, &caps);
    take_caps(caps);
  } else if (GST_EVENT_TYPE(event) == GST_EVENT_EOS && !eos_expected_.load()) {
    events_->on_ended();
    return GST_PAD_PROBE_DROP;
  }
  return GST_PAD_PROBE_OK;
}

void Capture::take_caps(GstCaps *caps)
{
  const GstStructure *structure = gst_caps_get_structure(caps, 0);
  is_raw_ =
      gst_structure_has_name(structure, "video/x-raw") && gst_video_info_from_caps(&info_, caps);
  // Other memory, such as DMABuf, would not be what the caps say.
  copyable_ = gst_caps_features_is_equal(gst_caps_get_features(caps, 0),
                                         GST_CAPS_FEATURES_MEMORY_SYSTEM_MEMORY);
  gint numerator = 0;
  gint denominator = 1;
  gst_structure_get_fraction(structure, "framerate", &numerator, &denominator);
  const uint64_t duration =
      numerator > 0 ? gst_util_uint64_scale_int(GST_SECOND, denominator, numerator) : 0;
  duration_.store(duration, std::memory_order_relaxed);
  clock_.set_duration(duration);

  gint width = 0;
  gint height = 0;
  gst_structure_get_int(structure, "width", &width);
  gst_structure_get_int(structure, "height", &height);
  std::string mode = std::to_string(width) + "x" + std::to_string(height) + ", " +
                     std::to_string(numerator) + "/" + std::to_string(denominator) + ", ";
  mode += is_raw_ ? gst_video_format_to_string(GST_VIDEO_INFO_FORMAT(&info_))
                  : gst_structure_get_name(structure);
  if (!setup_.decoding.empty())
    mode += std::string(", decoded by ") + GST_OBJECT_NAME(setup_.decoding.back().get());
  events_->on_mode(mode);
}

bool Capture::has_wrong_size(GstBuffer *buffer)
{
  // With a meta the layout is the buffer's own, and mapping it checks the size.
  if (!is_raw_ || gst_buffer_get_video_meta(buffer) != nullptr ||
      gst_buffer_get_size(buffer) >= GST_VIDEO_INFO_SIZE(&info_)) {
    wrong_in_a_row_ = 0;
    return false;
  }
  wrong_sizes_.fetch_add(1, std::memory_order_relaxed);
  events_->on_wrong_size(gst_buffer_get_size(buffer), GST_VIDEO_INFO_SIZE(&info_),
                         ++wrong_in_a_row_);
  return true;
}

// The buffer itself, or a copy: where downstream holds so many that the device would run dry, and
// of memory that is the backend's and goes when it stops.
GstBuffer *Capture::spared(GstBuffer *buffer)
{
  if (!setup_.lends_buffers || !copyable_)
    return buffer;
  if (held_->load() >= kMostHeld || is_borrowed(buffer)) {
    GstBuffer *copy = gst_buffer_copy_deep(buffer);
    // It would hold the device's buffer all the same.
    while (GstParentBufferMeta *parent = gst_buffer_get_parent_buffer_meta(copy))
      gst_buffer_remove_meta(copy, reinterpret_cast<GstMeta *>(parent));
    gst_buffer_unref(buffer);
    return copy;
  }
  held_->fetch_add(1);
  gst_mini_object_weak_ref(
      GST_MINI_OBJECT(buffer),
      [](gpointer data, GstMiniObject *) {
        const std::unique_ptr<std::shared_ptr<std::atomic<int>>> held(
            static_cast<std::shared_ptr<std::atomic<int>> *>(data));
        (*held)->fetch_sub(1);
      },
      new std::shared_ptr<std::atomic<int>>(held_));
  return buffer;
}

// A buffer with the capture time, in running time; as it came while there is no clock.
GstBuffer *Capture::stamped(GstBuffer *buffer)
{
  GstElement *element = setup_.source.get();
  GstClock *clock = gst_element_get_clock(element);
  if (clock == nullptr)
    return buffer;
  const GstClockTime now = gst_clock_get_time(clock);
  gst_object_unref(clock);
  const GstClockTime base = gst_element_get_base_time(element);
  const GstClockTime arrival = now > base ? now - base : 0;

  std::optional<uint64_t> claimed;
  if (GST_BUFFER_PTS_IS_VALID(buffer)) {
    claimed = GST_BUFFER_PTS(buffer);
    if (setup_.monotonic_stamps) {
      // The base class stamps the first frame of a live source with 0 where the backend is silent.
      const auto captured = static_cast<int64_t>(*claimed + base);
      const int64_t age = monotonic_ns() - captured;
      claimed = *claimed != 0 && age >= 0 && static_cast<uint64_t>(age) <= arrival
                    ? std::optional<uint64_t>(arrival - age)
                    : std::nullopt;
    }
  }
  buffer = gst_buffer_make_writable(buffer);
  GST_BUFFER_PTS(buffer) = clock_.stamp(arrival, claimed);
  GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
  if (clock_.estimated())
    estimated_.fetch_add(1, std::memory_order_relaxed);
  const uint64_t duration = duration_.load(std::memory_order_relaxed);
  if (!GST_BUFFER_DURATION_IS_VALID(buffer) && duration > 0)
    GST_BUFFER_DURATION(buffer) = duration;
  return buffer;
}

GstPadProbeReturn Capture::take_buffer(GstPadProbeInfo *info)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  if (has_wrong_size(buffer)) {
    if (wrong_in_a_row_ < kWrongSizeLimit)
      return GST_PAD_PROBE_DROP;
    gst_buffer_unref(buffer);
    GST_PAD_PROBE_INFO_DATA(info) = nullptr;
    GST_PAD_PROBE_INFO_FLOW_RETURN(info) = GST_FLOW_ERROR;
    return GST_PAD_PROBE_HANDLED;
  }
  if (frames_left_ == 0) {
    // The source answers this with the end of the stream.
    gst_buffer_unref(buffer);
    GST_PAD_PROBE_INFO_DATA(info) = nullptr;
    GST_PAD_PROBE_INFO_FLOW_RETURN(info) = GST_FLOW_EOS;
    return GST_PAD_PROBE_HANDLED;
  }
  if (frames_left_ > 0)
    frames_left_--;
  last_arrival_.store(monotonic_ns(), std::memory_order_relaxed);
  frames_.fetch_add(1, std::memory_order_relaxed);
  GST_PAD_PROBE_INFO_DATA(info) = spared(stamped(buffer));
  return GST_PAD_PROBE_OK;
}

}  // namespace streamlib::camera
