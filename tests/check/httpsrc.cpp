// SPDX-License-Identifier: LGPL-2.1-or-later
// slhttpsrc against a server of the test's own.
#include <set>

#include "gst/support/guards.h"
#include "httpserver.h"
#include "processor_fixture.h"

using namespace fixture;
using streamlib::support::ErrorPtr;
using streamlib::support::MappedBuffer;
using streamlib::support::sink_object;

namespace {

std::string content_of(GstBuffer *buffer)
{
  const MappedBuffer map(buffer, GST_MAP_READ);
  return std::string(reinterpret_cast<const char *>(map.data()), map.size());
}

// The element, alone in the world.
class Client {
public:
  explicit Client(const std::string &location)
      : src_(sink_object(gst_element_factory_make("slhttpsrc", nullptr))),
        bus_(adopt_object(gst_bus_new()))
  {
    fail_unless(src_);
    gst_element_set_bus(src_.get(), bus_.get());
    out_ = std::make_unique<Recorder>(GST_SL_PROCESSOR(src_.get()));
    set("location", location.c_str());
    set("retry-delay", 10);
  }
  Client(const Client &) = delete;
  Client &operator=(const Client &) = delete;
  ~Client()
  {
    gst_element_set_state(src_.get(), GST_STATE_NULL);
    out_.reset();
    gst_element_set_bus(src_.get(), nullptr);
  }

  template <typename T>
  void set(const char *property, T value)
  {
    g_object_set(src_.get(), property, value, nullptr);
  }
  GstElement *element() const { return src_.get(); }
  Recorder &out() { return *out_; }
  GstStateChangeReturn play()
  {
    const auto clock = adopt_object(gst_system_clock_obtain());
    gst_element_set_clock(src_.get(), clock.get());
    gst_element_set_base_time(src_.get(), gst_clock_get_time(clock.get()));
    return gst_element_set_state(src_.get(), GST_STATE_PLAYING);
  }
  bool has_buffers(size_t count)
  {
    return eventually([&] { return out_->buffers() >= count; });
  }
  bool ends()
  {
    return eventually([&] { return out_->has_eos(); });
  }
  std::vector<std::string> contents()
  {
    std::vector<std::string> all;
    for (const Seen &seen : out_->seen()) {
      if (seen.is_buffer())
        all.push_back(content_of(seen.buffer()));
    }
    return all;
  }
  std::string caps()
  {
    const auto caps = adopt_mini(gst_pad_get_current_caps(out_->pad()));
    return caps ? gst_structure_get_name(gst_caps_get_structure(caps.get(), 0)) : "";
  }
  guint64 stat(const char *field)
  {
    GstStructure *stats = nullptr;
    g_object_get(src_.get(), "stats", &stats, nullptr);
    const StructurePtr owned(stats);
    guint64 value = 0;
    guint small = 0;
    if (gst_structure_get_uint(stats, field, &small))
      return small;
    fail_unless(gst_structure_get_uint64(stats, field, &value), "no %s", field);
    return value;
  }
  // The error that comes, of the domain of resources.
  ErrorPtr error()
  {
    const auto message = adopt_mini(gst_bus_timed_pop_filtered(
        bus_.get(), static_cast<GstClockTime>(limit_ms(10000)) * GST_MSECOND, GST_MESSAGE_ERROR));
    fail_unless(message);
    GError *error = nullptr;
    gst_message_parse_error(message.get(), &error, nullptr);
    fail_unless(error->domain == GST_RESOURCE_ERROR, "%s", error->message);
    return ErrorPtr(error);
  }

private:
  GObjectPtr<GstElement> src_;
  GObjectPtr<GstBus> bus_;
  std::unique_ptr<Recorder> out_;
};

bool mentions(const ErrorPtr &error, const char *text)
{
  return strstr(error->message, text) != nullptr;
}

}  // namespace

