// SPDX-License-Identifier: LGPL-2.1-or-later
// GstSlRuntime: who shares one, and its I/O context.
#include <thread>

#include "processor_fixture.h"

using namespace fixture;

namespace {

GObjectPtr<GstElement> make_pipeline()
{
  return streamlib::support::sink_object(gst_pipeline_new(nullptr));
}

GObjectPtr<GstSlProcessor> add_processor(GstElement *bin)
{
  auto processor = make_processor(Kind::Filter, {}, nullptr);
  gst_bin_add(GST_BIN(bin), GST_ELEMENT(processor.get()));
  return processor;
}

GObjectPtr<GstSlRuntime> runtime_of(const GObjectPtr<GstSlProcessor> &processor)
{
  return share_object(gst_sl_processor_get_runtime(processor.get()));
}

// How many threads of this process have that name.
int threads_named(const char *name)
{
  int count = 0;
  GDir *dir = g_dir_open("/proc/self/task", 0, nullptr);
  fail_unless(dir != nullptr);
  while (const char *thread = g_dir_read_name(dir)) {
    const CStr path(g_build_filename("/proc/self/task", thread, "comm", nullptr));
    gchar *text = nullptr;
    if (g_file_get_contents(path.get(), &text, nullptr, nullptr))
      count += g_str_equal(g_strchomp(text), name) ? 1 : 0;
    g_free(text);
  }
  g_dir_close(dir);
  return count;
}

// Whether the object goes within a while.
class Watched {
public:
  explicit Watched(gpointer object) { g_weak_ref_init(&ref_, object); }
  Watched(const Watched &) = delete;
  Watched &operator=(const Watched &) = delete;
  ~Watched() { g_weak_ref_clear(&ref_); }
  bool is_gone()
  {
    return eventually(
        [this] { return !adopt_object(static_cast<GObject *>(g_weak_ref_get(&ref_))); });
  }

private:
  GWeakRef ref_;
};

}  // namespace

GST_START_TEST(pipeline_has_one_runtime)
{
  const auto pipeline = make_pipeline();
  const auto first = add_processor(pipeline.get());
  GstElement *bin = gst_bin_new("deep");
  gst_bin_add(GST_BIN(pipeline.get()), bin);
  const auto deep = add_processor(bin);
  fail_unless(!runtime_of(first));
  gst_element_set_state(pipeline.get(), GST_STATE_READY);
  const auto runtime = runtime_of(first);
  fail_unless(runtime);
  fail_unless(runtime_of(deep) == runtime);
  // One that comes later too.
  const auto late = add_processor(bin);
  gst_element_sync_state_with_parent(GST_ELEMENT(late.get()));
  fail_unless(runtime_of(late) == runtime);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  fail_unless(!runtime_of(first));
}
GST_END_TEST;

GST_START_TEST(two_pipelines_have_two_runtimes)
{
  const auto one = make_pipeline();
  const auto two = make_pipeline();
  const auto in_one = add_processor(one.get());
  const auto in_two = add_processor(two.get());
  gst_element_set_state(one.get(), GST_STATE_READY);
  gst_element_set_state(two.get(), GST_STATE_READY);
  fail_unless(!(runtime_of(in_one) == runtime_of(in_two)));
  gst_element_set_state(one.get(), GST_STATE_NULL);
  gst_element_set_state(two.get(), GST_STATE_NULL);
}
GST_END_TEST;

GST_START_TEST(application_may_hand_one_runtime_to_two_pipelines)
{
  const auto runtime = adopt_object(gst_sl_runtime_new());
  const auto context = adopt_mini(gst_sl_runtime_to_context(runtime.get(), TRUE));
  fail_unless(gst_context_is_persistent(context.get()));
  fail_unless(adopt_object(gst_sl_runtime_from_context(context.get())) == runtime);
  const auto other = adopt_mini(gst_context_new("other", FALSE));
  fail_unless(gst_sl_runtime_from_context(other.get()) == nullptr);

  const auto one = make_pipeline();
  const auto two = make_pipeline();
  const auto in_one = add_processor(one.get());
  const auto in_two = add_processor(two.get());
  for (const auto &pipeline : {one, two})
    gst_element_set_context(pipeline.get(), context.get());
  // It outlasts a trip to NULL.
  for (int round = 0; round < 2; round++) {
    gst_element_set_state(one.get(), GST_STATE_READY);
    gst_element_set_state(two.get(), GST_STATE_READY);
    fail_unless(runtime_of(in_one) == runtime);
    fail_unless(runtime_of(in_two) == runtime);
    gst_element_set_state(one.get(), GST_STATE_NULL);
    gst_element_set_state(two.get(), GST_STATE_NULL);
  }
}
GST_END_TEST;

