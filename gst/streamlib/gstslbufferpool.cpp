// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:gstslbufferpool
 * @title: GstSlBufferPool
 * @short_description: a buffer pool for real-time threads
 *
 * #GstBufferPool makes a system call when it runs empty and when it is no longer empty, and waits
 * when it has no buffer left. This pool allocates its minimum when it is activated, and takes and
 * gives buffers back without a lock or a system call. Where none is free it allocates one more,
 * which stays in the pool, and counts a miss: a count that does not grow in steady flow says that
 * the minimum is enough. At its maximum it refuses with %GST_FLOW_EOS instead of waiting.
 *
 * Since: 0.1
 */
#include "gst/streamlib/gstslbufferpool.h"

#include <atomic>
#include <memory>

GST_DEBUG_CATEGORY_STATIC(gst_sl_buffer_pool_debug);
#define GST_CAT_DEFAULT gst_sl_buffer_pool_debug

namespace {

constexpr guint kInitialQueue = 64;

struct PoolState {
  GstAtomicQueue *free = gst_atomic_queue_new(kInitialQueue);
  std::atomic<guint> allocated = 0;
  std::atomic<guint> max = 0;
  std::atomic<guint64> misses = 0;

  PoolState() = default;
  PoolState(const PoolState &) = delete;
  PoolState &operator=(const PoolState &) = delete;
  ~PoolState() { gst_atomic_queue_unref(free); }
};

}  // namespace

typedef PoolState GstSlBufferPoolPrivate;

struct _GstSlBufferPool {
  GstBufferPool parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlBufferPool, gst_sl_buffer_pool, GST_TYPE_BUFFER_POOL,
                              G_ADD_PRIVATE(GstSlBufferPool)
                                  GST_DEBUG_CATEGORY_INIT(gst_sl_buffer_pool_debug, "slbufferpool",
                                                          0, "real-time buffer pool"))

static PoolState &gst_sl_buffer_pool_state(GstBufferPool *pool)
{
  return *static_cast<PoolState *>(
      gst_sl_buffer_pool_get_instance_private(GST_SL_BUFFER_POOL(pool)));
}

/**
 * gst_sl_buffer_pool_new:
 *
 * Returns: (transfer full): a pool, to be configured and activated as any #GstBufferPool
 *
 * Since: 0.1
 */
GstBufferPool *gst_sl_buffer_pool_new(void)
{
  auto *pool = static_cast<GstBufferPool *>(g_object_new(GST_TYPE_SL_BUFFER_POOL, nullptr));
  gst_object_ref_sink(pool);
  return pool;
}

/**
 * gst_sl_buffer_pool_get_misses:
 * @self: a pool
 *
 * Any thread.
 *
 * Returns: how often no buffer was free since the pool was activated
 *
 * Since: 0.1
 */
guint64 gst_sl_buffer_pool_get_misses(GstSlBufferPool *self)
{
  g_return_val_if_fail(GST_IS_SL_BUFFER_POOL(self), 0);
  return gst_sl_buffer_pool_state(GST_BUFFER_POOL(self)).misses;
}

// One more buffer, if the maximum allows it.
static GstFlowReturn gst_sl_buffer_pool_allocate(GstBufferPool *pool, GstBuffer **buffer,
                                                 GstBufferPoolAcquireParams *params)
{
  PoolState &state = gst_sl_buffer_pool_state(pool);
  const guint max = state.max;
  if (state.allocated.fetch_add(1) >= max && max != 0) {
    state.allocated--;
    return GST_FLOW_EOS;
  }
  const GstFlowReturn flow = GST_BUFFER_POOL_GET_CLASS(pool)->alloc_buffer(pool, buffer, params);
  if (flow != GST_FLOW_OK) {
    state.allocated--;
    return flow;
  }
  // Memory of the pool's buffers stays in them; the mark tells when somebody changed it.
  GST_BUFFER_FLAG_UNSET(*buffer, GST_BUFFER_FLAG_TAG_MEMORY);
  return GST_FLOW_OK;
}