GST_START_TEST(one_answer_and_then_the_end)
{
  HttpServer server;
  Client client(server.address("/value"));
  fail_unless_equals_int(client.play(), GST_STATE_CHANGE_SUCCESS);
  fail_unless(client.ends());
  fail_unless((client.contents() == std::vector<std::string>{"{\"value\": 1}"}));
  fail_unless(client.caps() == "application/json", "%s", client.caps().c_str());
  for (const Seen &seen : client.out().seen()) {
    if (seen.is_buffer())
      fail_unless(GST_BUFFER_PTS(seen.buffer()) < 10 * GST_SECOND);
  }
  fail_unless_equals_uint64(client.stat("requests"), 1);
  fail_unless_equals_uint64(client.stat("answers"), 1);
  fail_unless_equals_uint64(client.stat("bytes"), 12);
  fail_unless_equals_uint64(client.stat("last-status"), 200);
  fail_unless(client.stat("last-latency") > 0);
}
GST_END_TEST;

GST_START_TEST(live_source_waits_for_playing)
{
  HttpServer server;
  Client client(server.address("/value"));
  fail_unless_equals_int(gst_element_set_state(client.element(), GST_STATE_PAUSED),
                         GST_STATE_CHANGE_NO_PREROLL);
  sleep_ms(100);
  fail_unless_equals_int(server.requests, 0);
  client.play();
  fail_unless(client.ends());
  gst_element_set_state(client.element(), GST_STATE_NULL);
  client.set("is-live", FALSE);
  client.out().clear();
  fail_unless_equals_int(gst_element_set_state(client.element(), GST_STATE_PAUSED),
                         GST_STATE_CHANGE_SUCCESS);
  fail_unless(client.ends());
  for (const Seen &seen : client.out().seen())
    fail_unless(!seen.is_buffer() || !GST_BUFFER_PTS_IS_VALID(seen.buffer()));
}
GST_END_TEST;

// What has not changed is no buffer.
GST_START_TEST(polls_for_what_is_new)
{
  HttpServer server;
  Client client(server.address("/value"));
  client.set("interval", guint64{10 * GST_MSECOND});
  client.set("num-buffers", 3);
  client.play();
  fail_unless(client.has_buffers(1));
  fail_unless(eventually([&] { return client.stat("not-modified") >= 5; }));
  fail_unless_equals_int(static_cast<int>(client.out().buffers()), 1);
  fail_unless_equals_uint64(client.stat("last-status"), 304);
  server.value = 2;
  fail_unless(client.has_buffers(2));
  server.value = 3;
  fail_unless(client.ends());
  fail_unless((client.contents() ==
               std::vector<std::string>{"{\"value\": 1}", "{\"value\": 2}", "{\"value\": 3}"}));
}
GST_END_TEST;

GST_START_TEST(caps_come_from_the_bytes_the_type_or_the_user)
{
  HttpServer server;
  for (const bool by_user : {false, true}) {
    Client client(server.address("/picture"));
    const auto caps = adopt_mini(gst_caps_new_empty_simple("image/x-mine"));
    if (by_user)
      client.set("caps", caps.get());
    client.play();
    fail_unless(client.ends());
    fail_unless(client.caps() == (by_user ? "image/x-mine" : "image/png"), "%s",
                client.caps().c_str());
  }
}
GST_END_TEST;

GST_START_TEST(request_carries_its_fields)
{
  HttpServer server;
  Client client(server.address("/echo"));
  const StructurePtr headers(gst_structure_new("h", "X-Test", G_TYPE_STRING, "seen", nullptr));
  client.set("headers", headers.get());
  client.set("user-agent", "tester/7");
  client.play();
  fail_unless(client.ends());
  fail_unless((client.contents() == std::vector<std::string>{"tester/7|seen"}));
}
GST_END_TEST;

GST_START_TEST(redirects_are_followed_up_to_a_limit)
{
  HttpServer server;
  {
    Client client(server.address("/redirect"));
    client.play();
    fail_unless(client.ends());
    fail_unless((client.contents() == std::vector<std::string>{"{\"value\": 1}"}));
  }
  Client client(server.address("/loop"));
  client.play();
  const ErrorPtr error = client.error();
  fail_unless_equals_int(error->code, GST_RESOURCE_ERROR_OPEN_READ);
  fail_unless_equals_uint64(client.stat("retries"), 0);
}
GST_END_TEST;

