// SPDX-License-Identifier: LGPL-2.1-or-later
#include "processor_fixture.h"

namespace fixture {

namespace {

struct TestProcessor {
  GstSlProcessor parent;
  Hooks *hooks;
};

TestProcessor *test_processor(gpointer object)
{
  return static_cast<TestProcessor *>(object);
}

gpointer parent_class = nullptr;

gboolean call_setup(GstSlProcessor *self, GError **error)
{
  const auto &hook = test_processor(self)->hooks->setup;
  return !hook || hook(error);
}

void call_teardown(GstSlProcessor *self)
{
  if (const auto &hook = test_processor(self)->hooks->teardown)
    hook();
}

GstFlowReturn call_process(GstSlProcessor *self, GstSlLinkPad *pad, GstBuffer *input,
                           GstBuffer **output)
{
  if (const auto &hook = test_processor(self)->hooks->process)
    return hook(pad, input, output);
  *output = input;
  return GST_FLOW_OK;
}

GstFlowReturn call_process_list(GstSlProcessor *self, GstSlLinkPad *pad, GstBufferList *list)
{
  const auto &hook = test_processor(self)->hooks->process_list;
  return hook ? hook(pad, list)
              : GST_SL_PROCESSOR_CLASS(parent_class)->process_list(self, pad, list);
}

gboolean call_set_caps(GstSlProcessor *self, GstSlLinkPad *pad, GstCaps *caps)
{
  const auto &hook = test_processor(self)->hooks->set_caps;
  return !hook || hook(pad, caps);
}

// The operation of the test is a task; its callback is the one that the processor wants called.
void call_process_async(GstSlProcessor *self, GstSlLinkPad *pad, GstBuffer *input,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  GTask *task = g_task_new(self, cancellable, callback, data);
  test_processor(self)->hooks->process_async(pad, input, task);
}

GstFlowReturn call_process_finish(GstSlProcessor *self, GAsyncResult *result, GstBuffer **output,
                                  GError **error)
{
  GTask *task = G_TASK(result);
  if (const auto &hook = test_processor(self)->hooks->process_finish)
    return hook(task, output, error);
  *output = static_cast<GstBuffer *>(g_task_propagate_pointer(task, error));
  return GST_FLOW_OK;
}

gboolean call_start(GstSlProcessor *self, GError **error)
{
  const auto &hook = test_processor(self)->hooks->start;
  return !hook || hook(error);
}

void call_stop(GstSlProcessor *self)
{
  if (const auto &hook = test_processor(self)->hooks->stop)
    hook();
}

gboolean call_sink_event(GstSlProcessor *self, GstSlLinkPad *pad, GstEvent *event)
{
  const auto &hook = test_processor(self)->hooks->sink_event;
  if (hook && hook(pad, event))
    return TRUE;
  return GST_SL_PROCESSOR_CLASS(parent_class)->sink_event(self, pad, event);
}

void finalize(GObject *object)
{
  delete test_processor(object)->hooks;
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

void add_template(GstElementClass *klass, const char *name, GstPadDirection direction,
                  GstPadPresence presence)
{
  const auto any = adopt_mini(gst_caps_new_any());
  gst_element_class_add_pad_template(
      klass, gst_pad_template_new_with_gtype(
                 name, direction, presence, any.get(),
                 direction == GST_PAD_SINK ? GST_TYPE_SL_LINK_PAD : GST_TYPE_PAD));
}

void class_init(gpointer klass, gpointer data)
{
  parent_class = g_type_class_peek(GST_TYPE_SL_PROCESSOR);
  G_OBJECT_CLASS(klass)->finalize = finalize;
  GstSlProcessorClass *processor_class = GST_SL_PROCESSOR_CLASS(klass);
  processor_class->setup = call_setup;
  processor_class->teardown = call_teardown;
  processor_class->process = call_process;
  processor_class->process_list = call_process_list;
  processor_class->start = call_start;
  processor_class->stop = call_stop;
  processor_class->sink_event = call_sink_event;

  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  const auto kind = static_cast<Kind>(GPOINTER_TO_INT(data));
  if (kind == Kind::Caps)
    processor_class->set_caps = call_set_caps;
  const bool awaits =
      kind == Kind::AwaitFilter || kind == Kind::AwaitSource || kind == Kind::AwaitJoin;
  if (awaits) {
    processor_class->process = nullptr;
    processor_class->process_list =
        GST_SL_PROCESSOR_CLASS(g_type_class_peek(GST_TYPE_SL_PROCESSOR))->process_list;
    processor_class->process_async = call_process_async;
    processor_class->process_finish = call_process_finish;
  }
  if (kind == Kind::Filter || kind == Kind::Sink || kind == Kind::Caps || kind == Kind::AwaitFilter)
    add_template(element_class, "sink", GST_PAD_SINK, GST_PAD_ALWAYS);
  if (kind == Kind::Join || kind == Kind::JoinSink || kind == Kind::AwaitJoin)
    add_template(element_class, "sink_%u", GST_PAD_SINK, GST_PAD_REQUEST);
  if (kind != Kind::Sink && kind != Kind::JoinSink)
    add_template(element_class, "src", GST_PAD_SRC, GST_PAD_ALWAYS);
  gst_element_class_set_static_metadata(element_class, "Test", "Generic", "Test", "Test");
}

bool has_thread_named(const char *name)
{
  bool found = false;
  GDir *dir = g_dir_open("/proc/self/task", 0, nullptr);
  while (const char *thread = dir != nullptr ? g_dir_read_name(dir) : nullptr) {
    const CStr path(g_build_filename("/proc/self/task", thread, "comm", nullptr));
    gchar *text = nullptr;
    found = found || (g_file_get_contents(path.get(), &text, nullptr, nullptr) &&
                      g_str_equal(g_strchomp(text), name));
    g_free(text);
  }
  if (dir != nullptr)
    g_dir_close(dir);
  return found;
}

// A runtime whose watchdog just ticks ends a moment after its last processor, in its own thread.
// Registered after what GStreamer's checks do at the end, this runs before it.
void wait_for_runtimes_at_exit()
{
  static const int registered = std::atexit([] {
    eventually([] { return !has_thread_named("sl-io") && !has_thread_named("sl-watch"); });
  });
  fail_unless_equals_int(registered, 0);
}

GType type_of(Kind kind)
{
  static const char *const names[] = {"TestFilter",      "TestSource",      "TestSink",
                                      "TestJoin",        "TestJoinSink",    "TestCaps",
                                      "TestAwaitFilter", "TestAwaitSource", "TestAwaitJoin"};
  const auto index = static_cast<int>(kind);
  if (const GType known = g_type_from_name(names[index]))
    return known;
  // The base class is initialised before those that follow it look at it.
  g_type_class_unref(g_type_class_ref(GST_TYPE_SL_PROCESSOR));
  GTypeInfo info = {};
  info.class_size = sizeof(GstSlProcessorClass);
  info.class_init = class_init;
  info.class_data = GINT_TO_POINTER(index);
  info.instance_size = sizeof(TestProcessor);
  return g_type_register_static(GST_TYPE_SL_PROCESSOR, names[index], &info,
                                static_cast<GTypeFlags>(0));
}

}  // namespace

GObjectPtr<GstSlProcessor> make_processor(Kind kind, Hooks hooks, const char *name)
{
  wait_for_runtimes_at_exit();
  auto *object = g_object_new(type_of(kind), "name", name, nullptr);
  if (kind == Kind::AwaitFilter || kind == Kind::AwaitSource || kind == Kind::AwaitJoin)
    g_object_set(object, "scheduling", GST_SL_SCHEDULING_ASYNC, nullptr);
  test_processor(object)->hooks = new Hooks(std::move(hooks));
  return streamlib::support::sink_object(GST_SL_PROCESSOR(object));
}

GstBuffer *make_buffer(GstClockTime pts, guint64 number, GstClockTime duration)
{
  GstBuffer *buffer = gst_buffer_new_allocate(nullptr, 8, nullptr);
  GST_BUFFER_PTS(buffer) = pts;
  GST_BUFFER_DURATION(buffer) = duration;
  GST_BUFFER_OFFSET(buffer) = number;
  return buffer;
}

// --- Feeder ---

Feeder::Feeder(GstSlProcessor *processor, const char *sink)
    : pad_(streamlib::support::sink_object(gst_pad_new("feeder", GST_PAD_SRC)))
{
  GstElement *element = GST_ELEMENT_CAST(processor);
  sink_ = adopt_object(strchr(sink, '%') != nullptr ? gst_element_request_pad_simple(element, sink)
                                                    : gst_element_get_static_pad(element, sink));
  fail_unless(sink_);
  gst_pad_set_element_private(pad_.get(), this);
  gst_pad_set_event_function(pad_.get(), handle_event);
  gst_pad_set_query_function(pad_.get(), handle_query);
  gst_pad_set_active(pad_.get(), TRUE);
  fail_unless_equals_int(gst_pad_link(pad_.get(), sink_.get()), GST_PAD_LINK_OK);
}

Feeder::~Feeder()
{
  gst_pad_set_active(pad_.get(), FALSE);
  if (const auto peer = adopt_object(gst_pad_get_peer(pad_.get())))
    gst_pad_unlink(pad_.get(), peer.get());
}

gboolean Feeder::handle_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
  auto *self = static_cast<Feeder *>(gst_pad_get_element_private(pad));
  const auto owned = adopt_mini(event);
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEEK)
    self->seeks++;
  return self->on_event ? self->on_event(event) : TRUE;
}

