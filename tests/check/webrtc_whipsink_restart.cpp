// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and a peer that is silent for longer than its consent lasts.
#include <algorithm>

#include "whip_pipeline.h"

using namespace fixture;

namespace {

// SSRCs of what is sent.
std::vector<guint> ssrcs(const Publisher &publisher)
{
  const StructurePtr stats = publisher.stats();
  const GstStructure *session =
      gst_value_get_structure(gst_structure_get_value(stats.get(), "session"));
  const GValue *list = gst_structure_get_value(session, "ssrcs");
  std::vector<guint> found;
  for (guint i = 0; list != nullptr && i < gst_value_list_get_size(list); i++) {
    const GstStructure *entry = gst_value_get_structure(gst_value_list_get_value(list, i));
    gboolean is_local = FALSE;
    gboolean is_sender = FALSE;
    guint ssrc = 0;
    gst_structure_get_boolean(entry, "local", &is_local);
    gst_structure_get_boolean(entry, "is-sender", &is_sender);
    gst_structure_get_uint(entry, "ssrc", &ssrc);
    if (is_local != FALSE && is_sender != FALSE)
      found.push_back(ssrc);
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

// The peer is silent for a while: the same session goes on after an ICE restart.
GST_START_TEST(silent_peer_comes_back_by_an_ice_restart)
{
  WhipServer server;
  Publisher publisher(server, "", to("video_0", kVideo));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 10);
  const std::vector<guint> before = ssrcs(publisher);
  server.freeze(12000);
  const bool restarted = eventually([&] { return stat(publisher, "restarts") == 1; }, 15000);
  ck_assert_msg(restarted, "%s", publisher.stats_text().c_str());
  const size_t count = server.buffers_of_last(MediaKind::Video);
  check_flows(publisher, server, MediaKind::Video, count + 20);
  ck_assert_uint_eq(server.restarts(), 1);
  ck_assert_int_eq(server.posts, 1);
  const std::vector<guint> after = ssrcs(publisher);
  ck_assert(!before.empty());
  ck_assert_msg(std::includes(after.begin(), after.end(), before.begin(), before.end()), "%s",
                publisher.stats_text().c_str());
  ck_assert(publisher.state() == "connected");
}
GST_END_TEST

static Suite *webrtc_whipsink_restart_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-whipsink-restart");
  TCase *cases = tcase_create("restart");
  tcase_set_timeout(cases, 60);
  tcase_add_test(cases, silent_peer_comes_back_by_an_ice_restart);
  suite_add_tcase(suite, cases);
  return suite;
}

GST_CHECK_MAIN(webrtc_whipsink_restart)
