// SPDX-License-Identifier: LGPL-2.1-or-later
// The priority of a processor's thread: granted by the system or by RealtimeKit, refused, given
// back.
//
// RealtimeKit is made up here, on a bus of its own. Whoever runs this may have no right to give
// priorities: then the parts that need it show the refusal instead.
#include <atomic>
#include <string>
#include <thread>

#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gio/gio.h>
#include <gst/check/gstcheck.h>

#include "gst/streamlib/streamlib.h"
#include "gst/support/guards.h"
#include "gst/support/ownership.h"

using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::CStr;
using streamlib::support::GObjectPtr;
using streamlib::support::MiniPtr;
using streamlib::support::sink_object;

namespace {

constexpr int kMaxPriority = 5;
constexpr int64_t kRtTimeUsec = 200000;

bool is_realtime(int policy)
{
  policy &= ~SCHED_RESET_ON_FORK;
  return policy == SCHED_RR || policy == SCHED_FIFO;
}

int own_nice()
{
  return getpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)));
}

bool may_be_realtime()
{
  bool may = false;
  std::thread([&] {
    sched_param parameter = {};
    parameter.sched_priority = 1;
    may = sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameter) == 0;
  }).join();
  return may;
}

// The calling thread, and those that it starts from now on.
void drop_the_right()
{
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  fail_unless(syscall(SYS_capget, &header, data) == 0);
  data[0].effective &= ~(1U << CAP_SYS_NICE);
  data[0].permitted &= ~(1U << CAP_SYS_NICE);
  fail_unless(syscall(SYS_capset, &header, data) == 0);
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_RTPRIO, &none);
  setrlimit(RLIMIT_NICE, &none);
  fail_if(may_be_realtime());
}

// --- RealtimeKit ---

const char kDescription[] =
    "<node><interface name='org.freedesktop.RealtimeKit1'>"
    "<method name='MakeThreadRealtimeWithPID'><arg type='t' direction='in'/>"
    "<arg type='t' direction='in'/><arg type='u' direction='in'/></method>"
    "<method name='MakeThreadHighPriorityWithPID'><arg type='t' direction='in'/>"
    "<arg type='t' direction='in'/><arg type='i' direction='in'/></method>"
    "<property name='RTTimeUSecMax' type='x' access='read'/>"
    "<property name='MaxRealtimePriority' type='i' access='read'/>"
    "<property name='MinNiceLevel' type='i' access='read'/></interface></node>";

enum class Manner { Grants, GrantsNothing, Refuses, IsSilent };

// Runs in a thread that keeps its rights. As long as it lives its bus is the system bus.
class MadeUpKit {
public:
  explicit MadeUpKit(Manner manner) : manner_(manner)
  {
    g_test_dbus_up(bus_);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(bus_), TRUE);
    thread_ = std::thread([this] { run(); });
    while (!is_up_)
      g_usleep(1000);
  }
  MadeUpKit(const MadeUpKit &) = delete;
  MadeUpKit &operator=(const MadeUpKit &) = delete;
  ~MadeUpKit()
  {
    g_main_loop_quit(loop_);
    thread_.join();
    g_test_dbus_stop(bus_);
    g_object_unref(bus_);
    g_main_loop_unref(loop_);
    g_main_context_unref(context_);
  }

  int calls() const { return calls_; }

