// SPDX-License-Identifier: LGPL-2.1-or-later
// The statistics and properties of slwhipsink and slwhepsrc are what their pages say.
#include <set>

#include "ext/webrtc/gstslwhepsrc.h"
#include "whep_server.h"
#include "whep_viewer.h"
#include "whip_pipeline.h"

using namespace fixture;

namespace {

const std::map<MediaKind, std::string> kLines = {{MediaKind::Video, "identity"},
                                                 {MediaKind::Audio, "identity"}};

// All fields, also of structures inside; those of a link have a page of their own.
void collect(const GstStructure *structure, std::set<std::string> &names)
{
  for (int i = 0; i < gst_structure_n_fields(structure); i++) {
    const char *name = gst_structure_nth_field_name(structure, static_cast<guint>(i));
    names.insert(name);
    const GValue *value = gst_structure_get_value(structure, name);
    if (GST_VALUE_HOLDS_STRUCTURE(value) && !g_str_equal(name, "link"))
      collect(gst_value_get_structure(value), names);
    else if (GST_VALUE_HOLDS_LIST(value))
      for (guint j = 0; j < gst_value_list_get_size(value); j++)
        collect(gst_value_get_structure(gst_value_list_get_value(value, j)), names);
  }
}

StructurePtr stats_of(GstElement *element)
{
  GstStructure *stats = nullptr;
  g_object_get(element, "stats", &stats, nullptr);
  return StructurePtr(stats);
}

const GstStructure *part(const StructurePtr &stats, const char *name)
{
  const GValue *value = gst_structure_get_value(stats.get(), name);
  ck_assert_msg(value != nullptr, "no %s", name);
  return gst_value_get_structure(value);
}

std::string page(const std::string &name)
{
  gchar *raw = nullptr;
  ck_assert(g_file_get_contents((std::string(DOCS) + "/" + name).c_str(), &raw, nullptr, nullptr));
  const streamlib::support::CStr text(raw);
  return text.get();
}

guint64 number(const GstStructure *structure, const char *field)
{
  guint64 value = 0;
  ck_assert_msg(gst_structure_get_uint64(structure, field, &value), "no %s", field);
  return value;
}

}  // namespace

GST_START_TEST(fields_are_those_of_the_page)
{
  std::set<std::string> names;
  {
    WhipServer server;
    Publisher publisher(server, "", to("video_0", kVideo) + to("audio_0", kAudio));
    collect(publisher.stats().get(), names);
    publisher.play();
    check_flows(publisher, server, MediaKind::Video, 10);
    // Until the peer has reported.
    ck_assert(eventually(
        [&] { return publisher.stats_text().find("remote-lost") != std::string::npos; }));
    collect(publisher.stats().get(), names);
  }
  WhepServer server;
  Viewer viewer(server.endpoint(), kLines);
  viewer.play();
  ck_assert(eventually([&] { return viewer.count(MediaKind::Video) > 10; }));
  collect(stats_of(viewer.src()).get(), names);

  const std::string text = page("webrtc-stats.md");
  for (const std::string &name : names)
    ck_assert_msg(text.find("`" + name + "`") != std::string::npos, "%s is not on the page",
                  name.c_str());
  // And the other way round: what begins a row of a table is there.
  for (size_t at = text.find("\n| `"); at != std::string::npos; at = text.find("\n| `", at + 1)) {
    const std::string cell = text.substr(at + 3, text.find(" |", at + 3) - at - 3);
    for (size_t open = cell.find('`'); open != std::string::npos;) {
      const size_t close = cell.find('`', open + 1);
      const std::string name = cell.substr(open + 1, close - open - 1);
      ck_assert_msg(names.count(name) == 1, "there is no %s", name.c_str());
      open = cell.find('`', close + 1);
    }
  }
}
GST_END_TEST

