// SPDX-License-Identifier: LGPL-2.1-or-later
// Queries through sllink, and memory that must not be touched on the way.
#include <cstdlib>

#include <sys/mman.h>
#include <unistd.h>

#include <gst/allocators/gstdmabuf.h>
#include <gst/allocators/gstfdmemory.h>

#include "tests/pipelines/between.h"

namespace {

using namespace pipelines;

// --- Serialized queries ---

GST_START_TEST(test_allocation_asks_for_what_the_link_holds)
{
  Between between("sllink policy=lossless depth=5");
  between.open();
  const auto pool = adopt_object(gst_buffer_pool_new());
  between.on_query = [&](GstQuery *query) {
    if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION)
      return false;
    gst_query_add_allocation_pool(query, pool.get(), 4096, 3, 10);
    gst_query_add_allocation_pool(query, nullptr, 4096, 2, 0);
    gst_query_add_allocation_meta(query, GST_PROTECTION_META_API_TYPE, nullptr);
    return true;
  };
  const auto caps = adopt_mini(gst_caps_new_empty_simple("application/x-test"));
  const auto query = adopt_mini(gst_query_new_allocation(caps.get(), TRUE));
  fail_unless(gst_pad_peer_query(between.src(), query.get()));
  fail_unless_equals_int(static_cast<int>(gst_query_get_n_allocation_pools(query.get())), 2);
  GstBufferPool *offered = nullptr;
  guint size, min, max;
  gst_query_parse_nth_allocation_pool(query.get(), 0, &offered, &size, &min, &max);
  fail_unless(offered == pool.get());
  gst_object_unref(offered);
  fail_unless_equals_int(static_cast<int>(size), 4096);
  fail_unless_equals_int(static_cast<int>(min), 3 + 5 + 1);
  fail_unless_equals_int(static_cast<int>(max), 10 + 5 + 1);
  gst_query_parse_nth_allocation_pool(query.get(), 1, nullptr, &size, &min, &max);
  fail_unless_equals_int(static_cast<int>(min), 2 + 5 + 1);
  // No limit stays none.
  fail_unless_equals_int(static_cast<int>(max), 0);
  fail_unless(gst_query_find_allocation_meta(query.get(), GST_PROTECTION_META_API_TYPE, nullptr));
}
GST_END_TEST;

// The answer to DRAIN comes when everything before it was handled.
GST_START_TEST(test_drain_waits_for_what_is_queued)
{
  for (const char *element : {kQueue, kLossless}) {
    Between between(element);
    between.open();
    between.close_gate();
    for (guint i = 0; i < 8; i++)
      fail_unless_equals_int(between.push(i), GST_FLOW_OK);
    fail_unless(eventually([&] { return between.is_at_gate(); }));
    size_t seen = 0;
    between.on_query = [&](GstQuery *query) {
      seen = between.data(0).size();
      return GST_QUERY_TYPE(query) == GST_QUERY_DRAIN;
    };
    GThread *open = g_thread_new(
        "open",
        [](gpointer data) -> gpointer {
          g_usleep(50000);
          static_cast<Between *>(data)->open_gate();
          return nullptr;
        },
        &between);
    const auto query = adopt_mini(gst_query_new_drain());
    fail_unless(gst_pad_peer_query(between.src(), query.get()), "%s", element);
    g_thread_join(open);
    fail_unless_equals_int(static_cast<int>(seen), 8);
  }
}
GST_END_TEST;

// A serialized query that nobody takes is let go by a flush.
GST_START_TEST(test_flush_ends_a_query)
{
  Between between(kLossless);
  between.open();
  between.close_gate();
  between.push(0);
  fail_unless(eventually([&] { return between.is_at_gate(); }));
  GThread *flush = g_thread_new(
      "flush",
      [](gpointer data) -> gpointer {
        g_usleep(50000);
        auto *self = static_cast<Between *>(data);
        gst_pad_push_event(self->src(), gst_event_new_flush_start());
        return nullptr;
      },
      &between);
  const auto query = adopt_mini(gst_query_new_drain());
  fail_if(gst_pad_peer_query(between.src(), query.get()));
  g_thread_join(flush);
  between.open_gate();
  between.event(gst_event_new_flush_stop(TRUE));
}
GST_END_TEST;

// --- Queries out of the stream ---

