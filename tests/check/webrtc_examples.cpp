// SPDX-License-Identifier: LGPL-2.1-or-later
// The commands of docs/webrtc-examples.md, as they stand there, with servers of the test.
#include <algorithm>
#include <fstream>
#include <sstream>

#include "program.h"
#include "text_file.h"
#include "turn_server.h"
#include "whep_server.h"
#include "whip_server.h"

using namespace fixture;
using streamlib::webrtc::MediaKind;

namespace {

constexpr char kFilm[] =
    "gst-launch-1.0 -q videotestsrc num-buffers=300 ! "
    "video/x-raw,width=160,height=120,framerate=30/1 ! x264enc tune=zerolatency ! "
    "video/x-h264,profile=constrained-baseline ! queue ! mp4mux name=mux ! "
    "filesink location=film.mp4 audiotestsrc num-buffers=430 ! avenc_aac ! queue ! mux.";

// Each command of the page in one line.
std::vector<std::string> commands()
{
  std::ifstream file(DOCS "/webrtc-examples.md");
  std::vector<std::string> all;
  bool is_code = false;
  std::string command;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```")) {
      is_code = line == "```" && !is_code;
      continue;
    }
    if (!is_code)
      continue;
    command += line;
    if (command.ends_with("\\")) {
      command.pop_back();
      continue;
    }
    all.push_back(std::move(command));
    command.clear();
  }
  return all;
}

std::string replaced(std::string text, const std::string &what, const std::string &by)
{
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

std::vector<std::string> words(const std::string &command)
{
  gchar **argv = nullptr;
  ck_assert_msg(g_shell_parse_argv(command.c_str(), nullptr, &argv, nullptr), "%s",
                command.c_str());
  std::vector<std::string> all;
  for (gchar **word = argv; *word != nullptr; word++)
    all.emplace_back(*word);
  g_strfreev(argv);
  return all;
}

// What it takes from outside is the test's.
std::string adapted(std::string command, const std::string &whip, const std::string &whep,
                    const std::string &turn)
{
  command = replaced(std::move(command), "http://localhost:8889/live/whip", whip);
  command = replaced(std::move(command), "http://localhost:8889/live/whep", whep);
  command = replaced(std::move(command), "turn.example.org:3478", turn);
  command = replaced(std::move(command), "autovideosink", "fakesink");
  command = replaced(std::move(command), "autoaudiosink", "fakesink");
  return replaced(std::move(command), "v4l2src ! video/x-h264,width=1280,height=720,framerate=30/1",
                  "videotestsrc is-live=true ! x264enc tune=zerolatency ! "
                  "video/x-h264,profile=constrained-baseline");
}

class Folder {
public:
  Folder() : name_(g_dir_make_tmp("streamlib-XXXXXX", nullptr)) {}
  Folder(const Folder &) = delete;
  Folder &operator=(const Folder &) = delete;
  ~Folder()
  {
    for (const char *file : {"film.mp4", "room.mkv"})
      g_unlink((name() + "/" + file).c_str());
    g_rmdir(name_.get());
  }
  std::string name() const { return name_.get(); }

private:
  streamlib::support::CStr name_;
};

}  // namespace

GST_START_TEST(commands_of_the_page_run)
{
  const Folder folder;
  {
    Program film(words(kFilm), folder.name());
    ck_assert(eventually([&] { return !film.is_running(); }, 20000));
  }
  const TurnServer turn;
  const std::string turn_address = turn.address + ":" + std::to_string(turn.port);
  int count = 0;
  for (const std::string &written : commands()) {
    if (!written.starts_with("gst-launch-1.0 "))
      continue;
    WhipServer whip;
    WhepServer whep;
    const std::string command = adapted(written, whip.endpoint(), whep.endpoint(), turn_address);
    const bool publishes = command.find("slwhipsink") != std::string::npos;
    const bool has_sound = command.find("audio") != std::string::npos || !publishes;
    Program program(words(command), folder.name());
    const bool flows = eventually(
        [&] {
          return publishes ? whip.buffers(MediaKind::Video) > 5 &&
                                 (!has_sound || whip.buffers(MediaKind::Audio) > 5)
                           : whep.sessions() == 1;
        },
        20000);
    ck_assert_msg(flows, "%s", command.c_str());
    if (!publishes)
      sleep_ms(500);
    program.interrupt();
    ck_assert_msg((publishes ? whip.deletes : whep.deletes) == 1, "%s", command.c_str());
    count++;
  }
  ck_assert_int_ge(count, 10);
}
GST_END_TEST

static Suite *webrtc_examples_suite()
{
  Suite *suite = suite_create("webrtc-examples");
  TCase *tc = tcase_create("examples");
  tcase_set_timeout(tc, 120);
  tcase_add_test(tc, commands_of_the_page_run);
  suite_add_tcase(suite, tc);
  return suite;
}

int main(int argc, char **argv)
{
  if (!TurnServer::is_installed()) {
    g_print("skipped: coturn is not installed\n");
    return 77;
  }
  gst_check_init(&argc, &argv);
  return gst_check_run_suite(webrtc_examples_suite(), "webrtc_examples", __FILE__);
}