private:
  void run()
  {
    g_main_context_push_thread_default(context_);
    GDBusNodeInfo *node = g_dbus_node_info_new_for_xml(kDescription, nullptr);
    const auto connection = adopt_object(g_dbus_connection_new_for_address_sync(
        g_test_dbus_get_bus_address(bus_),
        static_cast<GDBusConnectionFlags>(G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                          G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION),
        nullptr, nullptr, nullptr));
    static const GDBusInterfaceVTable functions = {called, get, nullptr, {}};
    g_dbus_connection_register_object(connection.get(), "/org/freedesktop/RealtimeKit1",
                                      node->interfaces[0], &functions, this, nullptr, nullptr);
    g_bus_own_name_on_connection(
        connection.get(), "org.freedesktop.RealtimeKit1", G_BUS_NAME_OWNER_FLAGS_NONE,
        [](GDBusConnection *, const char *, gpointer self) {
          static_cast<MadeUpKit *>(self)->is_up_ = true;
        },
        nullptr, this, nullptr);
    g_main_loop_run(loop_);
    g_dbus_connection_close_sync(connection.get(), nullptr, nullptr);
    g_dbus_node_info_unref(node);
    g_main_context_pop_thread_default(context_);
  }

  static void called(GDBusConnection *, const char *, const char *, const char *,
                     const char *method, GVariant *arguments, GDBusMethodInvocation *invocation,
                     gpointer data)
  {
    auto *self = static_cast<MadeUpKit *>(data);
    self->calls_++;
    if (self->manner_ == Manner::IsSilent) {
      g_object_unref(invocation);
      return;
    }
    guint64 pid = 0;
    guint64 tid = 0;
    guint32 value = 0;
    if (g_str_equal(method, "MakeThreadRealtimeWithPID"))
      g_variant_get(arguments, "(ttu)", &pid, &tid, &value);
    else
      g_variant_get(arguments, "(tti)", &pid, &tid, &value);
    const bool granted =
        self->manner_ == Manner::GrantsNothing ||
        (self->manner_ == Manner::Grants && pid == static_cast<guint64>(getpid()) &&
         grant(method, static_cast<pid_t>(tid), static_cast<int>(value)));
    if (granted)
      g_dbus_method_invocation_return_value(invocation, nullptr);
    else
      g_dbus_method_invocation_return_dbus_error(
          invocation, "org.freedesktop.DBus.Error.AccessDenied", "not today");
  }

  // As RealtimeKit does, and by its conditions.
  static bool grant(const char *method, pid_t tid, int value)
  {
    if (!g_str_equal(method, "MakeThreadRealtimeWithPID"))
      return setpriority(PRIO_PROCESS, static_cast<id_t>(tid), value) == 0;
    rlimit limit = {};
    getrlimit(RLIMIT_RTTIME, &limit);
    if (value > kMaxPriority || limit.rlim_max > static_cast<rlim_t>(kRtTimeUsec))
      return false;
    sched_param parameter = {};
    parameter.sched_priority = value;
    return sched_setscheduler(tid, SCHED_RR | SCHED_RESET_ON_FORK, &parameter) == 0;
  }

  static GVariant *get(GDBusConnection *, const char *, const char *, const char *,
                       const char *name, GError **, gpointer)
  {
    if (g_str_equal(name, "RTTimeUSecMax"))
      return g_variant_new_int64(kRtTimeUsec);
    return g_variant_new_int32(g_str_equal(name, "MinNiceLevel") ? -8 : kMaxPriority);
  }

  const Manner manner_;
  GTestDBus *const bus_ = g_test_dbus_new(G_TEST_DBUS_NONE);
  GMainContext *const context_ = g_main_context_new();
  GMainLoop *const loop_ = g_main_loop_new(context_, FALSE);
  std::atomic<bool> is_up_ = false;
  std::atomic<int> calls_ = 0;
  std::thread thread_;
};

void without_a_bus()
{
  g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", TRUE);
}

// --- A pipeline ---

struct Seen {
  // By the worker's thread.
  std::atomic<int> policy = -1;
  std::atomic<int> priority = -1;
  std::atomic<int> nice = 99;
  std::string name;
  // Of the messages and the statistics.
  int asked = -1;
  int granted = -1;
  std::string reason;
  std::string advice;
  int message_granted = -1;
};

GstPadProbeReturn look(GstPad *, GstPadProbeInfo *, gpointer data)
{
  auto *seen = static_cast<Seen *>(data);
  sched_param parameter = {};
  sched_getparam(0, &parameter);
  seen->policy = sched_getscheduler(0);
  seen->priority = parameter.sched_priority;
  seen->nice = own_nice();
  if (seen->name.empty()) {
    const CStr path(g_strdup_printf("/proc/self/task/%ld/comm", syscall(SYS_gettid)));
    gchar *name = nullptr;
    if (g_file_get_contents(path.get(), &name, nullptr, nullptr))
      seen->name = g_strchomp(name);
    g_free(name);
  }
  return GST_PAD_PROBE_OK;
}

GstBusSyncReply take_pool(GstBus *, GstMessage *message, gpointer pool)
{
  if (pool == nullptr || GST_MESSAGE_TYPE(message) != GST_MESSAGE_STREAM_STATUS)
    return GST_BUS_PASS;
  GstStreamStatusType type;
  gst_message_parse_stream_status(message, &type, nullptr);
  const GValue *object = gst_message_get_stream_status_object(message);
  if (type == GST_STREAM_STATUS_TYPE_CREATE)
    gst_task_set_pool(GST_TASK(g_value_get_object(object)), GST_TASK_POOL(pool));
  return GST_BUS_PASS;
}

void read_message(GstMessage *message, Seen *seen)
{
  const GstStructure *structure = gst_message_get_structure(message);
  if (!gst_structure_has_name(structure, "streamlib-priority"))
    return;
  fail_unless(
      gst_structure_get_enum(structure, "granted", GST_TYPE_SL_PRIORITY, &seen->message_granted));
  seen->reason = gst_structure_get_string(structure, "reason");
  seen->advice = gst_structure_get_string(structure, "advice");
}

