// SPDX-License-Identifier: LGPL-2.1-or-later
// Ownership, guards and Result.

#include <memory>
#include <string>

#include <gst/check/gstcheck.h>

#include "gst/support/guards.h"
#include "gst/support/ownership.h"
#include "gst/support/result.h"

using namespace streamlib::support;

static int references_of(gpointer object)
{
  return G_OBJECT(object)->ref_count;
}

GST_START_TEST(test_object_pointers)
{
  GstPad *raw = gst_pad_new("p", GST_PAD_SRC);
  fail_unless(g_object_is_floating(raw));
  {
    GObjectPtr<GstPad> sunk = sink_object(raw);
    fail_if(g_object_is_floating(raw));
    fail_unless_equals_int(references_of(raw), 1);
    GObjectPtr<GstPad> shared = share_object(raw);
    fail_unless_equals_int(references_of(raw), 2);
    GObjectPtr<GstPad> copy = shared;
    fail_unless_equals_int(references_of(raw), 3);
    GObjectPtr<GstPad> moved = std::move(copy);
    fail_unless_equals_int(references_of(raw), 3);
    fail_if(copy);
    GstPad *released = moved.release();
    fail_unless_equals_int(references_of(raw), 3);
    GObjectPtr<GstPad> adopted = adopt_object(released);
    fail_unless_equals_int(references_of(raw), 3);
    adopted = shared;
    fail_unless_equals_int(references_of(raw), 3);
    adopted.reset();
    fail_unless_equals_int(references_of(raw), 2);
    g_object_add_weak_pointer(G_OBJECT(raw), reinterpret_cast<gpointer *>(&raw));
  }
  fail_unless(raw == nullptr);
}
GST_END_TEST

GST_START_TEST(test_mini_pointers)
{
  MiniPtr<GstBuffer> buffer = adopt_mini(gst_buffer_new());
  fail_unless_equals_int(GST_MINI_OBJECT_REFCOUNT_VALUE(buffer.get()), 1);
  MiniPtr<GstBuffer> other = share_mini(buffer.get());
  fail_unless(other == buffer);
  fail_unless_equals_int(GST_MINI_OBJECT_REFCOUNT_VALUE(buffer.get()), 2);
  other = nullptr;
  fail_unless_equals_int(GST_MINI_OBJECT_REFCOUNT_VALUE(buffer.get()), 1);
  fail_if(share_mini<GstCaps>(nullptr));
}
GST_END_TEST

GST_START_TEST(test_mapped_buffer)
{
  MiniPtr<GstBuffer> buffer = adopt_mini(gst_buffer_new_allocate(nullptr, 16, nullptr));
  {
    MappedBuffer mapped(buffer.get(), GST_MAP_WRITE);
    fail_unless(static_cast<bool>(mapped));
    fail_unless_equals_int(mapped.size(), 16);
    mapped.data()[3] = 7;
  }
  MappedBuffer again(buffer.get(), GST_MAP_READ);
  fail_unless_equals_int(again.data()[3], 7);
  // Mapped for reading and shared: not for writing.
  MiniPtr<GstMemory> memory = adopt_mini(gst_buffer_get_memory(buffer.get(), 0));
  MiniPtr<GstBuffer> sharing = adopt_mini(gst_buffer_new());
  GST_MINI_OBJECT_FLAG_SET(memory.get(), GST_MEMORY_FLAG_READONLY);
  gst_buffer_append_memory(sharing.get(), share_mini(memory.get()).release());
  GST_MINI_OBJECT_FLAG_SET(memory.get(), GST_MEMORY_FLAG_NO_SHARE);
  MiniPtr<GstBuffer> held = share_mini(sharing.get());
  ASSERT_CRITICAL({ fail_if(MappedBuffer(sharing.get(), GST_MAP_WRITE)); });
}
GST_END_TEST

static GstPadProbeReturn count_probe(GstPad *, GstPadProbeInfo *, gpointer data)
{
  ++*static_cast<int *>(data);
  return GST_PAD_PROBE_OK;
}

GST_START_TEST(test_guards_end_what_they_begin)
{
  GObjectPtr<GstPad> pad = sink_object(gst_pad_new("p", GST_PAD_SRC));
  gst_pad_set_active(pad.get(), TRUE);
  int probed = 0;
  {
    PadProbe probe(pad.get(), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, count_probe, &probed);
    gst_pad_push_event(pad.get(), gst_event_new_stream_start("a"));
    PadProbe moved = std::move(probe);
    fail_unless_equals_int(probed, 1);
  }
  gst_pad_push_event(pad.get(), gst_event_new_stream_start("b"));
  fail_unless_equals_int(probed, 1);

  int notified = 0;
  auto on_notify = +[](GObject *, GParamSpec *, gpointer data) { ++*static_cast<int *>(data); };
  {
    SignalHandler handler(pad.get(), "notify::offset", G_CALLBACK(on_notify), &notified);
    g_object_set(pad.get(), "offset", G_GINT64_CONSTANT(5), nullptr);
    fail_unless_equals_int(notified, 1);
  }
  g_object_set(pad.get(), "offset", G_GINT64_CONSTANT(6), nullptr);
  fail_unless_equals_int(notified, 1);

  GSource *source = g_idle_source_new();
  g_source_attach(source, nullptr);
  g_source_ref(source);
  {
    SourceGuard guard(source);
    fail_if(g_source_is_destroyed(source));
  }
  fail_unless(g_source_is_destroyed(source));
  g_source_unref(source);

  {
    ObjectLock lock(pad.get());
    fail_if(GST_OBJECT_TRYLOCK(pad.get()));
  }
  fail_unless(GST_OBJECT_TRYLOCK(pad.get()));
  GST_OBJECT_UNLOCK(pad.get());
}
GST_END_TEST

static Result<std::string> halve(int value)
{
  if (value % 2 != 0)
    return Failure{value, "odd", "debug"};
  return std::to_string(value / 2);
}

GST_START_TEST(test_result)
{
  auto good = halve(8);
  fail_unless(good.ok());
  fail_unless_equals_string(good->c_str(), "4");
  auto bad = halve(7);
  fail_if(static_cast<bool>(bad));
  fail_unless_equals_int(bad.error().code, 7);
  fail_unless_equals_string(bad.error().text.c_str(), "odd");
  Status done = Done{};
  fail_unless(done.ok());
}
GST_END_TEST

static Suite *support_suite(void)
{
  Suite *suite = suite_create("support");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_object_pointers);
  tcase_add_test(tcase, test_mini_pointers);
  tcase_add_test(tcase, test_mapped_buffer);
  tcase_add_test(tcase, test_guards_end_what_they_begin);
  tcase_add_test(tcase, test_result);
  return suite;
}

GST_CHECK_MAIN(support)