// Both ends count the same packets, as far as they are through already.
GST_START_TEST(figures_are_those_of_the_stream)
{
  WhipServer server({.codecs = {"VP8", "opus"}});
  Publisher publisher(server, "", to("video_0", kVideo) + to("audio_0", kAudio));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 60);
  const guint64 came = server.packets();
  const StructurePtr stats = publisher.stats();
  const GstStructure *transport = part(stats, "transport");
  const guint64 sent = number(transport, "packets-sent");
  ck_assert_uint_ge(sent, came);
  ck_assert_uint_le(sent, came + 100);
  // 64 kbit/s of sound alone are 16 kB in two seconds.
  ck_assert_uint_ge(number(transport, "bytes-sent"), 16000);
  gint64 connect_time = 0;
  ck_assert(gst_structure_get_int64(transport, "connect-time", &connect_time));
  ck_assert(connect_time > 0 && connect_time < 10 * G_GINT64_CONSTANT(1000000000));
  const char *local = gst_structure_get_string(transport, "local-address");
  ck_assert_msg(g_str_has_prefix(local, "host 127.0.0.1 "), "%s", local);
  const GstStructure *session = part(stats, "session");
  const GstStructure *input =
      gst_value_get_structure(gst_structure_get_value(session, "video-input"));
  // The last one may be at the server already, and still be under way here.
  ck_assert_uint_ge(number(input, "passed"), 59);
  ck_assert_uint_le(number(input, "passed"), server.buffers(MediaKind::Video) + 30);
  ck_assert_uint_eq(stat(publisher, "connections"), 1);
}
GST_END_TEST

// Whoever reads gst-inspect-1.0 has to know what a number is of, and when it may be set; what it
// does is on the page.
GST_START_TEST(properties_are_those_of_the_page)
{
  for (const char *name : {"slwhipsink", "slwhepsrc"}) {
    const std::string text = page(std::string("elements/") + name + ".md");
    const auto element = streamlib::support::sink_object(gst_element_factory_make(name, nullptr));
    ck_assert(element);
    guint count = 0;
    GParamSpec **specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element.get()), &count);
    for (guint i = 0; i < count; i++) {
      const GParamSpec *spec = specs[i];
      if (spec->owner_type != G_OBJECT_TYPE(element.get()))
        continue;
      const std::string property = spec->name;
      const std::string blurb = g_param_spec_get_blurb(specs[i]);
      ck_assert_msg(text.find("`" + property) != std::string::npos, "%s: %s is not on the page",
                    name, spec->name);
      ck_assert_msg(g_ascii_isupper(blurb[0]), "%s", blurb.c_str());
      // It is a whole where the name of the property does not stand before it.
      for (const char *word : {"Of ", "For ", "Before ", "After "})
        ck_assert_msg(!blurb.starts_with(word), "%s", blurb.c_str());
      if (G_IS_PARAM_SPEC_STRING(spec))
        ck_assert_msg(blurb.find("default") != std::string::npos ||
                          blurb.find("to be set") != std::string::npos || property == "turn-server",
                      "%s: what is it when it is not set: %s", name, blurb.c_str());
      if (G_IS_PARAM_SPEC_UINT(spec) && property != "reconnect-attempts")
        ck_assert_msg(
            blurb.find("seconds") != std::string::npos || blurb.find("bit/s") != std::string::npos,
            "%s: %s has no unit: %s", name, spec->name, blurb.c_str());
      const bool is_rate = property.ends_with("-bitrate");
      const bool is_read_only = (spec->flags & G_PARAM_WRITABLE) == 0;
      ck_assert_int_eq((spec->flags & GST_PARAM_MUTABLE_PLAYING) != 0, is_rate);
      ck_assert_int_eq((spec->flags & GST_PARAM_MUTABLE_READY) != 0, !is_rate && !is_read_only);
    }
    g_free(specs);
    const char *klass = gst_element_class_get_metadata(GST_ELEMENT_GET_CLASS(element.get()),
                                                       GST_ELEMENT_METADATA_KLASS);
    ck_assert_msg(g_str_has_suffix(klass, "/Network/WebRTC"), "%s", klass);
  }
}
GST_END_TEST

static Suite *webrtc_stats_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  GST_ELEMENT_REGISTER(slwhepsrc, nullptr);
  Suite *suite = suite_create("webrtc-stats");
  TCase *tc = tcase_create("stats");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, fields_are_those_of_the_page);
  tcase_add_test(tc, figures_are_those_of_the_stream);
  tcase_add_test(tc, properties_are_those_of_the_page);
  suite_add_tcase(suite, tc);
  return suite;
}

GST_CHECK_MAIN(webrtc_stats)
