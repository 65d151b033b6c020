// SPDX-License-Identifier: LGPL-2.1-or-later
// GstSlBufferPool.
#include <thread>

#include "processor_fixture.h"

using namespace fixture;

namespace {

constexpr guint kSize = 1024;

GObjectPtr<GstBufferPool> make_pool(guint min, guint max)
{
  auto pool = adopt_object(gst_sl_buffer_pool_new());
  GstStructure *config = gst_buffer_pool_get_config(pool.get());
  gst_buffer_pool_config_set_params(config, nullptr, kSize, min, max);
  fail_unless(gst_buffer_pool_set_config(pool.get(), config));
  fail_unless(gst_buffer_pool_set_active(pool.get(), TRUE));
  return pool;
}

MiniPtr<GstBuffer> acquire(GstBufferPool *pool, GstFlowReturn expected = GST_FLOW_OK)
{
  GstBuffer *buffer = nullptr;
  fail_unless_equals_int(gst_buffer_pool_acquire_buffer(pool, &buffer, nullptr), expected);
  return adopt_mini(buffer);
}

guint64 misses(const GObjectPtr<GstBufferPool> &pool)
{
  return gst_sl_buffer_pool_get_misses(GST_SL_BUFFER_POOL(pool.get()));
}

gpointer note_free(gpointer count)
{
  (*static_cast<std::atomic<int> *>(count))--;
  return nullptr;
}

// Counts the pool's memories that exist.
void watch(GstBuffer *buffer, std::atomic<int> &count)
{
  count++;
  gst_mini_object_weak_ref(
      GST_MINI_OBJECT_CAST(gst_buffer_peek_memory(buffer, 0)),
      [](gpointer data, GstMiniObject *) { note_free(data); }, &count);
}

}  // namespace

GST_START_TEST(steady_flow_misses_nothing)
{
  const auto pool = make_pool(4, 0);
  for (int i = 0; i < 10000; i++) {
    std::vector<MiniPtr<GstBuffer>> in_use;
    for (int k = 0; k <= i % 4; k++) {
      in_use.push_back(acquire(pool.get()));
      fail_unless_equals_uint64(gst_buffer_get_size(in_use.back().get()), kSize);
      fail_unless(gst_buffer_is_writable(in_use.back().get()));
    }
  }
  fail_unless_equals_uint64(misses(pool), 0);
}
GST_END_TEST;

GST_START_TEST(miss_is_counted_and_grows_the_pool)
{
  const auto pool = make_pool(2, 0);
  for (int round = 0; round < 5; round++) {
    std::vector<MiniPtr<GstBuffer>> in_use;
    for (int i = 0; i < 5; i++)
      in_use.push_back(acquire(pool.get()));
    // Three more than there were, once: they stay.
    fail_unless_equals_uint64(misses(pool), 3);
  }
}
GST_END_TEST;

// A real-time thread gets an answer at once where GstBufferPool would wait for a buffer.
GST_START_TEST(maximum_is_an_answer_not_a_wait)
{
  const auto pool = make_pool(1, 3);
  {
    std::vector<MiniPtr<GstBuffer>> in_use;
    for (int i = 0; i < 3; i++)
      in_use.push_back(acquire(pool.get()));
    const gint64 began = g_get_monotonic_time();
    fail_unless(!acquire(pool.get(), GST_FLOW_EOS));
    fail_unless(g_get_monotonic_time() - began < limit_ms(1000) * 1000);
    in_use.pop_back();
    in_use.push_back(acquire(pool.get()));
    fail_unless(!acquire(pool.get(), GST_FLOW_EOS));
  }
  fail_unless(acquire(pool.get()));
}
GST_END_TEST;

GST_START_TEST(buffers_come_back_as_they_were)
{
  const auto pool = make_pool(1, 1);
  {
    const auto buffer = acquire(pool.get());
    GST_BUFFER_PTS(buffer.get()) = GST_SECOND;
    GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DISCONT);
    gst_buffer_set_size(buffer.get(), 10);
    gst_buffer_add_reference_timestamp_meta(
        buffer.get(), adopt_mini(gst_caps_new_empty_simple("a/b")).get(), 1, GST_CLOCK_TIME_NONE);
  }
  const auto again = acquire(pool.get());
  fail_unless(!GST_BUFFER_PTS_IS_VALID(again.get()));
  fail_unless(!GST_BUFFER_FLAG_IS_SET(again.get(), GST_BUFFER_FLAG_DISCONT));
  fail_unless_equals_uint64(gst_buffer_get_size(again.get()), kSize);
  fail_unless(!gst_buffer_get_reference_timestamp_meta(again.get(), nullptr));
  fail_unless_equals_uint64(misses(pool), 0);
}
GST_END_TEST;

