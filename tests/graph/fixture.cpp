// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include <algorithm>
#include <cinttypes>
#include <condition_variable>
#include <cstdio>
#include <utility>

#include <dirent.h>
#include <unistd.h>

namespace graphs {

namespace {

unsigned entries_of(const char *folder)
{
  DIR *directory = opendir(folder);
  unsigned count = 0;
  while (directory != nullptr && readdir(directory) != nullptr)
    count++;
  if (directory != nullptr)
    closedir(directory);
  return count;
}

// What stuck filters wait for.
std::mutex trouble_mutex;
std::condition_variable trouble_over;
unsigned trouble_round = 0;
CallAnswer trouble_answer;

// --- troublefilter ---

struct Trouble {
  GstElement parent;
  GstPad *src;
  GstPad *sink;
  guint setup_ms;
  gboolean setup_fails;
  gboolean stop_fails;
  gboolean setup_calls;
  gint stuck;
};
struct TroubleClass {
  GstElementClass parent_class;
};

gpointer trouble_parent;

GstFlowReturn trouble_chain(GstPad *, GstObject *parent, GstBuffer *buffer)
{
  auto *self = reinterpret_cast<Trouble *>(parent);
  if (g_atomic_int_get(&self->stuck)) {
    std::unique_lock lock(trouble_mutex);
    const unsigned round = trouble_round;
    trouble_over.wait(lock, [&] { return trouble_round != round; });
  }
  return gst_pad_push(self->src, buffer);
}

void trouble_call(GstElement *element)
{
  const auto runtime = adopt_object(gst_sl_runtime_for_element(element));
  GError *error = nullptr;
  const gint64 begin = g_get_monotonic_time();
  const auto nothing = [](gpointer) -> GVariant * { return nullptr; };
  gst_sl_dispatcher_invoke(gst_sl_runtime_get_dispatcher(runtime.get()), "set-up", nothing, nullptr,
                           nullptr, GST_SL_DISPATCHER_DEFAULT_TIMEOUT, nullptr, nullptr, &error);
  const ErrorPtr held(error);
  std::lock_guard lock(trouble_mutex);
  trouble_answer = {error != nullptr ? error->message : "", error != nullptr ? error->code : -1,
                    (g_get_monotonic_time() - begin) / 1000};
}

GstStateChangeReturn trouble_change_state(GstElement *element, GstStateChange transition)
{
  auto *self = reinterpret_cast<Trouble *>(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    g_usleep(self->setup_ms * 1000);
    if (self->setup_calls)
      trouble_call(element);
    if (self->setup_fails) {
      GST_ELEMENT_ERROR(element, RESOURCE, OPEN_READ, ("The trouble was asked for."), (nullptr));
      return GST_STATE_CHANGE_FAILURE;
    }
  }
  const auto result = GST_ELEMENT_CLASS(trouble_parent)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY && std::exchange(self->stop_fails, FALSE))
    return GST_STATE_CHANGE_FAILURE;
  return result;
}

void trouble_set(GObject *object, guint id, const GValue *value, GParamSpec *)
{
  auto *self = reinterpret_cast<Trouble *>(object);
  if (id == 1)
    self->setup_ms = g_value_get_uint(value);
  else if (id == 2)
    self->setup_fails = g_value_get_boolean(value);
  else if (id == 4)
    self->stop_fails = g_value_get_boolean(value);
  else if (id == 5)
    self->setup_calls = g_value_get_boolean(value);
  else
    g_atomic_int_set(&self->stuck, g_value_get_boolean(value));
}

void trouble_get(GObject *object, guint id, GValue *value, GParamSpec *)
{
  auto *self = reinterpret_cast<Trouble *>(object);
  if (id == 1)
    g_value_set_uint(value, self->setup_ms);
  else if (id == 4 || id == 5)
    g_value_set_boolean(value, id == 4 ? self->stop_fails : self->setup_calls);
  else
    g_value_set_boolean(value, id == 2 ? self->setup_fails : g_atomic_int_get(&self->stuck) != 0);
}

void trouble_class_init(gpointer klass, gpointer)
{
  trouble_parent = g_type_class_peek_parent(klass);
  auto *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = trouble_set;
  object_class->get_property = trouble_get;
  const auto flags = static_cast<GParamFlags>(G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property(object_class, 1,
                                  g_param_spec_uint("setup-ms", "", "", 0, G_MAXUINT, 0, flags));
  g_object_class_install_property(object_class, 2,
                                  g_param_spec_boolean("setup-fails", "", "", FALSE, flags));
  g_object_class_install_property(object_class, 3,
                                  g_param_spec_boolean("stuck", "", "", FALSE, flags));
  g_object_class_install_property(object_class, 4,
                                  g_param_spec_boolean("stop-fails", "", "", FALSE, flags));
  g_object_class_install_property(object_class, 5,
                                  g_param_spec_boolean("setup-calls", "", "", FALSE, flags));
  auto *element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = trouble_change_state;
  for (const GstPadDirection direction : {GST_PAD_SRC, GST_PAD_SINK})
    gst_element_class_add_pad_template(
        element_class, gst_pad_template_new(direction == GST_PAD_SRC ? "src" : "sink", direction,
                                            GST_PAD_ALWAYS, gst_caps_new_any()));
  gst_element_class_set_static_metadata(element_class, "Trouble", "Filter/Test", "Passes on", "-");
}

void trouble_init(GTypeInstance *instance, gpointer)
{
  auto *self = reinterpret_cast<Trouble *>(instance);
  auto *element_class = GST_ELEMENT_GET_CLASS(instance);
  self->sink =
      gst_pad_new_from_template(gst_element_class_get_pad_template(element_class, "sink"), "sink");
  self->src =
      gst_pad_new_from_template(gst_element_class_get_pad_template(element_class, "src"), "src");
  gst_pad_set_chain_function(self->sink, trouble_chain);
  GST_PAD_SET_PROXY_CAPS(self->sink);
  GST_PAD_SET_PROXY_ALLOCATION(self->sink);
  gst_element_add_pad(GST_ELEMENT(self), self->sink);
  gst_element_add_pad(GST_ELEMENT(self), self->src);
}

std::string text_of(gboolean ok, GError *error)
{
  const ErrorPtr held(error);
  ck_assert_msg(ok == (error == nullptr), "an error and its return value differ");
  return error != nullptr ? error->message : "";
}

}  // namespace

CallAnswer call_answer()
{
  std::lock_guard lock(trouble_mutex);
  return std::exchange(trouble_answer, {});
}

double slowness()
{
  const char *factor = g_getenv("CK_TIMEOUT_MULTIPLIER");
  return factor != nullptr ? std::max(g_ascii_strtod(factor, nullptr), 1.0) : 1;
}

bool eventually(const std::function<bool()> &done, double seconds)
{
  const gint64 end =
      g_get_monotonic_time() + static_cast<gint64>(seconds * slowness() * G_TIME_SPAN_SECOND);
  while (!done()) {
    if (g_get_monotonic_time() > end)
      return false;
    g_usleep(2000);
  }
  return true;
}

unsigned thread_count()
{
  return entries_of("/proc/self/task") - 2;
}

unsigned descriptor_count()
{
  return entries_of("/proc/self/fd") - 3;
}

size_t resident_memory()
{
  std::unique_ptr<FILE, int (*)(FILE *)> file(fopen("/proc/self/statm", "r"), fclose);
  unsigned long pages = 0;
  if (!file || fscanf(file.get(), "%*u %lu", &pages) != 1)
    return 0;
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

void register_trouble()
{
  static const GTypeInfo info = {sizeof(TroubleClass),
                                 nullptr,
                                 nullptr,
                                 trouble_class_init,
                                 nullptr,
                                 nullptr,
                                 sizeof(Trouble),
                                 0,
                                 trouble_init,
                                 nullptr};
  const GType type =
      g_type_register_static(GST_TYPE_ELEMENT, "TroubleFilter", &info, static_cast<GTypeFlags>(0));
  gst_element_register(nullptr, "troublefilter", GST_RANK_NONE, type);
}

void let_go()
{
  std::lock_guard lock(trouble_mutex);
  trouble_round++;
  trouble_over.notify_all();
}

Tap::Tap(GstPad *pad)
    : probe_(pad,
             static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER |
                                          GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
             on_data, this)
{}

GstPadProbeReturn Tap::on_data(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto *self = static_cast<Tap *>(data);
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) == 0) {
    if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS)
      self->eos_.store(true);
    return GST_PAD_PROBE_OK;
  }
  const guint64 offset = GST_BUFFER_OFFSET(GST_PAD_PROBE_INFO_BUFFER(info));
  const gint64 now = g_get_monotonic_time();
  if (self->last_offset_ != GST_BUFFER_OFFSET_NONE && offset != self->last_offset_ + 1)
    self->gaps_++;
  if (self->last_time_ != 0)
    self->longest_pause_.store(std::max(self->longest_pause_.load(), now - self->last_time_));
  if (self->thread_ != g_thread_self()) {
    self->thread_ = g_thread_self();
    self->threads_++;
  }
  self->last_offset_ = offset;
  self->last_time_ = now;
  self->buffers_++;
  return GST_PAD_PROBE_OK;
}