GST_START_TEST(statuses_are_errors_with_their_code)
{
  struct Case {
    const char *path;
    int code;
    guint64 retries;
  };
  HttpServer server;
  for (const Case &c : {Case{"/status/404", GST_RESOURCE_ERROR_NOT_FOUND, 0},
                        Case{"/status/410", GST_RESOURCE_ERROR_NOT_FOUND, 0},
                        Case{"/status/401", GST_RESOURCE_ERROR_NOT_AUTHORIZED, 0},
                        Case{"/status/403", GST_RESOURCE_ERROR_NOT_AUTHORIZED, 0},
                        Case{"/status/429", GST_RESOURCE_ERROR_BUSY, 2},
                        Case{"/status/503", GST_RESOURCE_ERROR_BUSY, 2},
                        Case{"/status/500", GST_RESOURCE_ERROR_OPEN_READ, 2},
                        Case{"/status/418", GST_RESOURCE_ERROR_OPEN_READ, 0}}) {
    Client client(server.address(c.path));
    client.set("retries", 2);
    client.play();
    const ErrorPtr error = client.error();
    fail_unless_equals_int(error->code, c.code);
    fail_unless(mentions(error, c.path + strlen("/status/")), "%s", error->message);
    fail_unless_equals_uint64(client.stat("retries"), c.retries);
    fail_unless_equals_uint64(client.stat("requests"), c.retries + 1);
  }
}
GST_END_TEST;

GST_START_TEST(what_passes_is_tried_again)
{
  HttpServer server;
  for (const char *path : {"/flaky", "/drop"}) {
    server.failures = 3;
    Client client(server.address(path));
    client.set("retries", 3);
    client.play();
    fail_unless(client.ends());
    fail_unless_equals_int(static_cast<int>(client.out().buffers()), 1);
    fail_unless_equals_uint64(client.stat("retries"), 3);
  }
  // As late as the server wants.
  server.failures = 1;
  Client client(server.address("/flaky-later"));
  const gint64 began = g_get_monotonic_time();
  client.play();
  fail_unless(client.ends());
  fail_unless(g_get_monotonic_time() - began >= 1000 * 1000);
}
GST_END_TEST;

GST_START_TEST(broken_answer_is_an_error_in_the_end)
{
  HttpServer server;
  server.failures = 100;
  Client client(server.address("/drop"));
  client.set("retries", 1);
  client.play();
  const ErrorPtr error = client.error();
  fail_unless_equals_int(error->code, GST_RESOURCE_ERROR_READ);
  fail_unless_equals_int(static_cast<int>(client.out().buffers()), 0);
}
GST_END_TEST;

GST_START_TEST(no_server_is_an_error)
{
  std::string address;
  {
    HttpServer server;
    address = server.address("/value");
  }
  Client client(address);
  client.set("retries", 2);
  client.play();
  const ErrorPtr error = client.error();
  fail_unless_equals_int(error->code, GST_RESOURCE_ERROR_OPEN_READ);
  fail_unless_equals_uint64(client.stat("requests"), 3);
}
GST_END_TEST;

GST_START_TEST(timeout_ends_an_attempt)
{
  HttpServer server;
  Client client(server.address("/never"));
  client.set("timeout", 100);
  client.set("retries", 1);
  const gint64 began = g_get_monotonic_time();
  client.play();
  const ErrorPtr error = client.error();
  fail_unless_equals_int(error->code, GST_RESOURCE_ERROR_OPEN_READ);
  fail_unless(mentions(error, "timeout"), "%s", error->message);
  fail_unless(g_get_monotonic_time() - began >= 200 * 1000);
  fail_unless_equals_uint64(client.stat("requests"), 2);
}
GST_END_TEST;

GST_START_TEST(too_long_an_answer_is_an_error)
{
  HttpServer server;
  for (const char *path : {"/big", "/endless"}) {
    Client client(server.address(path));
    client.set("max-bytes", guint64{500000});
    client.play();
    const ErrorPtr error = client.error();
    fail_unless_equals_int(error->code, GST_RESOURCE_ERROR_READ);
    fail_unless(mentions(error, "max-bytes"));
    fail_unless_equals_int(static_cast<int>(client.out().buffers()), 0);
  }
}
GST_END_TEST;

GST_START_TEST(long_answer_comes_in_blocks)
{
  HttpServer server;
  Client client(server.address("/big"));
  client.set("blocksize", 50000);
  client.play();
  fail_unless(client.ends());
  guint64 expected = 0;
  for (const Seen &seen : client.out().seen()) {
    if (!seen.is_buffer())
      continue;
    fail_unless_equals_uint64(GST_BUFFER_OFFSET(seen.buffer()), expected);
    fail_unless(gst_buffer_get_size(seen.buffer()) <= 50000);
    expected += gst_buffer_get_size(seen.buffer());
  }
  fail_unless_equals_uint64(expected, 1000000);
  fail_unless(client.out().buffers() >= 20);
}
GST_END_TEST;

