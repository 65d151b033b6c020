// SPDX-License-Identifier: LGPL-2.1-or-later
// The secrets of a description appear nowhere: in no description, plan, error, event, message,
// figure, drawing or log of ours, also where an element says them.
#include <vector>

#include <glib/gstdio.h>

#include "graph_rig.h"

using namespace fixture;

namespace {

// One in a property with a telling name, one in a URI, one inside of a launch line, one that
// follows.
constexpr const char *kToken = "tok3n-of-the-test";
constexpr const char *kPassword = "passw0rd-of-the-test";
constexpr const char *kKey = "k3y-of-the-test";
constexpr const char *kNextToken = "next-t0k3n-of-the-test";

constexpr const char *kGraph = R"({"nodes": {
    "src": {"type": "testspeaker", "restart": {"policy": "on-error", "attempts": 1},
            "config": {"token": "tok3n-of-the-test",
                       "location": "https://me:passw0rd-of-the-test@localhost/stream"}},
    "bin": {"type": {"bin": "testspeaker name=inner token=k3y-of-the-test ! identity"}},
    "out": {"type": "fakesink", "config": {"async": false}},
    "other": {"type": "fakesink", "config": {"async": false}}},
  "links": [{"from": "src", "to": "out"}, {"from": "bin", "to": "other"}]})";

// Everything that was seen, with where.
class Sightings {
public:
  void look(const char *where, const char *text)
  {
    if (text == nullptr)
      return;
    looked_at_++;
    for (const char *secret : {kToken, kPassword, kKey, kNextToken}) {
      if (strstr(text, secret) == nullptr)
        continue;
      const std::lock_guard lock(mutex_);
      seen_.push_back(std::string(where) + ": " + text);
    }
  }
  void check() const
  {
    const std::lock_guard lock(mutex_);
    fail_unless(looked_at_ > 0);
    for (const std::string &sight : seen_)
      g_printerr("%s\n", sight.c_str());
    fail_unless(seen_.empty());
  }
  int looked_at() const { return looked_at_; }

private:
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;
  std::atomic<int> looked_at_ = 0;
};

// A source that says its secrets wherever it can.
struct TestSpeaker {
  GstElement parent;
  char *token;
  char *location;
};
struct TestSpeakerClass {
  GstElementClass parent;
};
G_DEFINE_TYPE(TestSpeaker, test_speaker, GST_TYPE_ELEMENT)

TestSpeaker *speaker_of(gpointer object)
{
  return reinterpret_cast<TestSpeaker *>(object);
}

void test_speaker_set_property(GObject *object, guint id, const GValue *value, GParamSpec *)
{
  char **place = id == 1 ? &speaker_of(object)->token : &speaker_of(object)->location;
  g_free(*place);
  *place = g_value_dup_string(value);
}

void test_speaker_get_property(GObject *object, guint id, GValue *value, GParamSpec *)
{
  g_value_set_string(value, id == 1 ? speaker_of(object)->token : speaker_of(object)->location);
}

GstStateChangeReturn test_speaker_change_state(GstElement *element, GstStateChange transition)
{
  const TestSpeaker *self = speaker_of(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    GST_ELEMENT_WARNING(element, RESOURCE, FAILED, ("%s is refused", self->token),
                        ("at %s", self->location));
    GST_ELEMENT_INFO(element, RESOURCE, FAILED, ("another try of %s", self->location),
                     ("token %s", self->token));
  }
  return GST_ELEMENT_CLASS(test_speaker_parent_class)->change_state(element, transition);
}

void test_speaker_finalize(GObject *object)
{
  g_free(speaker_of(object)->token);
  g_free(speaker_of(object)->location);
  G_OBJECT_CLASS(test_speaker_parent_class)->finalize(object);
}

void test_speaker_class_init(TestSpeakerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = test_speaker_set_property;
  object_class->get_property = test_speaker_get_property;
  object_class->finalize = test_speaker_finalize;
  constexpr auto kFlags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                   GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property(object_class, 1,
                                  g_param_spec_string("token", "", "", nullptr, kFlags));
  g_object_class_install_property(object_class, 2,
                                  g_param_spec_string("location", "", "", nullptr, kFlags));
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = test_speaker_change_state;
  static GstStaticPadTemplate source =
      GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
  gst_element_class_add_static_pad_template(element_class, &source);
  gst_element_class_set_static_metadata(element_class, "Speaker", "Source", "For a test", "Test");
}

void test_speaker_init(TestSpeaker *self)
{
  gst_element_add_pad(
      GST_ELEMENT(self),
      gst_pad_new_from_template(gst_element_get_pad_template(GST_ELEMENT(self), "src"), "src"));
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SOURCE);
}

void register_speaker()
{
  gst_element_register(nullptr, "testspeaker", GST_RANK_NONE, test_speaker_get_type());
}

void see_log(GstDebugCategory *category, GstDebugLevel, const gchar *, const gchar *, gint,
             GObject *, GstDebugMessage *message, gpointer data)
{
  if (g_str_has_prefix(gst_debug_category_get_name(category), "sl"))
    static_cast<Sightings *>(data)->look("log", gst_debug_message_get(message));
}