// Plays through `link`, and looks around meanwhile.
void play(const char *link, Seen *seen, GstTaskPool *pool = nullptr)
{
  const CStr launch(g_strdup_printf("fakesrc num-buffers=50 ! %s name=worker ! fakesink", link));
  const auto pipeline = sink_object(gst_parse_launch(launch.get(), nullptr));
  const auto worker = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline.get()), "worker"));
  const auto pad = adopt_object(gst_element_get_static_pad(worker.get(), "src"));
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, look, seen, nullptr);
  const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
  gst_bus_set_sync_handler(bus.get(), take_pool, pool, nullptr);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  for (bool ended = false; !ended;) {
    const auto message = adopt_mini(gst_bus_timed_pop_filtered(
        bus.get(), 20 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT)));
    fail_unless(static_cast<bool>(message));
    fail_if(GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ERROR);
    ended = GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS;
    if (!ended)
      read_message(message.get(), seen);
  }
  GstStructure *stats = nullptr;
  g_object_get(worker.get(), "stats", &stats, nullptr);
  fail_unless(gst_structure_get_enum(stats, "priority", GST_TYPE_SL_PRIORITY, &seen->asked));
  fail_unless(
      gst_structure_get_enum(stats, "priority-granted", GST_TYPE_SL_PRIORITY, &seen->granted));
  gst_structure_free(stats);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  gst_bus_set_sync_handler(bus.get(), nullptr, nullptr, nullptr);
}

void expect_refusal(const Seen &seen, int asked)
{
  fail_if(is_realtime(seen.policy));
  fail_unless_equals_int(seen.nice, 0);
  fail_unless_equals_int(seen.asked, asked);
  fail_unless_equals_int(seen.granted, GST_SL_PRIORITY_NORMAL);
  fail_unless_equals_int(seen.message_granted, GST_SL_PRIORITY_NORMAL);
  fail_if(seen.reason.empty());
  fail_unless(seen.advice.find("rtkit") != std::string::npos);
}

}  // namespace

GST_START_TEST(test_realtime_by_the_system)
{
  without_a_bus();
  Seen seen;
  play("sllink priority=realtime", &seen);
  fail_unless_equals_string(seen.name.c_str(), "worker");
  if (!may_be_realtime()) {
    expect_refusal(seen, GST_SL_PRIORITY_REALTIME);
    return;
  }
  fail_unless(is_realtime(seen.policy));
  // What the thread starts, it does not get.
  fail_unless((seen.policy & SCHED_RESET_ON_FORK) != 0);
  fail_unless_equals_int(seen.granted, GST_SL_PRIORITY_REALTIME);
  fail_unless(seen.reason.empty());
}
GST_END_TEST

GST_START_TEST(test_high_by_the_system)
{
  without_a_bus();
  Seen seen;
  play("sllink priority=high", &seen);
  if (!may_be_realtime()) {
    expect_refusal(seen, GST_SL_PRIORITY_HIGH);
    return;
  }
  fail_if(is_realtime(seen.policy));
  fail_unless_equals_int(seen.nice, -10);
  fail_unless_equals_int(seen.granted, GST_SL_PRIORITY_HIGH);
}
GST_END_TEST

GST_START_TEST(test_normal_is_left_alone)
{
  MadeUpKit kit(Manner::Refuses);
  Seen seen;
  play("sllink", &seen);
  fail_unless_equals_int(seen.policy, SCHED_OTHER);
  fail_unless_equals_int(seen.asked, GST_SL_PRIORITY_NORMAL);
  fail_unless_equals_int(seen.granted, GST_SL_PRIORITY_NORMAL);
  fail_unless(seen.reason.empty());
  fail_unless_equals_int(kit.calls(), 0);
}
GST_END_TEST

// A pool of the application hands its threads on.
GST_START_TEST(test_a_later_pipeline_gets_nothing_of_it)
{
  without_a_bus();
  const auto pool = adopt_object(gst_task_pool_new());
  gst_task_pool_prepare(pool.get(), nullptr);
  for (const char *link : {"sllink priority=realtime", "sllink priority=high"}) {
    Seen first;
    play(link, &first, pool.get());
    for (int i = 0; i < 5; i++) {
      Seen later;
      play("sllink", &later, pool.get());
      fail_unless_equals_int(later.policy & ~SCHED_RESET_ON_FORK, SCHED_OTHER);
      fail_unless_equals_int(later.nice, 0);
    }
  }
  gst_task_pool_cleanup(pool.get());
}
GST_END_TEST