GST_START_TEST(consumer_may_end_a_long_answer)
{
  HttpServer server;
  Client client(server.address("/endless"));
  client.set("blocksize", 5000);
  client.set("max-bytes", guint64{0});
  std::atomic<int> count = 0;
  client.out().on_buffer = [&](GstBuffer *) { return ++count < 10 ? GST_FLOW_OK : GST_FLOW_EOS; };
  client.play();
  fail_unless(client.ends());
  fail_unless_equals_int(count, 10);
}
GST_END_TEST;

GST_START_TEST(bad_address_is_a_bad_setting)
{
  for (const char *address : {"", "value", "ftp://example.org/x", "http://", "http://a b/"}) {
    Client client(address);
    fail_unless_equals_int(client.play(), GST_STATE_CHANGE_FAILURE);
    const ErrorPtr error = client.error();
    fail_unless_equals_int(error->code, GST_RESOURCE_ERROR_SETTINGS);
    fail_unless(mentions(error, "location"));
  }
}
GST_END_TEST;

GST_START_TEST(certificate_of_nobody_is_refused)
{
  HttpServer server(true);
  {
    Client client(server.address("/value"));
    client.play();
    const ErrorPtr error = client.error();
    fail_unless_equals_int(error->code, GST_RESOURCE_ERROR_OPEN_READ);
    fail_unless(mentions(error, "certificate is signed by nobody"), "%s", error->message);
    fail_unless_equals_uint64(client.stat("retries"), 0);
  }
  Client client(server.address("/value"));
  client.set("ssl-strict", FALSE);
  client.play();
  fail_unless(client.ends());
  fail_unless_equals_int(static_cast<int>(client.out().buffers()), 1);
}
GST_END_TEST;

GST_START_TEST(stop_ends_whatever_is_under_way)
{
  HttpServer server;
  server.failures = 1000;
  server.delay_ms = 30000;
  for (const char *path : {"/never", "/slow", "/flaky", "/endless"}) {
    Client client(server.address(path));
    client.set("retries", 1000);
    client.set("retry-delay", 60000);
    client.set("max-bytes", guint64{0});
    client.play();
    const int before = server.requests;
    fail_unless(eventually([&] { return server.requests > before - 1; }));
    sleep_ms(50);
    const gint64 began = g_get_monotonic_time();
    gst_element_set_state(client.element(), GST_STATE_NULL);
    fail_unless(g_get_monotonic_time() - began < limit_ms(500) * 1000, "%s", path);
  }
}
GST_END_TEST;

// --- Many of them ---

namespace {

constexpr int kMany = 200;
constexpr int kDelayMs = 2000;

std::multiset<std::string> thread_names()
{
  std::multiset<std::string> names;
  GDir *dir = g_dir_open("/proc/self/task", 0, nullptr);
  while (const char *thread = g_dir_read_name(dir)) {
    const CStr path(g_build_filename("/proc/self/task", thread, "comm", nullptr));
    gchar *text = nullptr;
    if (g_file_get_contents(path.get(), &text, nullptr, nullptr))
      names.insert(g_strchomp(text));
    g_free(text);
  }
  g_dir_close(dir);
  return names;
}

// Sinks that preroll would wait for each other, each of them on the one thread.
struct Crowd {
  explicit Crowd(const std::string &location) : pipeline(sink_object(gst_pipeline_new(nullptr)))
  {
    for (int i = 0; i < kMany; i++) {
      GstElement *src = gst_element_factory_make("slhttpsrc", nullptr);
      GstElement *sink = gst_element_factory_make("fakesink", nullptr);
      g_object_set(src, "location", location.c_str(), nullptr);
      g_object_set(sink, "signal-handoffs", TRUE, "async", FALSE, nullptr);
      g_signal_connect(sink, "handoff",
                       G_CALLBACK(+[](GstElement *, GstBuffer *, GstPad *, gpointer data) {
                         (*static_cast<std::atomic<int> *>(data))++;
                       }),
                       &answers);
      gst_bin_add_many(GST_BIN(pipeline.get()), src, sink, nullptr);
      fail_unless(gst_element_link(src, sink));
    }
  }
  Crowd(const Crowd &) = delete;
  Crowd &operator=(const Crowd &) = delete;
  ~Crowd() { gst_element_set_state(GST_ELEMENT(pipeline.get()), GST_STATE_NULL); }

