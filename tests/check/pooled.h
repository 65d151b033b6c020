// SPDX-License-Identifier: LGPL-2.1-or-later
// Processors on an executor of the test's own.
#pragma once

#include "processor_fixture.h"

namespace pooled {

using namespace fixture;

// An executor in a runtime of its own, for processors that the test makes.
class Pool {
public:
  explicit Pool(guint workers, guint max_spares = 64, guint64 tick = GST_MSECOND)
      : executor_(adopt_object(gst_sl_executor_new())), runtime_(adopt_object(gst_sl_runtime_new()))
  {
    g_object_set(executor_.get(), "workers", workers, "max-spares", max_spares, "tick", tick,
                 nullptr);
    gst_sl_runtime_set_executor(runtime_.get(), executor_.get());
  }

  GstSlExecutor *executor() const { return executor_.get(); }
  void adopt(GstElement *element) const
  {
    const auto context = adopt_mini(gst_sl_runtime_to_context(runtime_.get(), TRUE));
    gst_element_set_context(element, context.get());
    g_object_set(element, "scheduling", GST_SL_SCHEDULING_POOLED, nullptr);
  }
  guint64 stat(const char *name) const
  {
    GstStructure *raw = nullptr;
    g_object_get(executor_.get(), "stats", &raw, nullptr);
    const StructurePtr stats(raw);
    const GValue *value = gst_structure_get_value(raw, name);
    fail_unless(value != nullptr, "no figure %s", name);
    return G_VALUE_HOLDS_UINT64(value) ? g_value_get_uint64(value) : g_value_get_uint(value);
  }

private:
  GObjectPtr<GstSlExecutor> executor_;
  GObjectPtr<GstSlRuntime> runtime_;
};

// A pooled processor between a feeder and a recorder.
class PooledRig : public Rig {
public:
  PooledRig(const Pool &pool, Kind kind, Hooks hooks = {}, const char *name = "processor")
      : Rig(kind, std::move(hooks), name)
  {
    pool.adopt(element());
  }
};

inline void make_continuous(Rig &rig, GstClockTime interval)
{
  gst_sl_processor_set_live(rig.processor(), TRUE);
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_CONTINUOUS);
  rig.set("interval", interval);
}

// A pooled source that never waits, before a sink that stands at its first buffer until the gate is
// opened.
class StoppedStream {
public:
  StoppedStream(const Pool &pool, Hooks source_hooks, guint depth = 0)
      : source(pool, Kind::Source, std::move(source_hooks), "source"),
        out_(adopt_object(gst_element_get_static_pad(source.element(), "src"))),
        in_(adopt_object(gst_element_get_static_pad(sink.element(), "sink")))
  {
    gst_sl_processor_set_execution(source.processor(), GST_SL_EXECUTION_CONTINUOUS);
    source.set("interval", guint64{0});
    sink.add_recorder().on_buffer = [this](GstBuffer *) {
      gate.wait();
      return GST_FLOW_OK;
    };
    g_object_set(in_.get(), "policy", GST_SL_LINK_POLICY_LOSSLESS, "depth", depth, nullptr);
    fail_unless(gst_pad_link(out_.get(), in_.get()) == GST_PAD_LINK_OK);
    sink.play();
    source.play();
  }
  StoppedStream(const StoppedStream &) = delete;
  StoppedStream &operator=(const StoppedStream &) = delete;
  ~StoppedStream()
  {
    source.stop();
    gate.open();
    sink.stop();
    gst_pad_unlink(out_.get(), in_.get());
  }

  Gate gate;
  PooledRig source;
  Rig sink{Kind::Filter, {}, "sink"};

private:
  const GObjectPtr<GstPad> out_;
  const GObjectPtr<GstPad> in_;
};

}  // namespace pooled
