// SPDX-License-Identifier: LGPL-2.1-or-later
// A program that runs beside the test, with the plug-ins of the build.
#pragma once

#include <csignal>
#include <string>
#include <vector>

#include <sys/wait.h>

#include <gst/check/gstcheck.h>
#undef fail

#include "patience.h"

namespace fixture {

// What it writes is that of the test.
class Program {
public:
  explicit Program(std::vector<std::string> arguments, const std::string &folder = "")
  {
    gchar **environment = g_get_environ();
    environment =
        g_environ_setenv(environment, "GST_PLUGIN_PATH_1_0", g_getenv("LAUNCH_PLUGIN_PATH"), TRUE);
    environment =
        g_environ_setenv(environment, "GST_REGISTRY_1_0", g_getenv("LAUNCH_REGISTRY"), TRUE);
    std::vector<gchar *> argv;
    for (std::string &argument : arguments)
      argv.push_back(argument.data());
    argv.push_back(nullptr);
    GError *error = nullptr;
    const bool is_started =
        g_spawn_async(folder.empty() ? nullptr : folder.c_str(), argv.data(), environment,
                      static_cast<GSpawnFlags>(G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                                               G_SPAWN_STDOUT_TO_DEV_NULL),
                      nullptr, nullptr, &pid_, &error) != FALSE;
    ck_assert_msg(is_started, "%s", error != nullptr ? error->message : "");
    g_strfreev(environment);
  }
  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;
  ~Program()
  {
    if (pid_ != 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  bool is_running()
  {
    int status = 0;
    if (pid_ != 0 && waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = 0;
      ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
    }
    return pid_ != 0;
  }

  // As Ctrl-C does. How long it took, in milliseconds.
  int interrupt()
  {
    const gint64 begin = g_get_monotonic_time();
    kill(pid_, SIGINT);
    int status = 0;
    ck_assert(eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }));
    pid_ = 0;
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
    return static_cast<int>((g_get_monotonic_time() - begin) / 1000);
  }

private:
  GPid pid_ = 0;
};

}  // namespace fixture
