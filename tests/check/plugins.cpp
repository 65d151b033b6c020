// SPDX-License-Identifier: LGPL-2.1-or-later
// That GStreamer can load each plugin that the tests see, ours and the system's.
//
// usage: test-plugins OWN-PLUGIN...
//
// It runs before the other tests and alone: what it finds is in the registry for all of them, and
// none of them scans plugins. (That many plugins at once make GLib replace its table of quarks; the
// old one stays, which LeakSanitizer would report in whatever test comes first.)
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

#include <gst/gst.h>

namespace {

namespace fs = std::filesystem;

std::set<std::string> plugin_files(int argc, char **argv)
{
  std::set<std::string> files(argv + 1, argv + argc);
  if (const char *folder = std::getenv("GST_PLUGIN_SYSTEM_PATH_1_0")) {
    for (const fs::directory_entry &entry : fs::directory_iterator(folder))
      files.insert(entry.path().string());
  }
  return files;
}

// What is wrong with the plugin in a file, or null.
const char *fault_of(const std::string &file)
{
  GError *error = nullptr;
  GstPlugin *plugin = gst_plugin_load_file(file.c_str(), &error);
  if (!plugin) {
    static std::string text;
    text = error->message;
    g_clear_error(&error);
    return text.c_str();
  }
  GstPlugin *registered =
      gst_registry_lookup(gst_registry_get(), fs::path(file).filename().c_str());
  const bool is_listed =
      registered && !GST_OBJECT_FLAG_IS_SET(registered, GST_PLUGIN_FLAG_BLACKLISTED);
  gst_clear_object(&registered);
  gst_object_unref(plugin);
  return is_listed ? nullptr
                   : "it loads, but the registry has it not, or as one that does not load";
}

}  // namespace

int main(int argc, char **argv)
{
  const std::set<std::string> files = plugin_files(argc, argv);
  gst_init(nullptr, nullptr);
  int faults = 0;
  for (const std::string &file : files) {
    if (const char *fault = fault_of(file)) {
      std::fprintf(stderr, "%s: %s\n", file.c_str(), fault);
      faults++;
    }
  }
  std::printf("%zu plugins, %d faults\n", files.size(), faults);
  gst_deinit();
  return faults == 0 && !files.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}