// An application that answers NEED_CONTEXT.
GST_START_TEST(need_context_is_asked)
{
  const auto runtime = adopt_object(gst_sl_runtime_new());
  const auto pipeline = make_pipeline();
  const auto processor = add_processor(pipeline.get());
  const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
  gst_bus_set_sync_handler(
      bus.get(),
      [](GstBus *, GstMessage *message, gpointer data) {
        const gchar *type;
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_NEED_CONTEXT &&
            gst_message_parse_context_type(message, &type) &&
            g_str_equal(type, GST_SL_RUNTIME_CONTEXT_TYPE)) {
          const auto context =
              adopt_mini(gst_sl_runtime_to_context(static_cast<GstSlRuntime *>(data), FALSE));
          gst_element_set_context(GST_ELEMENT(GST_MESSAGE_SRC(message)), context.get());
        }
        return GST_BUS_PASS;
      },
      runtime.get(), nullptr);
  gst_element_set_state(pipeline.get(), GST_STATE_READY);
  fail_unless(runtime_of(processor) == runtime);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  gst_bus_set_sync_handler(bus.get(), nullptr, nullptr, nullptr);
}
GST_END_TEST;

GST_START_TEST(new_runtime_is_announced)
{
  const auto pipeline = make_pipeline();
  const auto processor = add_processor(pipeline.get());
  gst_element_set_state(pipeline.get(), GST_STATE_READY);
  const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
  const auto message = adopt_mini(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_HAVE_CONTEXT));
  fail_unless(message);
  GstContext *context = nullptr;
  gst_message_parse_have_context(message.get(), &context);
  const auto owned = adopt_mini(context);
  fail_unless(adopt_object(gst_sl_runtime_from_context(context)) == runtime_of(processor));
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}
GST_END_TEST;

// Two elements that go up at once end with one.
GST_START_TEST(elements_that_go_up_at_once_share)
{
  for (int round = 0; round < 50; round++) {
    const auto pipeline = make_pipeline();
    std::vector<GObjectPtr<GstSlProcessor>> processors;
    for (int i = 0; i < 4; i++) {
      processors.push_back(add_processor(pipeline.get()));
      gst_element_set_locked_state(GST_ELEMENT(processors.back().get()), TRUE);
    }
    std::atomic<int> waiting = 4;
    std::vector<std::thread> threads;
    for (const auto &processor : processors) {
      threads.emplace_back([&] {
        for (waiting--; waiting > 0;)
          std::this_thread::yield();
        gst_element_set_state(GST_ELEMENT(processor.get()), GST_STATE_READY);
      });
    }
    for (auto &thread : threads)
      thread.join();
    for (const auto &processor : processors)
      fail_unless(runtime_of(processor) == runtime_of(processors[0]));
    for (const auto &processor : processors)
      gst_element_set_state(GST_ELEMENT(processor.get()), GST_STATE_NULL);
  }
}
GST_END_TEST;

