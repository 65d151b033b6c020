// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/step_task.h"

#include "gst/streamlib/gstsltaskpool.h"
#include "gst/support/guards.h"

namespace streamlib {

using support::adopt_object;
using support::CStr;
using support::GObjectPtr;
using support::MutexLock;

StepTask::StepTask(GstElement *element, std::function<void()> iterate, std::function<void()> wake)
    : element_(element), iterate_(std::move(iterate)), wake_(std::move(wake))
{
  g_rec_mutex_init(&step_lock_);
  g_mutex_init(&control_);
}

StepTask::~StepTask()
{
  g_rec_mutex_clear(&step_lock_);
  g_mutex_clear(&control_);
}

void StepTask::iterate_once(gpointer data)
{
  static_cast<StepTask *>(data)->iterate_();
}

void StepTask::entered(GstTask *task, GThread *thread, gpointer data)
{
  auto *self = static_cast<StepTask *>(data);
  self->thread_.store(thread);
  // Before the message, whose receiver may know better.
  const PriorityAnswer answer = self->thread_priority_.ask(self->priority_);
  self->granted_.store(answer.granted);
  report_priority(self->element_, self->priority_, answer);
  self->post_status(GST_STREAM_STATUS_TYPE_ENTER);
}

void StepTask::left(GstTask *task, GThread *thread, gpointer data)
{
  auto *self = static_cast<StepTask *>(data);
  self->post_status(GST_STREAM_STATUS_TYPE_LEAVE);
  self->thread_priority_.give_back();
  self->granted_.store(GST_SL_PRIORITY_NORMAL);
  self->thread_.store(nullptr);
}

void StepTask::post_status(GstStreamStatusType type)
{
  GstMessage *message = gst_message_new_stream_status(GST_OBJECT(element_), type, element_);
  GValue object = G_VALUE_INIT;
  g_value_init(&object, GST_TYPE_TASK);
  g_value_set_object(&object, task_.get());
  gst_message_set_stream_status_object(message, &object);
  g_value_unset(&object);
  gst_element_post_message(element_, message);
}

bool StepTask::start()
{
  GObjectPtr<GstTask> task = adopt_object(gst_task_new(iterate_once, this, nullptr));
  CStr name(gst_object_get_name(GST_OBJECT(element_)));
  gst_object_set_name(GST_OBJECT(task.get()), name.get());
  gst_task_set_lock(task.get(), &step_lock_);
  gst_task_set_enter_callback(task.get(), entered, this, nullptr);
  gst_task_set_leave_callback(task.get(), left, this, nullptr);
  GObjectPtr<GstTaskPool> pool = adopt_object(gst_sl_task_pool_new());
  gst_task_set_pool(task.get(), pool.get());
  task_ = task;
  post_status(GST_STREAM_STATUS_TYPE_CREATE);
  const MutexLock lock(control_);
  is_stopping_ = false;
  may_run_.store(true);
  if (gst_task_start(task.get()))
    return true;
  may_run_.store(false);
  is_stopping_ = true;
  task_.reset();
  return false;
}

void StepTask::quiesce()
{
  {
    const MutexLock lock(control_);
    if (is_stopping_)
      return;
    may_run_.store(false);
    gst_task_pause(task_.get());
  }
  wake_();
  g_rec_mutex_lock(&step_lock_);
  g_rec_mutex_unlock(&step_lock_);
}

void StepTask::resume()
{
  const MutexLock lock(control_);
  if (is_stopping_)
    return;
  may_run_.store(true);
  gst_task_start(task_.get());
}

void StepTask::request_stop()
{
  {
    const MutexLock lock(control_);
    if (is_stopping_)
      return;
    is_stopping_ = true;
    may_run_.store(false);
    gst_task_stop(task_.get());
  }
  wake_();
}

bool StepTask::finish()
{
  if (!task_)
    return true;
  if (is_own_thread())
    return false;
  gst_task_join(task_.get());
  task_.reset();
  return true;
}

}  // namespace streamlib
