// SPDX-License-Identifier: LGPL-2.1-or-later
// The two ends of every benchmark pipeline: a source and a sink that do next to nothing themselves.
#include "endpoints.h"

#include <cerrno>

#include <time.h>

#include "measure.h"

namespace streamlib::bench {

namespace {

// A consumer that stands still this long has lost what credit still waits for.
constexpr int64_t kCreditPatienceNs = 20'000'000;
// Far ahead of the running time of any benchmark: no buffer is ever late.
constexpr GstClockTime kTimestamp = 24 * 3600 * GST_SECOND;
// How often a source that runs for a time looks at the clock.
constexpr uint64_t kPushesPerClockRead = 64;

GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

// ---- source

struct BenchSrc {
  GstElement parent;
  GstPad *pad;
  Exchange *exchange;
  GstBuffer *rotating[Exchange::kRotating];
};
struct BenchSrcClass {
  GstElementClass parent_class;
};
GType bench_src_get_type();
G_DEFINE_TYPE(BenchSrc, bench_src, GST_TYPE_ELEMENT)

GstBuffer *new_buffer()
{
  GstBuffer *buffer = gst_buffer_new();
  GST_BUFFER_PTS(buffer) = kTimestamp;
  return buffer;
}

void begin_stream(BenchSrc *self)
{
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(self->pad, gst_event_new_stream_start("bench"));
  GstCaps *caps = gst_caps_new_empty_simple("application/x-bench");
  gst_pad_push_event(self->pad, gst_event_new_caps(caps));
  gst_caps_unref(caps);
  gst_pad_push_event(self->pad, gst_event_new_segment(&segment));
}

// Returns when the sink has taken enough of what was sent.
void await_credit(Exchange *x, uint64_t pushed)
{
  if (pushed - x->lost - x->seen < x->credit)
    return;
  int64_t started = 0;
  for (unsigned spins = 0;; spins++) {
    const uint64_t seen = x->delivered.load(std::memory_order_acquire);
    if (seen != x->seen) {
      x->seen = seen;
      started = 0;
    }
    if (pushed - x->lost - x->seen < x->credit)
      return;
    spin_pause();
    if (spins % 1024 != 0)
      continue;
    const int64_t now = monotonic_ns();
    if (started == 0)
      started = now;
    if (now - started > kCreditPatienceNs) {
      x->lost = pushed - x->seen;
      return;
    }
  }
}

void await_deadline(Exchange *x)
{
  if (x->deadline_ns == 0)
    x->deadline_ns = monotonic_ns();
  x->deadline_ns += x->period_ns;
  const timespec until = {x->deadline_ns / 1'000'000'000, x->deadline_ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

GstBuffer *next_buffer(BenchSrc *self, uint64_t index)
{
  if (self->exchange->fresh)
    return new_buffer();
  return gst_buffer_ref(self->rotating[index % Exchange::kRotating]);
}

GstFlowReturn push_list(BenchSrc *self, uint64_t index)
{
  const unsigned size = self->exchange->list_size;
  GstBufferList *list = gst_buffer_list_new_sized(size);
  for (unsigned i = 0; i < size; i++)
    gst_buffer_list_add(list, next_buffer(self, index + i));
  return gst_pad_push_list(self->pad, list);
}

GstFlowReturn push_one(BenchSrc *self, uint64_t index)
{
  GstBuffer *buffer = next_buffer(self, index);
  if (self->exchange->stamps)
    // The sink has let go of this buffer long ago; what the queue read of it does not matter.
    GST_BUFFER_OFFSET(buffer) = static_cast<guint64>(monotonic_ns());
  return gst_pad_push(self->pad, buffer);
}

void start_clock(Exchange *x)
{
  x->push_start_ns = monotonic_ns();
  if (x->on_begin != nullptr && x->source_marks)
    x->on_begin();
}

// Whether everything was pushed. Keeps the source's own clock.
bool is_over(Exchange *x, uint64_t pushed)
{
  if (pushed < x->warm_up)
    return false;
  if (x->push_start_ns == 0)
    start_clock(x);
  if (x->buffers != 0)
    return pushed >= x->warm_up + x->buffers;
  return pushed / x->list_size % kPushesPerClockRead == 0 &&
         monotonic_ns() - x->push_start_ns >= x->duration_ns;
}

void end_stream(BenchSrc *self)
{
  Exchange *x = self->exchange;
  x->push_end_ns = monotonic_ns();
  if (x->on_end != nullptr && x->source_marks)
    x->on_end();
  gst_pad_push_event(self->pad, gst_event_new_eos());
  unpin_thread();
  gst_pad_pause_task(self->pad);
}

// One buffer for each turn of the task, as sources do.
void src_loop(gpointer data)
{
  auto *self = static_cast<BenchSrc *>(data);
  Exchange *x = self->exchange;
  if (G_UNLIKELY(!x->source_pinned)) {
    // The clock of the pipeline runs from PLAYING on.
    if (!x->go.load(std::memory_order_acquire)) {
      g_usleep(200);
      return;
    }
    x->source_pinned = true;
    pin_thread(x->source_cpu);
    begin_stream(self);
  }
  const uint64_t index = x->pushed.load(std::memory_order_relaxed);
  if (G_UNLIKELY(is_over(x, index))) {
    end_stream(self);
    return;
  }
  if (x->credit != 0)
    await_credit(x, index);
  if (x->period_ns != 0)
    await_deadline(x);
  const GstFlowReturn flow = x->list_size > 1 ? push_list(self, index) : push_one(self, index);
  x->pushed.store(index + x->list_size, std::memory_order_relaxed);
  if (G_UNLIKELY(flow != GST_FLOW_OK)) {
    if (flow != GST_FLOW_FLUSHING)
      GST_ELEMENT_FLOW_ERROR(self, flow);
    unpin_thread();
    gst_pad_pause_task(self->pad);
  }
}

gboolean src_activate_mode(GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  return active ? gst_pad_start_task(pad, src_loop, parent, nullptr) : gst_pad_stop_task(pad);
}

void bench_src_init(BenchSrc *self)
{
  self->pad = gst_pad_new_from_static_template(&src_template, "src");
  gst_pad_set_activatemode_function(self->pad, src_activate_mode);
  gst_element_add_pad(GST_ELEMENT(self), self->pad);
  for (GstBuffer *&buffer : self->rotating)
    buffer = new_buffer();
}

void bench_src_finalize(GObject *object)
{
  for (GstBuffer *buffer : reinterpret_cast<BenchSrc *>(object)->rotating)
    gst_buffer_unref(buffer);
  G_OBJECT_CLASS(bench_src_parent_class)->finalize(object);
}

void bench_src_class_init(BenchSrcClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = bench_src_finalize;
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &src_template);
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Benchmark source", "Source",
                                        "Sends empty buffers", "GStreamer Streamlib");
}

// ---- sink

struct BenchSink {
  GstElement parent;
  GstPad *pad;
  Exchange *exchange;
};
struct BenchSinkClass {
  GstElementClass parent_class;
};
GType bench_sink_get_type();
G_DEFINE_TYPE(BenchSink, bench_sink, GST_TYPE_ELEMENT)

// Off the common path: the first buffer of the stream, the first and the last that are measured.
void pass_mark(Exchange *x)
{
  const uint64_t first = x->warm_up + 1;
  const uint64_t last = x->buffers != 0 ? x->warm_up + x->buffers - x->tail : UINT64_MAX;
  if (x->next_mark == 0) {
    pin_thread(x->sink_cpu);
    if (x->stamps)
      x->latencies_us.reserve(x->buffers + 1);
    x->next_mark = first;
  } else if (x->next_mark == first) {
    x->start_cpu_ns = process_cpu_ns();
    x->start_ns = monotonic_ns();
    if (x->on_begin != nullptr && !x->source_marks)
      x->on_begin();
    x->next_mark = last;
  } else {
    if (x->on_end != nullptr && !x->source_marks)
      x->on_end();
    x->next_mark = UINT64_MAX;
  }
}

void count(Exchange *x, uint64_t buffers)
{
  const uint64_t after = x->delivered.load(std::memory_order_relaxed) + buffers;
  if (G_UNLIKELY(after >= x->next_mark))
    pass_mark(x);
  x->delivered.store(after, std::memory_order_release);
}

GstFlowReturn sink_chain(GstPad *, GstObject *parent, GstBuffer *buffer)
{
  Exchange *x = reinterpret_cast<BenchSink *>(parent)->exchange;
  if (x->stamps && x->start_ns != 0) {
    const int64_t sent = static_cast<int64_t>(GST_BUFFER_OFFSET(buffer));
    x->latencies_us.push_back(static_cast<double>(monotonic_ns() - sent) / 1e3);
  }
  gst_buffer_unref(buffer);
  count(x, 1);
  return GST_FLOW_OK;
}

GstFlowReturn sink_chain_list(GstPad *, GstObject *parent, GstBufferList *list)
{
  const unsigned buffers = gst_buffer_list_length(list);
  gst_buffer_list_unref(list);
  count(reinterpret_cast<BenchSink *>(parent)->exchange, buffers);
  return GST_FLOW_OK;
}

gboolean sink_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
    Exchange *x = reinterpret_cast<BenchSink *>(parent)->exchange;
    x->end_ns = monotonic_ns();
    x->end_cpu_ns = process_cpu_ns();
    unpin_thread();
    gst_element_post_message(
        GST_ELEMENT(parent),
        gst_message_new_application(parent, gst_structure_new_empty(kDoneMessage)));
  }
  return gst_pad_event_default(pad, parent, event);
}

void bench_sink_init(BenchSink *self)
{
  self->pad = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(self->pad, sink_chain);
  gst_pad_set_chain_list_function(self->pad, sink_chain_list);
  gst_pad_set_event_function(self->pad, sink_event);
  gst_element_add_pad(GST_ELEMENT(self), self->pad);
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SINK);
}

void bench_sink_class_init(BenchSinkClass *klass)
{
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &sink_template);
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Benchmark sink", "Sink",
                                        "Counts buffers", "GStreamer Streamlib");
}

}  // namespace

void register_endpoints()
{
  gst_element_register(nullptr, "benchsrc", GST_RANK_NONE, bench_src_get_type());
  gst_element_register(nullptr, "benchsink", GST_RANK_NONE, bench_sink_get_type());
}

void set_exchange(GstElement *endpoint, Exchange *exchange)
{
  if (G_TYPE_CHECK_INSTANCE_TYPE(endpoint, bench_src_get_type()))
    reinterpret_cast<BenchSrc *>(endpoint)->exchange = exchange;
  else
    reinterpret_cast<BenchSink *>(endpoint)->exchange = exchange;
}

}  // namespace streamlib::bench