// A runtime ends with its last processor, and its thread with it.
GST_START_TEST(io_thread_starts_late_and_ends_with_the_last_processor)
{
  constexpr const char *kName = "sl-io";
  fail_unless_equals_int(threads_named(kName), 0);
  const auto pipeline = make_pipeline();
  const auto first = add_processor(pipeline.get());
  const auto second = add_processor(pipeline.get());
  gst_element_set_state(pipeline.get(), GST_STATE_READY);
  fail_unless_equals_int(threads_named(kName), 0);
  Watched runtime(gst_sl_processor_get_runtime(first.get()));

  // A source on it runs in a thread of its own.
  std::atomic<GThread *> ran_in = nullptr;
  GSource *source = g_idle_source_new();
  g_source_set_callback(
      source,
      [](gpointer data) {
        *static_cast<std::atomic<GThread *> *>(data) = g_thread_self();
        return G_SOURCE_REMOVE;
      },
      &ran_in, nullptr);
  GMainContext *context = gst_sl_runtime_get_io_context(gst_sl_processor_get_runtime(first.get()));
  g_source_attach(source, context);
  g_source_unref(source);
  fail_unless(eventually([&] { return ran_in.load() != nullptr; }));
  fail_unless(ran_in.load() != g_thread_self());
  fail_unless_equals_int(threads_named(kName), 1);
  fail_unless(gst_sl_runtime_get_io_context(gst_sl_processor_get_runtime(second.get())) == context);

  gst_element_set_locked_state(GST_ELEMENT(second.get()), TRUE);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  fail_unless(runtime_of(second));
  fail_unless_equals_int(threads_named(kName), 1);
  gst_element_set_state(GST_ELEMENT(second.get()), GST_STATE_NULL);
  // Not even messages on the bus keep it.
  const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
  gst_bus_set_flushing(bus.get(), TRUE);
  fail_unless(runtime.is_gone());
  fail_unless(eventually([&] { return threads_named(kName) == 0; }));
}
GST_END_TEST;

// The same many times, with processors that run.
GST_START_TEST(runtimes_come_and_go)
{
  for (int round = 0; round < 20; round++) {
    const auto pipeline = make_pipeline();
    GstElement *source = gst_element_factory_make("fakesrc", nullptr);
    GstElement *sink = gst_element_factory_make("fakesink", nullptr);
    const auto processor = make_processor(Kind::Filter, {}, nullptr);
    gst_bin_add_many(GST_BIN(pipeline.get()), source, GST_ELEMENT(processor.get()), sink, nullptr);
    fail_unless(gst_element_link_many(source, GST_ELEMENT(processor.get()), sink, nullptr));
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    gst_element_get_state(pipeline.get(), nullptr, nullptr, limit_ms(5000) * GST_MSECOND);
    Watched runtime(gst_sl_processor_get_runtime(processor.get()));
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    fail_unless(runtime.is_gone());
  }
  fail_unless(eventually([] { return threads_named("sl-watch") == 0; }));
}
GST_END_TEST;

GST_START_TEST(element_outside_a_pipeline_has_its_own)
{
  Rig one(Kind::Filter, {}, "one");
  Rig two(Kind::Filter, {}, "two");
  one.set_state(GST_STATE_READY);
  two.set_state(GST_STATE_READY);
  GstSlRuntime *runtime = gst_sl_processor_get_runtime(one.processor());
  fail_unless(GST_IS_SL_RUNTIME(runtime));
  fail_unless(gst_sl_processor_get_runtime(two.processor()) != runtime);
  // Any element can ask for that of its pipeline.
  const auto pipeline = make_pipeline();
  const auto processor = add_processor(pipeline.get());
  GstElement *foreign = gst_element_factory_make("identity", nullptr);
  gst_bin_add(GST_BIN(pipeline.get()), foreign);
  const auto of_foreign = adopt_object(gst_sl_runtime_for_element(foreign));
  gst_element_set_state(pipeline.get(), GST_STATE_READY);
  fail_unless(runtime_of(processor) == of_foreign);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}
GST_END_TEST;

static Suite *runtime_suite()
{
  Suite *suite = suite_create("runtime");
  TCase *tc = tcase_create("runtime");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, pipeline_has_one_runtime);
  tcase_add_test(tc, two_pipelines_have_two_runtimes);
  tcase_add_test(tc, application_may_hand_one_runtime_to_two_pipelines);
  tcase_add_test(tc, need_context_is_asked);
  tcase_add_test(tc, new_runtime_is_announced);
  tcase_add_test(tc, elements_that_go_up_at_once_share);
  tcase_add_test(tc, io_thread_starts_late_and_ends_with_the_last_processor);
  tcase_add_test(tc, runtimes_come_and_go);
  tcase_add_test(tc, element_outside_a_pipeline_has_its_own);
  return suite;
}

GST_CHECK_MAIN(runtime)