gboolean Feeder::handle_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
  const auto *self = static_cast<Feeder *>(gst_pad_get_element_private(pad));
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
    return gst_pad_query_default(pad, parent, query);
  gst_query_set_latency(query, self->live, self->min_latency, self->max_latency);
  return TRUE;
}

void Feeder::open(GstClockTime segment_start, GstClockTime base, const char *caps)
{
  const CStr id(g_strdup_printf("stream-%p", static_cast<void *>(this)));
  event(gst_event_new_stream_start(id.get()));
  const auto fixed = adopt_mini(gst_caps_from_string(caps));
  event(gst_event_new_caps(fixed.get()));
  segment(segment_start, base);
}

void Feeder::segment(GstClockTime start, GstClockTime base)
{
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = segment.position = start;
  segment.base = base;
  event(gst_event_new_segment(&segment));
}

GstFlowReturn Feeder::push(GstClockTime pts, guint64 number, GstClockTime duration)
{
  return gst_pad_push(pad_.get(), make_buffer(pts, number, duration));
}

void Feeder::flush()
{
  event(gst_event_new_flush_start());
  event(gst_event_new_flush_stop(TRUE));
}

guint64 Feeder::stat(const char *field) const
{
  const StructurePtr stats(gst_sl_link_pad_get_stats(sink()));
  guint64 value = 0;
  guint small = 0;
  if (!gst_structure_get_uint64(stats.get(), field, &value) &&
      gst_structure_get_uint(stats.get(), field, &small))
    value = small;
  return value;
}