TestGraph::TestGraph(const std::string &description)
    : pipeline_(sink_object(gst_pipeline_new("pipeline"))),
      graph_(sink_object(gst_sl_graph_new("graph")))
{
  gst_bin_add(GST_BIN(pipeline_.get()), GST_ELEMENT(graph_.get()));
  const auto bus = adopt_object(gst_element_get_bus(pipeline_.get()));
  gst_bus_set_sync_handler(bus.get(), on_message, this, nullptr);
  if (!description.empty()) {
    const std::string problems = apply(description);
    ck_assert_msg(problems.empty(), "%s", problems.c_str());
  }
}

TestGraph::~TestGraph()
{
  let_go();
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  const auto bus = adopt_object(gst_element_get_bus(pipeline_.get()));
  gst_bus_set_sync_handler(bus.get(), nullptr, nullptr, nullptr);
}

void TestGraph::play()
{
  ck_assert_int_ne(gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING),
                   GST_STATE_CHANGE_FAILURE);
  GstState state;
  gst_element_get_state(pipeline_.get(), &state, nullptr,
                        static_cast<GstClockTime>(5 * slowness() * GST_SECOND));
  ck_assert_int_eq(state, GST_STATE_PLAYING);
}

int64_t TestGraph::stop()
{
  const gint64 begin = g_get_monotonic_time();
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  return (g_get_monotonic_time() - begin) / 1000;
}