GST_START_TEST(test_other_queries_pass)
{
  for (const char *element : {kQueue, kLossless}) {
    Between between(element);
    between.open();
    // They must not wait for data.
    between.close_gate();
    between.push(0);
    fail_unless(eventually([&] { return between.is_at_gate(); }));

    const auto accepted = adopt_mini(gst_caps_from_string("application/x-test, only=(string)this"));
    between.on_query = [&](GstQuery *query) {
      if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS)
        gst_query_set_caps_result(query, accepted.get());
      if (GST_QUERY_TYPE(query) == GST_QUERY_ACCEPT_CAPS) {
        GstCaps *caps;
        gst_query_parse_accept_caps(query, &caps);
        gst_query_set_accept_caps_result(query, gst_caps_can_intersect(caps, accepted.get()));
      }
      return GST_QUERY_TYPE(query) == GST_QUERY_CAPS ||
             GST_QUERY_TYPE(query) == GST_QUERY_ACCEPT_CAPS;
    };
    const auto caps = adopt_mini(gst_pad_peer_query_caps(between.src(), nullptr));
    fail_unless(gst_caps_is_equal(caps.get(), accepted.get()), "%s", element);
    const auto other = adopt_mini(gst_caps_from_string("application/x-test, only=(string)that"));
    fail_unless(gst_pad_peer_query_accept_caps(between.src(), accepted.get()), "%s", element);
    fail_if(gst_pad_peer_query_accept_caps(between.src(), other.get()), "%s", element);

    between.on_upstream_query = [](GstQuery *query) {
      switch (GST_QUERY_TYPE(query)) {
        case GST_QUERY_POSITION:
          gst_query_set_position(query, GST_FORMAT_TIME, 7 * GST_SECOND);
          return true;
        case GST_QUERY_DURATION:
          gst_query_set_duration(query, GST_FORMAT_TIME, 9 * GST_SECOND);
          return true;
        case GST_QUERY_CUSTOM:
          return true;
        default:
          return false;
      }
    };
    gint64 value = 0;
    fail_unless(gst_pad_peer_query_position(between.sink(), GST_FORMAT_TIME, &value));
    fail_unless_equals_int64(value, 7 * GST_SECOND);
    fail_unless(gst_pad_peer_query_duration(between.sink(), GST_FORMAT_TIME, &value));
    fail_unless_equals_int64(value, 9 * GST_SECOND);
    const auto custom =
        adopt_mini(gst_query_new_custom(GST_QUERY_CUSTOM, gst_structure_new_empty("asked")));
    fail_unless(gst_pad_peer_query(between.sink(), custom.get()), "%s", element);
  }
}
GST_END_TEST;

struct Latency {
  bool is_live;
  GstClockTime min;
  GstClockTime max;
};

Latency latency_through(const char *element, const Latency &upstream, const char *caps)
{
  Between between(element);
  between.on_upstream_query = [&](GstQuery *query) {
    if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
      return false;
    gst_query_set_latency(query, upstream.is_live, upstream.min, upstream.max);
    return true;
  };
  between.open(caps);
  between.push(0);
  between.lines(4);
  const auto query = adopt_mini(gst_query_new_latency());
  fail_unless(gst_pad_peer_query(between.sink(), query.get()));
  gboolean is_live;
  Latency latency;
  gst_query_parse_latency(query.get(), &is_live, &latency.min, &latency.max);
  latency.is_live = is_live;
  return latency;
}

GST_START_TEST(test_latency)
{
  const char *video =
      "video/x-raw, format=GRAY8, width=8, height=4, framerate=25/1, "
      "interlace-mode=(string)progressive";
  const Latency upstream{true, 20 * GST_MSECOND, 50 * GST_MSECOND};
  // What makes the source wait sets no limit.
  Latency latency = latency_through("sllink policy=lossless", upstream, video);
  fail_unless(latency.is_live);
  fail_unless_equals_uint64(latency.min, 20 * GST_MSECOND);
  fail_unless_equals_uint64(latency.max, GST_CLOCK_TIME_NONE);
  // What drops holds as many frames as it is deep.
  latency = latency_through("sllink policy=in-order depth=10", upstream, video);
  fail_unless_equals_uint64(latency.min, 20 * GST_MSECOND);
  fail_unless_equals_uint64(latency.max, 50 * GST_MSECOND + 10 * 40 * GST_MSECOND);
  // Deepens with the latency.
  latency = latency_through("sllink policy=latest", upstream, video);
  fail_unless_equals_uint64(latency.min, 20 * GST_MSECOND);
  fail_unless(latency.max == GST_CLOCK_TIME_NONE || latency.max > 50 * GST_MSECOND);
  latency = latency_through("sllink", {false, 0, GST_CLOCK_TIME_NONE}, video);
  fail_if(latency.is_live);
}
GST_END_TEST;

