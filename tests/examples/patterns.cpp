// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Three ways to work with an interface that insists on the application's thread, here a film
// writer: open it when the first frame comes, share it with the runtime thread, and wait for its
// end. Run it: each way writes thirty frames.
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <gst/streamlib/streamlib.h>

namespace {

constexpr int kFrames = 30;

struct Unref {
  void operator()(GstCaps *caps) const { gst_caps_unref(caps); }
  void operator()(GstMessage *message) const { gst_message_unref(message); }
  void operator()(GMainLoop *loop) const { g_main_loop_unref(loop); }
  void operator()(gpointer object) const { gst_object_unref(object); }
};
template <typename T>
using Owned = std::unique_ptr<T, Unref>;

// --- The platform's writer ---

class Writer {
public:
  Writer() : home_(g_thread_self()) {}
  void append()
  {
    insist_on_thread();
    frames_++;
  }
  int finish()
  {
    insist_on_thread();
    return frames_;
  }

private:
  void insist_on_thread() const { g_assert(g_thread_self() == home_); }

  GThread *const home_;
  int frames_ = 0;
};

// --- The runtime thread ---

using Work = std::function<void()>;

GVariant *run_work(gpointer data)
{
  (*static_cast<Work *>(data))();
  return nullptr;
}

void drop_work(gpointer data)
{
  delete static_cast<Work *>(data);
}

GstSlDispatcher *dispatcher_of(GstSlProcessor *processor)
{
  return gst_sl_runtime_get_dispatcher(gst_sl_processor_get_runtime(processor));
}

// --- The ways ---

// What a way does in the methods of the processor.
class Way {
public:
  virtual ~Way() = default;
  virtual void setup(GstSlProcessor *) {}
  virtual bool process(GstSlProcessor *, GError **) = 0;
  virtual void teardown(GstSlProcessor *) {}
  virtual int frames() = 0;
};

// 1. The writer is opened when the first frame comes: by then the application's main loop runs.
class Lazy : public Way {
public:
  bool process(GstSlProcessor *self, GError **error) override
  {
    if (!writer_ && !invoke(self, "open the writer", error, [this] { writer_.emplace(); }))
      return false;
    return invoke(self, "append a frame", error, [this] { writer_->append(); });
  }
  void teardown(GstSlProcessor *self) override
  {
    if (writer_)
      invoke(self, "finish", nullptr, [this] { frames_ = writer_->finish(); });
  }
  int frames() override { return frames_; }

private:
  // Waits. What runs uses this object, which lives longer than the processor's work.
  static bool invoke(GstSlProcessor *self, const char *label, GError **error, Work work)
  {
    return gst_sl_dispatcher_invoke(dispatcher_of(self), label, run_work, new Work(std::move(work)),
                                    drop_work, 5 * GST_SECOND, nullptr, nullptr, error);
  }

  std::optional<Writer> writer_;
  int frames_ = 0;
};

// 2. Nobody waits: what both threads use is shared, and belongs to whoever needs it last.
class Shared : public Way {
public:
  void setup(GstSlProcessor *self) override
  {
    post(self, "open the writer", [state = state_] {
      const std::lock_guard lock(state->mutex);
      state->writer = std::make_unique<Writer>();
    });
  }
  bool process(GstSlProcessor *self, GError **) override
  {
    // Closures run in the order of their posting: the writer is there.
    post(self, "append a frame", [state = state_] {
      const std::lock_guard lock(state->mutex);
      state->writer->append();
      state->frames++;
    });
    return true;
  }
  int frames() override
  {
    const std::lock_guard lock(state_->mutex);
    return state_->frames;
  }

private:
  struct State {
    std::mutex mutex;
    std::unique_ptr<Writer> writer;
    int frames = 0;
  };
  static void post(GstSlProcessor *self, const char *label, Work work)
  {
    gst_sl_dispatcher_invoke_async(dispatcher_of(self), label, run_work, new Work(std::move(work)),
                                   drop_work);
  }

  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

// 3. The end is waited for: when the element is stopped the film is whole.
class Finishing : public Way {
public:
  void setup(GstSlProcessor *self) override
  {
    gst_sl_dispatcher_invoke(dispatcher_of(self), "open the writer", run_work,
                             new Work([this] { writer_ = std::make_unique<Writer>(); }), drop_work,
                             GST_SL_DISPATCHER_DEFAULT_TIMEOUT, nullptr, nullptr, nullptr);
  }
  bool process(GstSlProcessor *self, GError **) override
  {
    pending_++;
    gst_sl_dispatcher_invoke_async(dispatcher_of(self), "append a frame", run_work,
                                   new Work([this] { append(); }), drop_work);
    return true;
  }
  void teardown(GstSlProcessor *self) override
  {
    // In the application's thread this runs at once, ahead of the frames that still wait there: so
    // it writes those too, and they find nothing left to do.
    auto finish = [this] {
      while (pending_ > 0)
        append();
      frames_ = writer_->finish();
    };
    gst_sl_dispatcher_invoke(dispatcher_of(self), "finish", run_work, new Work(finish), drop_work,
                             GST_SL_DISPATCHER_DEFAULT_TIMEOUT, nullptr, nullptr, nullptr);
  }
  int frames() override { return frames_; }

private:
  // The runtime thread.
  void append()
  {
    if (pending_ == 0)
      return;
    pending_--;
    writer_->append();
  }