static gboolean gst_sl_buffer_pool_start(GstBufferPool *pool)
{
  PoolState &state = gst_sl_buffer_pool_state(pool);
  GstStructure *config = gst_buffer_pool_get_config(pool);
  guint min, max;
  const gboolean known = gst_buffer_pool_config_get_params(config, nullptr, nullptr, &min, &max);
  gst_structure_free(config);
  if (!known)
    return FALSE;
  state.max = max;
  state.misses = 0;
  for (guint i = 0; i < min; i++) {
    GstBuffer *buffer;
    if (gst_sl_buffer_pool_allocate(pool, &buffer, nullptr) != GST_FLOW_OK)
      return FALSE;
    gst_atomic_queue_push(state.free, buffer);
  }
  return TRUE;
}

static void gst_sl_buffer_pool_discard(GstBufferPool *pool, GstBuffer *buffer)
{
  gst_sl_buffer_pool_state(pool).allocated--;
  GST_BUFFER_POOL_GET_CLASS(pool)->free_buffer(pool, buffer);
}

static gboolean gst_sl_buffer_pool_stop(GstBufferPool *pool)
{
  PoolState &state = gst_sl_buffer_pool_state(pool);
  while (gpointer buffer = gst_atomic_queue_pop(state.free))
    gst_sl_buffer_pool_discard(pool, GST_BUFFER_CAST(buffer));
  return TRUE;
}

// RT, as long as a buffer is free.
static GstFlowReturn gst_sl_buffer_pool_acquire(GstBufferPool *pool, GstBuffer **buffer,
                                                GstBufferPoolAcquireParams *params)
{
  PoolState &state = gst_sl_buffer_pool_state(pool);
  if (GST_BUFFER_POOL_IS_FLUSHING(pool))
    return GST_FLOW_FLUSHING;
  *buffer = static_cast<GstBuffer *>(gst_atomic_queue_pop(state.free));
  if (G_LIKELY(*buffer != nullptr))
    return GST_FLOW_OK;
  state.misses++;
  GST_DEBUG_OBJECT(pool, "no buffer is free");
  return gst_sl_buffer_pool_allocate(pool, buffer, params);
}

// RT
static void gst_sl_buffer_pool_release(GstBufferPool *pool, GstBuffer *buffer)
{
  const bool is_changed = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_TAG_MEMORY) ||
                          !gst_buffer_is_all_memory_writable(buffer);
  if (G_UNLIKELY(is_changed))
    gst_sl_buffer_pool_discard(pool, buffer);
  else
    gst_atomic_queue_push(gst_sl_buffer_pool_state(pool).free, buffer);
}

static void gst_sl_buffer_pool_finalize(GObject *object)
{
  // Deactivates, and so calls stop.
  PoolState &state = gst_sl_buffer_pool_state(GST_BUFFER_POOL(object));
  gst_buffer_pool_set_active(GST_BUFFER_POOL(object), FALSE);
  std::destroy_at(&state);
  G_OBJECT_CLASS(gst_sl_buffer_pool_parent_class)->finalize(object);
}

static void gst_sl_buffer_pool_class_init(GstSlBufferPoolClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = gst_sl_buffer_pool_finalize;
  GstBufferPoolClass *pool_class = GST_BUFFER_POOL_CLASS(klass);
  pool_class->start = gst_sl_buffer_pool_start;
  pool_class->stop = gst_sl_buffer_pool_stop;
  pool_class->acquire_buffer = gst_sl_buffer_pool_acquire;
  pool_class->release_buffer = gst_sl_buffer_pool_release;
}

static void gst_sl_buffer_pool_init(GstSlBufferPool *self)
{
  std::construct_at(&gst_sl_buffer_pool_state(GST_BUFFER_POOL(self)));
}