// --- Recorder ---

Recorder::Recorder(GstSlProcessor *processor, const char *src)
{
  const auto any = adopt_mini(gst_caps_new_any());
  const auto templ = streamlib::support::sink_object(
      gst_pad_template_new("recorder", GST_PAD_SINK, GST_PAD_ALWAYS, any.get()));
  pad_ = streamlib::support::sink_object(gst_pad_new_from_template(templ.get(), nullptr));
  gst_pad_set_element_private(pad_.get(), this);
  gst_pad_set_chain_function(pad_.get(), take_buffer);
  gst_pad_set_event_function(pad_.get(), take_event);
  gst_pad_set_active(pad_.get(), TRUE);
  const auto peer = adopt_object(gst_element_get_static_pad(GST_ELEMENT_CAST(processor), src));
  fail_unless_equals_int(gst_pad_link(peer.get(), pad_.get()), GST_PAD_LINK_OK);
}

Recorder::~Recorder()
{
  gst_pad_set_active(pad_.get(), FALSE);
  if (const auto peer = adopt_object(gst_pad_get_peer(pad_.get())))
    gst_pad_unlink(peer.get(), pad_.get());
}

GstFlowReturn Recorder::take_buffer(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  auto *self = static_cast<Recorder *>(gst_pad_get_element_private(pad));
  {
    const std::lock_guard lock(self->mutex_);
    self->seen_.push_back({GST_EVENT_UNKNOWN, adopt_mini(GST_MINI_OBJECT_CAST(buffer))});
  }
  return self->on_buffer ? self->on_buffer(buffer) : GST_FLOW_OK;
}

