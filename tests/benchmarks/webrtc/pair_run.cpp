// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pair_run.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include <unistd.h>

#include <gio/gio.h>

#include "board.h"
#include "gst/support/ownership.h"
#include "material.h"

namespace streamlib::bench {

using support::adopt_object;
using support::ErrorPtr;
using support::Failure;
using support::GObjectPtr;

namespace {

GObjectPtr<GSubprocess> start_again(const std::vector<std::string> &arguments, bool has_input)
{
  const std::string program = "/proc/" + std::to_string(getpid()) + "/exe";
  std::vector<const char *> argv = {program.c_str()};
  for (const std::string &argument : arguments)
    argv.push_back(argument.c_str());
  argv.push_back(nullptr);
  const int flags =
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | (has_input ? int{G_SUBPROCESS_FLAGS_STDIN_PIPE} : 0);
  return adopt_object(
      g_subprocess_newv(argv.data(), static_cast<GSubprocessFlags>(flags), nullptr));
}

// The far end, until it is dropped.
class FarEnd {
public:
  FarEnd(const std::string &board, const std::string &material)
      : process_(start_again({"--far", board, material}, true))
  {
    if (!process_)
      return;
    const auto lines =
        adopt_object(g_data_input_stream_new(g_subprocess_get_stdout_pipe(process_.get())));
    const support::CStr line(g_data_input_stream_read_line(lines.get(), nullptr, nullptr, nullptr));
    if (line && sscanf(line.get(), "port %d", &port_) != 1)
      port_ = 0;
  }
  FarEnd(const FarEnd &) = delete;
  FarEnd &operator=(const FarEnd &) = delete;
  ~FarEnd()
  {
    if (!process_)
      return;
    g_subprocess_force_exit(process_.get());
    g_subprocess_wait(process_.get(), nullptr, nullptr);
  }
  int port() const { return port_; }

private:
  GObjectPtr<GSubprocess> process_;
  int port_ = 0;
};

}  // namespace

PairRuns::~PairRuns()
{
  for (const std::string &file : {board_, material_})
    if (!file.empty())
      unlink(file.c_str());
}

support::Status PairRuns::prepare()
{
  board_ = Board::make_file();
  if (board_.empty())
    return Failure{0, "There is no place for files in /tmp.", ""};
  material_ = board_ + "-media";
  return Material::encode_to(material_);
}

support::Result<Figures> PairRuns::run(const PairPlan &plan) const
{
  const FarEnd far(board_, material_);
  if (far.port() == 0)
    return Failure{0, "the far end does not start", ""};
  const auto process =
      start_again({"--near", board_, material_, "http://127.0.0.1:" + std::to_string(far.port()),
                   plan.run, plan.direction, plan.subject, std::to_string(plan.count),
                   std::to_string(plan.seconds), std::to_string(plan.latency_ms)},
                  false);
  if (!process)
    return Failure{0, "no process can be started", ""};
  gchar *output = nullptr;
  g_subprocess_communicate_utf8(process.get(), nullptr, nullptr, &output, nullptr, nullptr);
  const support::CStr text(output);
  if (!g_subprocess_get_if_exited(process.get()))
    return Failure{
        0,
        g_subprocess_get_term_sig(process.get()) == SIGALRM
            ? "it hangs, or the machine is too slow for it"
            : "it crashed by signal " + std::to_string(g_subprocess_get_term_sig(process.get())),
        plan.subject};
  if (g_subprocess_get_exit_status(process.get()) != 0)
    return Failure{0, "it could not be measured; its message is above", plan.subject};
  Figures figures;
  std::istringstream lines(text ? text.get() : "");
  std::string name;
  for (double value; lines >> name >> value;)
    figures[name] = value;
  return figures;
}

}  // namespace streamlib::bench