GST_START_TEST(test_realtime_kit_grants)
{
  if (!may_be_realtime())
    return;
  MadeUpKit kit(Manner::Grants);
  drop_the_right();
  Seen seen;
  play("sllink priority=realtime", &seen);
  fail_unless(is_realtime(seen.policy), "%s", seen.reason.c_str());
  // No more than it gives at most.
  fail_unless_equals_int(seen.priority, kMaxPriority);
  fail_unless_equals_int(seen.granted, GST_SL_PRIORITY_REALTIME);
  rlimit limit = {};
  getrlimit(RLIMIT_RTTIME, &limit);
  fail_unless_equals_uint64(limit.rlim_max, kRtTimeUsec);
  Seen high;
  play("sllink priority=high", &high);
  fail_unless_equals_int(high.nice, -8);
  fail_unless_equals_int(high.granted, GST_SL_PRIORITY_HIGH);
}
GST_END_TEST

GST_START_TEST(test_realtime_kit_refuses)
{
  MadeUpKit kit(Manner::Refuses);
  drop_the_right();
  Seen seen;
  play("sllink priority=realtime", &seen);
  expect_refusal(seen, GST_SL_PRIORITY_REALTIME);
  fail_unless(seen.reason.find("not today") != std::string::npos, "%s", seen.reason.c_str());
  // The next lower one was tried, too.
  fail_unless_equals_int(kit.calls(), 2);
}
GST_END_TEST

GST_START_TEST(test_realtime_kit_grants_nothing)
{
  MadeUpKit kit(Manner::GrantsNothing);
  drop_the_right();
  Seen seen;
  play("sllink priority=realtime", &seen);
  expect_refusal(seen, GST_SL_PRIORITY_REALTIME);
  fail_unless(seen.reason.find("without any effect") != std::string::npos);
}
GST_END_TEST

GST_START_TEST(test_realtime_kit_is_silent)
{
  MadeUpKit kit(Manner::IsSilent);
  drop_the_right();
  const gint64 begin = g_get_monotonic_time();
  Seen seen;
  play("sllink priority=realtime", &seen);
  fail_unless(g_get_monotonic_time() - begin < 10 * G_USEC_PER_SEC);
  expect_refusal(seen, GST_SL_PRIORITY_REALTIME);
  fail_unless(seen.reason.find("in time") != std::string::npos, "%s", seen.reason.c_str());
}
GST_END_TEST

GST_START_TEST(test_no_bus)
{
  without_a_bus();
  drop_the_right();
  Seen seen;
  play("sllink priority=high", &seen);
  expect_refusal(seen, GST_SL_PRIORITY_HIGH);
  fail_unless(seen.reason.find("system bus") != std::string::npos, "%s", seen.reason.c_str());
}
GST_END_TEST

GST_START_TEST(test_no_thread_to_give_it_to)
{
  for (const char *link :
       {"sllink priority=high scheduling=inline", "sllink priority=high scheduling=pooled"}) {
    Seen seen;
    play(link, &seen);
    expect_refusal(seen, GST_SL_PRIORITY_HIGH);
    fail_unless(seen.reason.find("dedicated") != std::string::npos);
  }
}
GST_END_TEST

GST_START_TEST(test_changes_in_ready_only)
{
  const auto pipeline = sink_object(
      gst_parse_launch("fakesrc ! sllink name=worker priority=normal ! fakesink", nullptr));
  const auto worker = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline.get()), "worker"));
  const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
  GstSlPriority priority;
  gst_element_set_state(pipeline.get(), GST_STATE_PAUSED);
  g_object_set(worker.get(), "priority", GST_SL_PRIORITY_HIGH, nullptr);
  g_object_get(worker.get(), "priority", &priority, nullptr);
  fail_unless_equals_int(priority, GST_SL_PRIORITY_NORMAL);
  const auto warning = adopt_mini(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_WARNING));
  fail_unless(static_cast<bool>(warning));
  gst_element_set_state(pipeline.get(), GST_STATE_READY);
  g_object_set(worker.get(), "priority", GST_SL_PRIORITY_HIGH, nullptr);
  g_object_get(worker.get(), "priority", &priority, nullptr);
  fail_unless_equals_int(priority, GST_SL_PRIORITY_HIGH);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}
GST_END_TEST

static Suite *priority_suite(void)
{
  Suite *suite = suite_create("priority");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_realtime_by_the_system);
  tcase_add_test(tcase, test_high_by_the_system);
  tcase_add_test(tcase, test_normal_is_left_alone);
  tcase_add_test(tcase, test_a_later_pipeline_gets_nothing_of_it);
  tcase_add_test(tcase, test_realtime_kit_grants);
  tcase_add_test(tcase, test_realtime_kit_refuses);
  tcase_add_test(tcase, test_realtime_kit_grants_nothing);
  tcase_add_test(tcase, test_realtime_kit_is_silent);
  tcase_add_test(tcase, test_no_bus);
  tcase_add_test(tcase, test_no_thread_to_give_it_to);
  tcase_add_test(tcase, test_changes_in_ready_only);
  return suite;
}

GST_CHECK_MAIN(priority)