  std::atomic<int> pending_ = 0;
  std::unique_ptr<Writer> writer_;
  int frames_ = 0;
};

// --- The processor ---

struct Recorder {
  GstSlProcessor parent;
  Way *way;
};
struct RecorderClass {
  GstSlProcessorClass parent;
};

G_DEFINE_TYPE(Recorder, recorder, GST_TYPE_SL_PROCESSOR)

Way *way_of(GstSlProcessor *processor)
{
  return reinterpret_cast<Recorder *>(processor)->way;
}

gboolean recorder_setup(GstSlProcessor *processor, GError **)
{
  way_of(processor)->setup(processor);
  return TRUE;
}

GstFlowReturn recorder_process(GstSlProcessor *processor, GstSlLinkPad *, GstBuffer *input,
                               GstBuffer **output)
{
  GError *error = nullptr;
  *output = input;
  if (way_of(processor)->process(processor, &error))
    return GST_FLOW_OK;
  // The message says why: no main loop runs, it is busy and with what, or it waits for this thread.
  gst_sl_processor_report_error(processor, error->domain, error->code, error->message, nullptr);
  g_error_free(error);
  return GST_FLOW_ERROR;
}

void recorder_teardown(GstSlProcessor *processor)
{
  way_of(processor)->teardown(processor);
}

void recorder_class_init(RecorderClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  const Owned<GstCaps> caps(gst_caps_from_string("video/x-raw"));
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new_with_gtype("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                     caps.get(), GST_TYPE_SL_LINK_PAD));
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps.get()));
  gst_element_class_set_static_metadata(element_class, "Recorder", "Filter/Video", "Writes a film",
                                        "The gst-streamlib authors");
  GST_SL_PROCESSOR_CLASS(klass)->setup = recorder_setup;
  GST_SL_PROCESSOR_CLASS(klass)->process = recorder_process;
  GST_SL_PROCESSOR_CLASS(klass)->teardown = recorder_teardown;
}

void recorder_init(Recorder *) {}

// --- The application ---

gboolean on_message(GstBus *, GstMessage *message, gpointer loop)
{
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS ||
      GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
    g_main_loop_quit(static_cast<GMainLoop *>(loop));
  return G_SOURCE_CONTINUE;
}

bool write_film(const char *name, Way &way)
{
  const Owned<GstElement> pipeline(gst_parse_launch(
      "videotestsrc num-buffers=30 ! myrecorder name=recorder ! fakesink", nullptr));
  const Owned<GstElement> element(gst_bin_get_by_name(GST_BIN(pipeline.get()), "recorder"));
  reinterpret_cast<Recorder *>(element.get())->way = &way;
  const Owned<GMainLoop> loop(g_main_loop_new(nullptr, FALSE));
  const Owned<GstBus> bus(gst_element_get_bus(pipeline.get()));
  const guint watch = gst_bus_add_watch(bus.get(), on_message, loop.get());
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  g_main_loop_run(loop.get());
  g_source_remove(watch);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  // What was posted and not waited for may still be there.
  while (g_main_context_iteration(nullptr, FALSE))
    ;
  gst_println("%s: %d frames", name, way.frames());
  return way.frames() == kFrames;
}

}  // namespace

int main(int argc, char **argv)
{
  gst_init(&argc, &argv);
  gst_element_register(nullptr, "myrecorder", GST_RANK_NONE, recorder_get_type());
  Lazy lazy;
  Shared shared;
  Finishing finishing;
  bool worked = write_film("lazy", lazy);
  worked = write_film("shared", shared) && worked;
  worked = write_film("finishing", finishing) && worked;
  return worked ? EXIT_SUCCESS : EXIT_FAILURE;
}