// --- Memory ---

// What comes out is what went in: the same buffers with the same memory, and nobody looked at it.
void expect_untouched(GstBuffer *buffer)
{
  Between between("sllink policy=lossless");
  between.open();
  GstMemory *memory = gst_buffer_peek_memory(buffer, 0);
  fail_unless_equals_int(between.push_buffer(gst_buffer_ref(buffer)), GST_FLOW_OK);
  const auto data = between.data(1);
  fail_unless(data[0].get() == GST_MINI_OBJECT_CAST(buffer));
  fail_unless(gst_buffer_peek_memory(buffer, 0) == memory);
}

GST_START_TEST(test_fd_memory)
{
  const auto allocator = adopt_object(gst_fd_allocator_new());
  const int fd = memfd_create("streamlib-test", MFD_CLOEXEC);
  fail_unless(fd >= 0 && ftruncate(fd, 4096) == 0);
  const auto buffer = adopt_mini(gst_buffer_new());
  gst_buffer_append_memory(
      buffer.get(), gst_fd_allocator_alloc(allocator.get(), fd, 4096, GST_FD_MEMORY_FLAG_NONE));
  expect_untouched(buffer.get());
  fail_unless_equals_int(gst_fd_memory_get_fd(gst_buffer_peek_memory(buffer.get(), 0)), fd);
}
GST_END_TEST;

// The allocator takes any descriptor; /dev/udmabuf, which makes real ones, is seldom there.
GST_START_TEST(test_dmabuf_memory)
{
  const auto allocator = adopt_object(gst_dmabuf_allocator_new());
  const int fd = memfd_create("streamlib-test", MFD_CLOEXEC);
  fail_unless(fd >= 0 && ftruncate(fd, 4096) == 0);
  const auto buffer = adopt_mini(gst_buffer_new());
  gst_buffer_append_memory(buffer.get(), gst_dmabuf_allocator_alloc(allocator.get(), fd, 4096));
  expect_untouched(buffer.get());
  fail_unless_equals_int(gst_dmabuf_memory_get_fd(gst_buffer_peek_memory(buffer.get(), 0)), fd);
}
GST_END_TEST;

GST_START_TEST(test_memory_that_cannot_be_mapped)
{
  guint8 bytes[16] = {};
  const auto buffer = adopt_mini(gst_buffer_new_wrapped_full(
      static_cast<GstMemoryFlags>(GST_MEMORY_FLAG_READONLY | GST_MEMORY_FLAG_NOT_MAPPABLE), bytes,
      sizeof bytes, 0, sizeof bytes, nullptr, nullptr));
  expect_untouched(buffer.get());
}
GST_END_TEST;

// GL memory needs a context; without a display there may be one on an EGL device.
GST_START_TEST(test_gl_memory)
{
  if (std::getenv("DISPLAY") == nullptr && std::getenv("WAYLAND_DISPLAY") == nullptr) {
    g_setenv("GST_GL_WINDOW", "egl-device", TRUE);
    g_setenv("GST_GL_PLATFORM", "egl", TRUE);
  }
  const std::string description =
      "gltestsrc num-buffers=20 ! video/x-raw(memory:GLMemory),width=64,height=48 ! LINK ! "
      "glcolorconvert ! LINK ! gldownload ! video/x-raw,format=RGBA ! fakesink name=out sync=false";
  std::vector<std::string> with_queue;
  for (const char *element : {"queue", "sllink"}) {
    Pipeline pipeline(with_link(description, element));
    PadLog log(pipeline.pad("out", "sink").get(), PadLog::Buffers);
    pipeline.begin(GST_STATE_PLAYING);
    const auto message =
        pipeline.expect(static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR), 20);
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ERROR && with_queue.empty()) {
      std::printf("no GL here: a pipeline with a queue does not run either\n");
      return;
    }
    fail_unless(GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS);
    fail_unless_equals_int(static_cast<int>(log.buffers()), 20);
    if (with_queue.empty())
      with_queue = log.lines();
    else
      fail_unless(with_queue == log.lines(), "the pictures differ");
  }
}
GST_END_TEST;