std::string TestGraph::apply(const std::string &description)
{
  GError *error = nullptr;
  const gboolean ok = gst_sl_graph_apply(get(), description.c_str(), &error);
  return text_of(ok, error);
}

std::string TestGraph::add(const std::string &id, const std::string &node)
{
  GError *error = nullptr;
  const gboolean ok = gst_sl_graph_add_node(get(), id.c_str(), node.c_str(), &error);
  return text_of(ok, error);
}

std::string TestGraph::remove(const std::string &id)
{
  GError *error = nullptr;
  const gboolean ok = gst_sl_graph_remove_node(get(), id.c_str(), &error);
  return text_of(ok, error);
}

std::string TestGraph::replace(const std::string &id, const char *node)
{
  GError *error = nullptr;
  const gboolean ok = gst_sl_graph_replace_node(get(), id.c_str(), node, &error);
  return text_of(ok, error);
}

std::string TestGraph::link(const std::string &from, const std::string &to, const char *options)
{
  GError *error = nullptr;
  const gboolean ok = gst_sl_graph_link(get(), from.c_str(), to.c_str(), options, &error);
  return text_of(ok, error);
}

std::string TestGraph::unlink(const std::string &from, const std::string &to)
{
  GError *error = nullptr;
  const gboolean ok = gst_sl_graph_unlink(get(), from.c_str(), to.c_str(), &error);
  return text_of(ok, error);
}

std::string TestGraph::configure(const std::string &id, const std::string &property,
                                 const char *value)
{
  GError *error = nullptr;
  const gboolean ok = gst_sl_graph_configure(get(), id.c_str(), property.c_str(), value, &error);
  return text_of(ok, error);
}

GObjectPtr<GstElement> TestGraph::node(const std::string &id) const
{
  return adopt_object(gst_sl_graph_get_node(get(), id.c_str()));
}

std::unique_ptr<Tap> TestGraph::tap(const std::string &id, const char *pad) const
{
  const auto found = adopt_object(gst_element_get_static_pad(node(id).get(), pad));
  ck_assert(found);
  return std::make_unique<Tap>(found.get());
}

std::string TestGraph::describe() const
{
  const CStr text(gst_sl_graph_describe(get()));
  return text.get();
}

std::string TestGraph::stats() const
{
  const CStr text(gst_sl_graph_get_stats(get()));
  return text.get();
}

std::vector<Event> TestGraph::events(const std::string &name) const
{
  std::lock_guard lock(mutex_);
  std::vector<Event> result;
  for (const Event &event : events_) {
    if (name.empty() || event.name == name)
      result.push_back(event);
  }
  return result;
}

std::vector<std::string> TestGraph::errors() const
{
  std::lock_guard lock(mutex_);
  return errors_;
}

std::vector<std::string> TestGraph::warnings() const
{
  std::lock_guard lock(mutex_);
  return warnings_;
}

GstBusSyncReply TestGraph::on_message(GstBus *, GstMessage *message, gpointer data)
{
  auto *self = static_cast<TestGraph *>(data);
  GError *error = nullptr;
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_EOS:
      if (GST_MESSAGE_SRC(message) == GST_OBJECT(self->pipeline()))
        self->eos_.store(true);
      break;
    case GST_MESSAGE_ERROR:
    case GST_MESSAGE_WARNING: {
      const bool is_error = GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR;
      if (is_error)
        gst_message_parse_error(message, &error, nullptr);
      else
        gst_message_parse_warning(message, &error, nullptr);
      const ErrorPtr held(error);
      std::lock_guard lock(self->mutex_);
      (is_error ? self->errors_ : self->warnings_).emplace_back(error->message);
      break;
    }
    case GST_MESSAGE_ELEMENT: {
      const GstStructure *structure = gst_message_get_structure(message);
      if (!gst_structure_has_name(structure, "streamlib-graph"))
        break;
      const auto text = [structure](const char *field) {
        const char *value = gst_structure_get_string(structure, field);
        return std::string(value != nullptr ? value : "");
      };
      Event event;
      event.name = text("event");
      event.subject = text("node");
      if (!text("from").empty())
        event.subject = text("from") + " -> " + text("to");
      event.detail = text("detail");
      gst_structure_get_uint64(structure, "sequence", &event.sequence);
      std::lock_guard lock(self->mutex_);
      self->events_.push_back(std::move(event));
      break;
    }
    default:
      break;
  }
  gst_message_unref(message);
  return GST_BUS_DROP;
}

void check_equal(const std::string &found, const std::string &expected)
{
  ck_assert_msg(found == expected, "'%s' is there, '%s' is expected", found.c_str(),
                expected.c_str());
}

int run(Suite *suite)
{
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  const int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}

}  // namespace graphs
