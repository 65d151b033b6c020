// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/thread_priority.h"

#include <cerrno>
#include <cstring>

#ifdef __linux__
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "gst/streamlib/realtime_kit.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_processor_debug);
#define GST_CAT_DEFAULT gst_sl_processor_debug

namespace streamlib {

namespace {

const char kAdvice[] =
    "Allow it by RealtimeKit (the package rtkit), by 'rtprio' and 'nice' in "
    "/etc/security/limits.d, or by the capability CAP_SYS_NICE.";

#ifdef __linux__

// Above what desktops give to sound servers' clients by default, below the kernel's own threads.
constexpr int kRealtimePriority = 20;
constexpr int kHighNice = -10;
constexpr size_t kTouchedStack = 128 * 1024;
constexpr size_t kPage = 4096;

int64_t own_tid()
{
  return syscall(SYS_gettid);
}

int own_nice()
{
  return getpriority(PRIO_PROCESS, static_cast<id_t>(own_tid()));
}

bool set_nice(int nice)
{
  return setpriority(PRIO_PROCESS, static_cast<id_t>(own_tid()), nice) == 0;
}

// A process that the thread starts shall not have its priority.
bool set_policy(int policy, int priority)
{
  sched_param parameter = {};
  parameter.sched_priority = priority;
  return sched_setscheduler(0, policy, &parameter) == 0;
}

bool is_realtime()
{
  const int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
  return policy == SCHED_RR || policy == SCHED_FIFO;
}

[[gnu::noinline]] void touch_stack()
{
  [[maybe_unused]] volatile char pages[kTouchedStack];
  for (size_t i = 0; i < kTouchedStack; i += kPage)
    pages[i] = 0;
}

std::string refused_by_system(const char *what)
{
  return std::string("the system refuses ") + what + " (" + g_strerror(errno) + ")";
}

// An empty string, or why not.
std::string become_realtime(RealtimeKit &kit)
{
  if (set_policy(SCHED_RR | SCHED_RESET_ON_FORK, kRealtimePriority))
    return {};
  const std::string refusal = refused_by_system("SCHED_RR");
  const std::string kit_refusal = kit.make_realtime(own_tid(), kRealtimePriority);
  if (kit_refusal.empty() && is_realtime())
    return {};
  return refusal + ", " +
         (kit_refusal.empty() ? "RealtimeKit granted it without any effect" : kit_refusal);
}

std::string become_high(RealtimeKit &kit)
{
  if (set_policy(SCHED_OTHER | SCHED_RESET_ON_FORK, 0) && set_nice(kHighNice))
    return {};
  const std::string refusal = refused_by_system("a nice level of -10");
  const std::string kit_refusal = kit.make_high_priority(own_tid(), kHighNice);
  if (kit_refusal.empty() && own_nice() < 0)
    return {};
  return refusal + ", " +
         (kit_refusal.empty() ? "RealtimeKit granted it without any effect" : kit_refusal);
}

#endif

}  // namespace

PriorityAnswer ThreadPriority::ask(GstSlPriority priority)
{
  PriorityAnswer answer;
  if (priority == GST_SL_PRIORITY_NORMAL)
    return answer;
#ifdef __linux__
  policy_before_ = sched_getscheduler(0);
  sched_param parameter = {};
  sched_getparam(0, &parameter);
  priority_before_ = parameter.sched_priority;
  nice_before_ = own_nice();
  is_changed_ = true;
  touch_stack();
  RealtimeKit kit(kLimitMs);
  if (priority == GST_SL_PRIORITY_REALTIME) {
    answer.refusal = become_realtime(kit);
    if (answer.refusal.empty()) {
      answer.granted = GST_SL_PRIORITY_REALTIME;
      return answer;
    }
  }
  const std::string refusal = become_high(kit);
  if (refusal.empty())
    answer.granted = GST_SL_PRIORITY_HIGH;
  else if (answer.refusal.empty())
    answer.refusal = refusal;
#else
  answer.refusal = "priorities are for Linux only";
#endif
  return answer;
}

void ThreadPriority::give_back()
{
#ifdef __linux__
  if (!is_changed_)
    return;
  is_changed_ = false;
  // Who has no right to may not clear the flag.
  if (!set_policy(policy_before_, priority_before_))
    set_policy(policy_before_ | SCHED_RESET_ON_FORK, priority_before_);
  set_nice(nice_before_);
#endif
}

void report_priority(GstElement *element, GstSlPriority asked, const PriorityAnswer &answer)
{
  if (answer.refusal.empty())
    return;
  GST_WARNING_OBJECT(element, "priority not granted: %s. %s", answer.refusal.c_str(), kAdvice);
  gst_element_post_message(
      element,
      gst_message_new_element(
          GST_OBJECT(element),
          gst_structure_new("streamlib-priority", "asked", GST_TYPE_SL_PRIORITY, asked, "granted",
                            GST_TYPE_SL_PRIORITY, answer.granted, "reason", G_TYPE_STRING,
                            answer.refusal.c_str(), "advice", G_TYPE_STRING, kAdvice, nullptr)));
}

}  // namespace streamlib