// --- Lists ---

GST_START_TEST(test_lists_pass_whole)
{
  Between between(kLossless);
  between.open();
  std::vector<MiniPtr<GstBufferList>> lists;
  for (guint length : {3U, 1U, 0U, 40U}) {
    auto list = adopt_mini(gst_buffer_list_new());
    for (guint i = 0; i < length; i++)
      gst_buffer_list_add(list.get(), numbered_buffer(i).release());
    lists.push_back(list);
    GstBufferList *pushed = gst_buffer_list_ref(list.get());
    fail_unless_equals_int(gst_pad_push_list(between.src(), pushed), GST_FLOW_OK);
  }
  const auto data = between.data(4);
  for (size_t i = 0; i < 4; i++)
    fail_unless(data[i].get() == GST_MINI_OBJECT_CAST(lists[i].get()), "list %u is another one",
                static_cast<unsigned>(i));
  fail_unless_equals_uint64(stat(between.element(), "popped"), 44);
}
GST_END_TEST;

// --- Encoded video ---

// After a drop the next that comes is a key unit.
GST_START_TEST(test_encoded_video_drops_up_to_a_key_unit)
{
  Between between("sllink policy=in-order depth=4");
  between.open("video/x-vp8");
  between.close_gate();
  between.push(0);
  fail_unless(eventually([&] { return between.is_at_gate(); }));
  // Key units are each seventh; 1 to 36 do not fit.
  for (guint i = 1; i <= 40; i++)
    fail_unless_equals_int(between.push(i, i % 7 == 0 ? 0 : GST_BUFFER_FLAG_DELTA_UNIT),
                           GST_FLOW_OK);
  between.push(42);
  between.push(43, GST_BUFFER_FLAG_DELTA_UNIT);
  between.open_gate();
  const auto data = between.data(3);
  between.event(gst_event_new_eos());
  const auto lines = between.lines(3 + 3 + 1);
  const auto *key = GST_BUFFER_CAST(data[1].get());
  fail_unless_equals_uint64(GST_BUFFER_PTS(key), 42 * 20 * GST_MSECOND);
  fail_if(GST_BUFFER_FLAG_IS_SET(key, GST_BUFFER_FLAG_DELTA_UNIT));
  fail_unless(GST_BUFFER_FLAG_IS_SET(key, GST_BUFFER_FLAG_DISCONT));
  fail_unless_equals_uint64(GST_BUFFER_PTS(GST_BUFFER_CAST(data[2].get())), 43 * 20 * GST_MSECOND);
  fail_unless_equals_uint64(stat(between.element(), "popped"), 3);
  fail_unless_equals_uint64(stat(between.element(), "dropped-full"), 40);
}
GST_END_TEST;

Suite *queries_suite()
{
  Suite *suite = suite_create("queries");
  TCase *queries = tcase_create("queries");
  suite_add_tcase(suite, queries);
  ADD_CASE(queries, test_allocation_asks_for_what_the_link_holds, "sllink");
  ADD_CASE(queries, test_drain_waits_for_what_is_queued, "sllink");
  ADD_CASE(queries, test_flush_ends_a_query, "sllink");
  ADD_CASE(queries, test_other_queries_pass, "sllink");
  ADD_CASE(queries, test_latency, "sllink");
  TCase *memory = tcase_create("memory");
  suite_add_tcase(suite, memory);
  ADD_CASE(memory, test_fd_memory, "sllink");
  ADD_CASE(memory, test_dmabuf_memory, "sllink");
  ADD_CASE(memory, test_memory_that_cannot_be_mapped, "sllink");
  ADD_CASE(memory, test_gl_memory, "sllink", "gltestsrc", "gldownload", "glcolorconvert");
  ADD_CASE(memory, test_lists_pass_whole, "sllink");
  ADD_CASE(memory, test_encoded_video_drops_up_to_a_key_unit, "sllink");
  return suite;
}

}  // namespace

PIPELINE_TEST_MAIN(queries_suite)