  std::atomic<int> answers = 0;
  GObjectPtr<GstElement> pipeline;
};

}  // namespace

// Two hundred wait at once, and there is no thread more than for one.
GST_START_TEST(many_wait_on_one_thread)
{
  HttpServer server;
  // So long that the first is not answered before the last has asked.
  server.delay_ms = limit_ms(kDelayMs);
  Crowd crowd(server.address("/slow"));
  const std::multiset<std::string> before = thread_names();
  const gint64 began = g_get_monotonic_time();
  gst_element_set_state(GST_ELEMENT(crowd.pipeline.get()), GST_STATE_PLAYING);
  // All of them at once.
  fail_unless(eventually([&] { return server.waiting == kMany; }), "%d wait",
              server.waiting.load());
  std::multiset<std::string> during = thread_names();
  for (const std::string &name : before)
    during.erase(during.find(name));
  std::string names;
  for (const std::string &name : during)
    names += name + " ";
  GST_INFO("new threads: %s", names.c_str());
  during.erase("sl-watch");
  // GLib looks for the desktop's settings once in a process, also where nobody asks for its
  // proxies.
  during.erase("gmain");
  during.erase("dconf worker");
  fail_unless_equals_int(static_cast<int>(during.count("sl-io")), 1);
  during.erase("sl-io");
  fail_unless(during.empty(), "new threads: %s", names.c_str());
  fail_unless(eventually([&] { return crowd.answers == kMany; }), "%d answers",
              crowd.answers.load());
  const gint64 took = g_get_monotonic_time() - began;
  fail_unless(took < limit_ms(kDelayMs + 5000) * 1000, "%ld us", static_cast<long>(took));
}
GST_END_TEST;

GST_START_TEST(many_stop_in_the_middle)
{
  HttpServer server;
  server.delay_ms = 60000;
  Crowd crowd(server.address("/slow"));
  gst_element_set_state(GST_ELEMENT(crowd.pipeline.get()), GST_STATE_PLAYING);
  fail_unless(eventually([&] { return server.waiting == kMany; }));
  const gint64 began = g_get_monotonic_time();
  gst_element_set_state(GST_ELEMENT(crowd.pipeline.get()), GST_STATE_NULL);
  const gint64 took = g_get_monotonic_time() - began;
  fail_unless(took < limit_ms(2000) * 1000, "%ld us", static_cast<long>(took));
  fail_unless_equals_int(crowd.answers, 0);
}
GST_END_TEST;

static Suite *httpsrc_suite()
{
  Suite *suite = suite_create("httpsrc");
  TCase *tc = tcase_create("general");
  tcase_set_timeout(tc, 30);
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, one_answer_and_then_the_end);
  tcase_add_test(tc, live_source_waits_for_playing);
  tcase_add_test(tc, polls_for_what_is_new);
  tcase_add_test(tc, caps_come_from_the_bytes_the_type_or_the_user);
  tcase_add_test(tc, request_carries_its_fields);
  tcase_add_test(tc, redirects_are_followed_up_to_a_limit);
  tcase_add_test(tc, statuses_are_errors_with_their_code);
  tcase_add_test(tc, what_passes_is_tried_again);
  tcase_add_test(tc, broken_answer_is_an_error_in_the_end);
  tcase_add_test(tc, no_server_is_an_error);
  tcase_add_test(tc, timeout_ends_an_attempt);
  tcase_add_test(tc, too_long_an_answer_is_an_error);
  tcase_add_test(tc, long_answer_comes_in_blocks);
  tcase_add_test(tc, consumer_may_end_a_long_answer);
  tcase_add_test(tc, bad_address_is_a_bad_setting);
  tcase_add_test(tc, certificate_of_nobody_is_refused);
  tcase_add_test(tc, stop_ends_whatever_is_under_way);
  tcase_add_test(tc, many_wait_on_one_thread);
  tcase_add_test(tc, many_stop_in_the_middle);
  return suite;
}

GST_CHECK_MAIN(httpsrc)