// A buffer whose memory somebody took away, or shares with a buffer that is still in use, does not
// come back; its place does.
GST_START_TEST(changed_buffers_are_replaced)
{
  const auto pool = make_pool(1, 1);
  {
    const auto buffer = acquire(pool.get());
    gst_buffer_remove_all_memory(buffer.get());
  }
  auto buffer = acquire(pool.get());
  fail_unless_equals_uint64(gst_buffer_get_size(buffer.get()), kSize);
  fail_unless_equals_uint64(misses(pool), 1);

  const auto memory = adopt_mini(gst_buffer_get_memory(buffer.get(), 0));
  const auto copy = adopt_mini(gst_buffer_new());
  gst_buffer_append_memory(copy.get(), gst_memory_ref(memory.get()));
  buffer.reset();
  buffer = acquire(pool.get());
  fail_unless(gst_buffer_peek_memory(buffer.get(), 0) != memory.get());
  fail_unless_equals_uint64(misses(pool), 2);
}
GST_END_TEST;

GST_START_TEST(threads_share_a_pool)
{
  constexpr int kThreads = 4;
  const auto pool = make_pool(kThreads * 2, kThreads * 2);
  std::atomic<int> faults = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; t++) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; i++) {
        const auto one = acquire(pool.get());
        const auto two = acquire(pool.get());
        // Nobody else has it.
        gst_buffer_memset(one.get(), 0, static_cast<guint8>(t), 16);
        gst_buffer_memset(two.get(), 0, static_cast<guint8>(t), 16);
        guint8 bytes[16];
        gst_buffer_extract(one.get(), 0, bytes, sizeof bytes);
        faults += bytes[i % 16] == t && one.get() != two.get() ? 0 : 1;
      }
    });
  }
  for (auto &thread : threads)
    thread.join();
  fail_unless_equals_int(faults, 0);
  fail_unless_equals_uint64(misses(pool), 0);
}
GST_END_TEST;

// What one thread takes, another one gives back, as between two ends of a link.
GST_START_TEST(buffers_travel_between_threads)
{
  const auto pool = make_pool(8, 0);
  GstAtomicQueue *queue = gst_atomic_queue_new(16);
  std::atomic<bool> is_over = false;
  std::thread other([&] {
    while (!is_over || gst_atomic_queue_length(queue) > 0) {
      if (gpointer buffer = gst_atomic_queue_pop(queue))
        gst_buffer_unref(GST_BUFFER_CAST(buffer));
      else
        g_usleep(20);
    }
  });
  for (int i = 0; i < 3000; i++) {
    while (gst_atomic_queue_length(queue) >= 6)
      g_usleep(20);
    gst_atomic_queue_push(queue, acquire(pool.get()).release());
  }
  is_over = true;
  other.join();
  gst_atomic_queue_unref(queue);
  fail_unless_equals_uint64(misses(pool), 0);
}
GST_END_TEST;

GST_START_TEST(restart_and_end_leave_nothing)
{
  std::atomic<int> alive = 0;
  auto pool = make_pool(4, 0);
  for (int round = 0; round < 5; round++) {
    std::vector<MiniPtr<GstBuffer>> in_use;
    for (int i = 0; i < 6; i++) {
      in_use.push_back(acquire(pool.get()));
      watch(in_use.back().get(), alive);
    }
    fail_unless_equals_uint64(misses(pool), 2);
    // One is still out when the pool stops.
    auto last = in_use.back();
    in_use.clear();
    fail_unless(gst_buffer_pool_set_active(pool.get(), FALSE));
    fail_unless(!acquire(pool.get(), GST_FLOW_FLUSHING));
    last.reset();
    fail_unless_equals_int(alive, 0);
    fail_unless(gst_buffer_pool_set_active(pool.get(), TRUE));
  }
  {
    const auto buffer = acquire(pool.get());
    watch(buffer.get(), alive);
    pool.reset();
    fail_unless_equals_int(alive, 1);
  }
  fail_unless_equals_int(alive, 0);
}
GST_END_TEST;

static Suite *bufferpool_suite()
{
  Suite *suite = suite_create("buffer pool");
  TCase *tc = tcase_create("pool");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, steady_flow_misses_nothing);
  tcase_add_test(tc, miss_is_counted_and_grows_the_pool);
  tcase_add_test(tc, maximum_is_an_answer_not_a_wait);
  tcase_add_test(tc, buffers_come_back_as_they_were);
  tcase_add_test(tc, changed_buffers_are_replaced);
  tcase_add_test(tc, threads_share_a_pool);
  tcase_add_test(tc, buffers_travel_between_threads);
  tcase_add_test(tc, restart_and_end_leave_nothing);
  return suite;
}

GST_CHECK_MAIN(bufferpool)
