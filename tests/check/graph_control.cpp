// SPDX-License-Identifier: LGPL-2.1-or-later
// The socket on which a graph answers: who may ask, what, and what of those who ask wrongly.
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "graph_rig.h"

using namespace fixture;

namespace {

constexpr const char *kLive = R"({"nodes": {
    "src": {"type": "videotestsrc", "config": {"is-live": true}},
    "out": {"type": "fakesink"}},
  "links": [{"from": "src", "to": "out"}]})";

// A folder of the test's own, and a path in it.
class Place {
public:
  Place()
      : folder_(g_dir_make_tmp("streamlib-XXXXXX", nullptr)),
        path_(std::string(folder_.get()) + "/socket")
  {}
  ~Place()
  {
    g_unlink(path_.c_str());
    g_rmdir(folder_.get());
  }
  const char *path() const { return path_.c_str(); }
  bool is_there() const { return g_file_test(path(), G_FILE_TEST_EXISTS); }

private:
  CStr folder_;
  std::string path_;
};

class Client {
public:
  explicit Client(const Place &place) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
  {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    g_strlcpy(address.sun_path, place.path(), sizeof(address.sun_path));
    is_connected_ =
        connect(fd_, reinterpret_cast<const sockaddr *>(&address), sizeof(address)) == 0;
    const timeval limit = {limit_ms(10000) / 1000, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  Client(const Client &) = delete;
  Client &operator=(const Client &) = delete;
  ~Client() { close(fd_); }

  bool is_connected() const { return is_connected_; }
  bool send_text(const std::string &text) const
  {
    return send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  // One line; "" at the end of the connection, or when nothing comes in time.
  std::string line()
  {
    while (rest_.find('\n') == std::string::npos) {
      char part[4096];
      const ssize_t size = recv(fd_, part, sizeof(part), 0);
      if (size <= 0)
        return {};
      rest_.append(part, static_cast<size_t>(size));
    }
    const size_t end = rest_.find('\n');
    std::string result = rest_.substr(0, end);
    rest_.erase(0, end + 1);
    return result;
  }
  Json ask(const std::string &request)
  {
    fail_unless(send_text(request + "\n"));
    const std::string text = line();
    auto json = streamlib::graph::parse_json(text);
    fail_unless(json.ok(), "%s: '%s'", request.c_str(), text.c_str());
    return *json;
  }
  bool is_ended()
  {
    char byte;
    return recv(fd_, &byte, 1, 0) == 0;
  }
  int fd() const { return fd_; }

private:
  const int fd_;
  bool is_connected_ = false;
  std::string rest_;
};

void open_at(const GraphRig &rig, const Place &place)
{
  g_object_set(rig.graph(), "control-socket", place.path(), nullptr);
}

std::string warning_of(const GraphRig &rig)
{
  const auto message = adopt_mini(gst_bus_pop_filtered(rig.bus(), GST_MESSAGE_WARNING));
  return message ? text_of(message.get()) : "";
}

}  // namespace

GST_START_TEST(test_answers)
{
  Place place;
  GraphRig rig(kLive);
  open_at(rig, place);
  fail_if(place.is_there());
  rig.play();
  struct stat file;
  fail_unless_equals_int(stat(place.path(), &file), 0);
  fail_unless_equals_int(file.st_mode & 0777, 0600);
  Client client(place);
  fail_unless(client.is_connected());
  const Json stats = client.ask(R"({"request": "stats"})");
  fail_unless(at(at(stats, "stats"), "nodes").find("src") != nullptr);
  const Json description = client.ask(R"({"request": "describe", "more": [1, 2]})");
  fail_unless_equals_int(number_at(at(description, "describe"), "revision"), 1);
  // Several at once, and one in parts.
  fail_unless(client.send_text("{\"request\": \"stats\"}\n{\"request\": \"describe\"}\n{\"requ"));
  fail_if(client.line().find("{\"stats\":") != 0);
  fail_if(client.line().find("{\"describe\":") != 0);
  fail_unless(client.send_text("est\": \"stats\"}\n"));
  fail_if(client.line().find("{\"stats\":") != 0);
  rig.set_state(GST_STATE_NULL);
  fail_unless(client.is_ended());
  fail_if(place.is_there());
  // Again.
  rig.play();
  fail_unless(Client(place).is_connected());
}
GST_END_TEST

GST_START_TEST(test_wrong_requests)
{
  Place place;
  GraphRig rig(kLive);
  open_at(rig, place);
  rig.play();
  Client client(place);
  for (const char *wrong :
       {"", "stats", "[]", "{}", "{\"request\": 5}", "{\"request\": \"apply\"}",
        "{\"request\": \"stats\"", "\xff\xfe\x01", "{\"request\": \"stats\", \"request\": 1}"}) {
    const Json answer = client.ask(wrong);
    fail_unless(text_at(answer, "error").find("a request is") == 0, "%s", wrong);
  }
  fail_unless(client.ask("{\"request\": \"stats\"}").find("stats") != nullptr);
  // One that has no end.
  fail_unless(client.send_text(std::string(5000, 'x')));
  fail_unless(client.line().find("4096 bytes at most") != std::string::npos);
  fail_unless(client.is_ended());
  // Deep and wild ones.
  Client other(place);
  fail_unless(other.ask(std::string(4000, '[')).find("error") != nullptr);
  guint32 seed = 4711;
  for (int i = 0; i < 200; i++) {
    std::string noise;
    for (int n = 0; n < 100; n++) {
      seed = seed * 1664525 + 1013904223;
      const char byte = static_cast<char>(seed >> 24);
      noise += byte == '\n' ? ' ' : byte;
    }
    fail_unless(other.ask(noise).find("error") != nullptr);
  }
}
GST_END_TEST

// Whoever asks and does not read, or takes a place and says nothing, keeps nobody from asking.
GST_START_TEST(test_bad_company)
{
  Place place;
  GraphRig rig(kLive);
  open_at(rig, place);
  rig.play();
  Client greedy(place);
  std::string requests;
  for (int i = 0; i < 100; i++)
    requests += "{\"request\": \"stats\"}\n";
  // As much as fits on the way.
  for (int i = 0; i < 1000; i++) {
    if (send(greedy.fd(), requests.data(), requests.size(), MSG_NOSIGNAL | MSG_DONTWAIT) <= 0)
      break;
  }
  Client silent(place);
  fail_unless(silent.send_text("{\"req"));
  for (int i = 0; i < 20; i++) {
    Client client(place);
    const int64_t began = g_get_monotonic_time();
    fail_unless(client.ask("{\"request\": \"stats\"}").find("stats") != nullptr);
    fail_unless(g_get_monotonic_time() - began < limit_ms(1000) * G_TIME_SPAN_MILLISECOND);
  }
  // All places taken: those who come later wait, and are served when one is free.
  std::vector<std::unique_ptr<Client>> crowd;
  for (int i = 0; i < 8; i++)
    crowd.push_back(std::make_unique<Client>(place));
  Client late(place);
  fail_unless(late.send_text("{\"request\": \"stats\"}\n"));
  sleep_ms(100);
  crowd.clear();
  fail_unless(late.line().find("{\"stats\":") == 0);
  // And when they stay, they lose their places to those who ask.
  for (int i = 0; i < 8; i++)
    crowd.push_back(std::make_unique<Client>(place));
  Client patient(place);
  fail_unless(patient.send_text("{\"request\": \"stats\"}\n"));
  fail_unless(patient.line().find("{\"stats\":") == 0);
  // The one that does not read is given up in the end, and a stop waits for nobody.
  const int64_t began = g_get_monotonic_time();
  rig.set_state(GST_STATE_NULL);
  fail_unless(g_get_monotonic_time() - began < limit_ms(2000) * G_TIME_SPAN_MILLISECOND);
}
GST_END_TEST

GST_START_TEST(test_taken_paths)
{
  Place place;
  GraphRig rig(kLive);
  open_at(rig, place);
  rig.play();
  {
    // One that serves already.
    GraphRig second(kLive);
    open_at(second, place);
    second.play();
    fail_unless(warning_of(second).find("another graph serves it") != std::string::npos);
  }
  fail_unless(Client(place).is_connected());
  rig.set_state(GST_STATE_NULL);

  // Another file stays what it is.
  fail_unless(g_file_set_contents(place.path(), "precious", -1, nullptr));
  rig.play();
  fail_unless(warning_of(rig).find("another file") != std::string::npos);
  rig.set_state(GST_STATE_NULL);
  fail_unless(place.is_there());
  g_unlink(place.path());

  // What a crash has left is replaced.
  const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  g_strlcpy(address.sun_path, place.path(), sizeof(address.sun_path));
  fail_unless_equals_int(bind(dead, reinterpret_cast<const sockaddr *>(&address), sizeof(address)),
                         0);
  close(dead);
  fail_unless(place.is_there());
  rig.play();
  fail_unless(Client(place).is_connected());

  // A path that is too long, and one that is not there.
  g_object_set(rig.graph(), "control-socket", std::string(200, 'x').c_str(), nullptr);
  fail_unless(warning_of(rig).find("choose a shorter one") != std::string::npos);
  fail_if(place.is_there());
  g_object_set(rig.graph(), "control-socket", "/nowhere/at/all", nullptr);
  fail_unless(warning_of(rig).find("No such file") != std::string::npos);
  // Set while the graph runs it is opened at once.
  open_at(rig, place);
  fail_unless(Client(place).is_connected());
  g_object_set(rig.graph(), "control-socket", nullptr, nullptr);
  fail_if(place.is_there());
}
GST_END_TEST

// While the graph starts and stops, and when it goes.
GST_START_TEST(test_asked_all_the_time)
{
  Place place;
  auto rig = std::make_unique<GraphRig>(kLive);
  open_at(*rig, place);
  std::atomic<bool> ends = false;
  std::atomic<int> answers = 0;
  std::vector<std::thread> askers;
  for (int i = 0; i < 3; i++)
    askers.emplace_back([&] {
      while (!ends.load()) {
        Client client(place);
        while (client.is_connected() && client.send_text("{\"request\": \"stats\"}\n") &&
               !client.line().empty())
          answers++;
        g_usleep(1000);
      }
    });
  for (int i = 0; i < 10; i++) {
    const int before = answers.load();
    rig->play();
    fail_unless(eventually([&] { return answers.load() > before + 5; }));
    rig->set_state(i % 2 == 0 ? GST_STATE_NULL : GST_STATE_READY);
  }
  rig->play();
  rig.reset();
  ends.store(true);
  for (std::thread &asker : askers)
    asker.join();
  fail_if(place.is_there());
}
GST_END_TEST

static Suite *control_suite()
{
  Suite *suite = suite_create("graph-control");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_answers);
  tcase_add_test(tcase, test_wrong_requests);
  tcase_add_test(tcase, test_bad_company);
  tcase_add_test(tcase, test_taken_paths);
  tcase_add_test(tcase, test_asked_all_the_time);
  return suite;
}

GST_CHECK_MAIN(control)