gboolean Recorder::take_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
  auto *self = static_cast<Recorder *>(gst_pad_get_element_private(pad));
  const std::lock_guard lock(self->mutex_);
  self->seen_.push_back({GST_EVENT_TYPE(event), adopt_mini(GST_MINI_OBJECT_CAST(event))});
  return TRUE;
}

std::vector<Seen> Recorder::seen() const
{
  const std::lock_guard lock(mutex_);
  return seen_;
}

std::vector<guint64> Recorder::numbers() const
{
  std::vector<guint64> numbers;
  for (const Seen &one : seen()) {
    if (one.is_buffer())
      numbers.push_back(GST_BUFFER_OFFSET(one.buffer()));
  }
  return numbers;
}

size_t Recorder::buffers() const
{
  return count(GST_EVENT_UNKNOWN);
}

size_t Recorder::count(GstEventType type) const
{
  const std::lock_guard lock(mutex_);
  size_t found = 0;
  for (const Seen &one : seen_)
    found += one.event == type ? 1 : 0;
  return found;
}

void Recorder::clear()
{
  const std::lock_guard lock(mutex_);
  seen_.clear();
}

// --- Rig ---

Rig::Rig(Kind kind, Hooks hooks, const char *name)
    : kind_(kind),
      bus_(adopt_object(gst_bus_new())),
      processor_(make_processor(kind, std::move(hooks), name))
{
  gst_element_set_bus(element(), bus_.get());
}

Rig::~Rig()
{
  stop();
  gst_element_set_bus(element(), nullptr);
}

Feeder &Rig::add_feeder(const char *sink)
{
  const bool is_join = kind_ == Kind::Join || kind_ == Kind::JoinSink;
  const char *name = sink != nullptr ? sink : is_join ? "sink_%u" : "sink";
  feeders_.push_back(std::make_unique<Feeder>(processor(), name));
  return *feeders_.back();
}

Recorder &Rig::add_recorder()
{
  recorder_ = std::make_unique<Recorder>(processor());
  return *recorder_;
}

void Rig::play(GstClock *clock)
{
  const auto used =
      clock != nullptr ? share_object(clock) : adopt_object(gst_system_clock_obtain());
  gst_element_set_clock(element(), used.get());
  gst_element_set_base_time(element(), gst_clock_get_time(used.get()));
  fail_unless(set_state(GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE);
}

void Rig::stop()
{
  fail_unless(set_state(GST_STATE_NULL) != GST_STATE_CHANGE_FAILURE);
}

StructurePtr Rig::stats() const
{
  GstStructure *stats = nullptr;
  g_object_get(processor_.get(), "stats", &stats, nullptr);
  return StructurePtr(stats);
}

guint64 Rig::stat(const char *field) const
{
  guint64 value = 0;
  guint small = 0;
  const StructurePtr all = stats();
  if (!gst_structure_get_uint64(all.get(), field, &value) &&
      gst_structure_get_uint(all.get(), field, &small))
    value = small;
  return value;
}

MiniPtr<GstMessage> Rig::message(GstMessageType types, int ms)
{
  return adopt_mini(gst_bus_timed_pop_filtered(
      bus(), static_cast<GstClockTime>(ms > 0 ? limit_ms(ms) : 0) * GST_MSECOND, types));
}

MiniPtr<GstMessage> Rig::element_message(const char *name, int ms)
{
  const gint64 end = g_get_monotonic_time() + gint64{limit_ms(ms)} * 1000;
  do {
    auto found = message(GST_MESSAGE_ELEMENT, 20);
    if (found && gst_message_has_name(found.get(), name))
      return found;
  } while (g_get_monotonic_time() < end);
  return nullptr;
}

std::string text_of(GstMessage *message)
{
  GError *error = nullptr;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
    gst_message_parse_error(message, &error, nullptr);
  else
    gst_message_parse_warning(message, &error, nullptr);
  const streamlib::support::ErrorPtr owned(error);
  return error->message;
}

// --- Gate ---

void Gate::wait()
{
  visitors_++;
  while (!is_open_.load())
    sleep_ms(1);
}

void Gate::open()
{
  is_open_.store(true);
}

}  // namespace fixture