GstBusSyncReply see_message(GstBus *, GstMessage *message, gpointer data)
{
  auto *sightings = static_cast<Sightings *>(data);
  GError *error = nullptr;
  gchar *debug = nullptr;
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR:
      gst_message_parse_error(message, &error, &debug);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning(message, &error, &debug);
      break;
    case GST_MESSAGE_INFO:
      gst_message_parse_info(message, &error, &debug);
      break;
    default:
      if (const GstStructure *structure = gst_message_get_structure(message))
        sightings->look("message", CStr(gst_structure_to_string(structure)).get());
      return GST_BUS_DROP;
  }
  sightings->look("message", error->message);
  sightings->look("message", debug);
  g_error_free(error);
  g_free(debug);
  return GST_BUS_DROP;
}

void see_failure(Sightings &sightings, GError *error)
{
  fail_unless(error != nullptr);
  sightings.look("error", error->message);
  g_clear_error(&error);
}

void see_graph(Sightings &sightings, const GraphRig &rig)
{
  sightings.look("describe", CStr(gst_sl_graph_describe(rig.graph())).get());
  sightings.look("stats", CStr(gst_sl_graph_get_stats(rig.graph())).get());
  gchar *description;
  g_object_get(rig.graph(), "description", &description, nullptr);
  sightings.look("property", CStr(description).get());
}

int see_drawings(Sightings &sightings, const char *directory)
{
  int number = 0;
  GDir *folder = g_dir_open(directory, 0, nullptr);
  while (const char *name = g_dir_read_name(folder)) {
    const CStr path(g_build_filename(directory, name, nullptr));
    gchar *text = nullptr;
    fail_unless(g_file_get_contents(path.get(), &text, nullptr, nullptr));
    fail_unless(strstr(text, "digraph") != nullptr);
    sightings.look("drawing", CStr(text).get());
    g_unlink(path.get());
    number++;
  }
  g_dir_close(folder);
  g_rmdir(directory);
  return number;
}

}  // namespace

GST_START_TEST(test_secrets_appear_nowhere)
{
  register_speaker();
  const CStr directory(g_dir_make_tmp("streamlib-XXXXXX", nullptr));
  g_setenv("GST_DEBUG_DUMP_DOT_DIR", directory.get(), TRUE);
  Sightings sightings;
  gst_debug_set_threshold_from_string("sl*:6", FALSE);
  gst_debug_set_active(TRUE);
  gst_debug_remove_log_function(gst_debug_log_default);
  gst_debug_add_log_function(see_log, &sightings, nullptr);
  {
    GraphRig rig;
    gst_bus_set_sync_handler(rig.bus(), see_message, &sightings, nullptr);
    sightings.look("plan", CStr(gst_sl_graph_plan(rig.graph(), kGraph, nullptr)).get());
    rig.apply(kGraph);
    see_graph(sightings, rig);
    rig.play();
    see_graph(sightings, rig);

    // A failure that the element tells in its own words.
    GError *error = nullptr;
    const CStr wrong(g_strdup_printf(
        R"({"nodes": {"src": {"type": "testspeaker", "config": {"token": "%s", "location": 5}}}})",
        kNextToken));
    fail_if(gst_sl_graph_apply(rig.graph(), wrong.get(), &error));
    see_failure(sightings, error);
    fail_unless(gst_sl_graph_configure(rig.graph(), "src", "token", kNextToken, nullptr));
    see_graph(sightings, rig);
    const auto source = rig.node("src");
    const int before = sightings.looked_at();
    GST_ELEMENT_ERROR(source.get(), RESOURCE, FAILED, ("%s is refused", kNextToken),
                      ("was %s at https://me:%s@localhost", kToken, kPassword));
    fail_unless(eventually([&] { return sightings.looked_at() > before + 2; }));
    // What became of it.
    fail_unless(eventually([&] {
      see_graph(sightings, rig);
      return number_at(at(at(rig.stats(), "nodes"), "src"), "restarts") > 0;
    }));
    rig.set_state(GST_STATE_NULL);
    see_graph(sightings, rig);
    gst_bus_set_sync_handler(rig.bus(), nullptr, nullptr, nullptr);
  }
  gst_debug_remove_log_function(see_log);
  fail_unless(see_drawings(sightings, directory.get()) >= 2);
  g_unsetenv("GST_DEBUG_DUMP_DOT_DIR");
  sightings.check();
}
GST_END_TEST

// What holds no secret comes as it was said.
GST_START_TEST(test_other_messages_stay)
{
  register_speaker();
  GraphRig rig(kGraph);
  const auto source = rig.node("src");
  GST_ELEMENT_WARNING(source.get(), RESOURCE, BUSY, ("nothing special"), ("at all"));
  const auto plain = adopt_mini(gst_bus_pop_filtered(rig.bus(), GST_MESSAGE_WARNING));
  fail_unless(plain && GST_MESSAGE_SRC(plain.get()) == GST_OBJECT(source.get()));
  expect_equal(text_of(plain.get()), "nothing special");
  GST_ELEMENT_WARNING(source.get(), RESOURCE, BUSY, ("%s is busy", kToken), ("at all"));
  const auto masked = adopt_mini(gst_bus_pop_filtered(rig.bus(), GST_MESSAGE_WARNING));
  fail_unless(masked && GST_MESSAGE_SRC(masked.get()) == GST_OBJECT(source.get()));
  expect_equal(text_of(masked.get()), "*** is busy");
}
GST_END_TEST

static Suite *secrets_suite()
{
  Suite *suite = suite_create("graph-secrets");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_secrets_appear_nowhere);
  tcase_add_test(tcase, test_other_messages_stay);
  return suite;
}

GST_CHECK_MAIN(secrets)
