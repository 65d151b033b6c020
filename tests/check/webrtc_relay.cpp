// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and slwhepsrc through TURN servers: coturn, one that refuses, one that is not there.
#include <cstring>

#include "turn_server.h"
#include "whep_server.h"
#include "whep_viewer.h"
#include "whip_pipeline.h"

using namespace fixture;

namespace {

// One for all tests: it takes a second to come up. Bare, because the process of each test would end
// what a static object holds.
TurnServer *turn = nullptr;

constexpr char kRelay[] = " ice-transport-policy=relay reconnect=never ";

// As the property has it.
std::string with_user(const char *transport, const char *password = TurnServer::kPassword)
{
  return "turn://" + std::string(TurnServer::kUser) + ":" + password +
         "@127.0.0.1:" + std::to_string(turn->port) + "?transport=" + transport;
}

std::string link_to(const char *password = TurnServer::kPassword)
{
  return "<" + turn->uri() + R"(>; rel="ice-server"; username=")" + TurnServer::kUser +
         R"("; credential=")" + password + R"("; credential-type="password")";
}

std::string local_address(GstElement *element)
{
  GstStructure *raw = nullptr;
  g_object_get(element, "stats", &raw, nullptr);
  const StructurePtr stats(raw);
  const GValue *transport = gst_structure_get_value(stats.get(), "transport");
  const char *address =
      transport != nullptr
          ? gst_structure_get_string(gst_value_get_structure(transport), "local-address")
          : nullptr;
  return address != nullptr ? address : "";
}

void check_relayed(GstElement *element)
{
  const std::string address = local_address(element);
  ck_assert_msg(address.starts_with("relay "), "%s", address.c_str());
}

void check_names(const std::string &text, const std::string &server)
{
  ck_assert_msg(text.find(server) != std::string::npos, "no %s: %s", server.c_str(), text.c_str());
  ck_assert_msg(text.find("password") != std::string::npos, "%s", text.c_str());
  ck_assert_msg(text.find(TurnServer::kPassword) == std::string::npos &&
                    text.find("wrong-word") == std::string::npos,
                "%s", text.c_str());
}

void set(Viewer &viewer, const char *property, const std::string &value)
{
  gst_util_set_object_arg(G_OBJECT(viewer.src()), property, value.c_str());
}

void set_relay(Viewer &viewer)
{
  set(viewer, "ice-transport-policy", "relay");
  set(viewer, "reconnect", "never");
}

FarPlan near_plan()
{
  FarPlan plan;
  plan.local_addresses = {"127.0.0.1"};
  return plan;
}

const std::map<MediaKind, std::string> kLines = {{MediaKind::Video, "identity"},
                                                 {MediaKind::Audio, "identity"}};

bool flows(Viewer &viewer)
{
  return eventually(
      [&] { return viewer.count(MediaKind::Video) > 10 && viewer.count(MediaKind::Audio) > 20; });
}

}  // namespace

// Several servers: one that is there is enough.
GST_START_TEST(publishes_through_a_relay)
{
  WhipServer server;
  Publisher publisher(server,
                      kRelay + ("turn-server=\"turn://u:p@127.0.0.1:9," + with_user("udp") + "\""),
                      to("video_0", kVideo) + to("audio_0", kAudio));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 10);
  check_flows(publisher, server, MediaKind::Audio, 20);
  check_relayed(publisher.sink());
  const std::string offer = server.last_offer();
  ck_assert_ptr_ne(strstr(offer.c_str(), "typ relay"), nullptr);
  ck_assert_ptr_eq(strstr(offer.c_str(), "typ host"), nullptr);
  ck_assert_int_le(publisher.stop(), limit_ms(2000));
  ck_assert_int_eq(server.deletes, 1);
}
GST_END_TEST

GST_START_TEST(plays_through_a_relay)
{
  WhepServer server(near_plan());
  Viewer viewer(server.endpoint(), kLines);
  set_relay(viewer);
  set(viewer, "turn-server", with_user("tcp"));
  viewer.play();
  const bool flowed = flows(viewer);
  ck_assert_msg(flowed, "%s", viewer.stats_text().c_str());
  check_relayed(viewer.src());
}
GST_END_TEST

// Nothing was asked of the server that the media was for.
GST_START_TEST(wrong_password_is_an_error_that_names_the_server)
{
  const std::string wrong = with_user("udp", "wrong-word");
  const gint64 begin = g_get_monotonic_time();
  {
    WhipServer server;
    Publisher publisher(server, kRelay + ("turn-server=" + wrong), to("audio_0", kAudio));
    publisher.play();
    const auto error = publisher.error();
    ck_assert(error.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE));
    check_names(error.text, turn->uri());
    ck_assert_int_eq(server.posts, 0);
  }
  WhepServer server(near_plan());
  Viewer viewer(server.endpoint(), kLines);
  set_relay(viewer);
  set(viewer, "turn-server", wrong);
  viewer.play();
  const auto error = viewer.problem(GST_MESSAGE_ERROR);
  ck_assert_int_eq(error.code, GST_RESOURCE_ERROR_OPEN_READ);
  check_names(error.text, turn->uri());
  ck_assert_int_eq(server.posts, 0);
  ck_assert_int_le(g_get_monotonic_time() - begin, limit_ms(6000) * 1000);
}
GST_END_TEST

GST_START_TEST(server_that_is_not_there_is_an_error_that_names_it)
{
  WhipServer server;
  Publisher publisher(server, kRelay + std::string("turn-server=turn://u:p@127.0.0.1:9"),
                      to("audio_0", kAudio));
  const gint64 begin = g_get_monotonic_time();
  publisher.play();
  const auto error = publisher.error(20000);
  check_names(error.text, "127.0.0.1:9");
  ck_assert_int_le(g_get_monotonic_time() - begin, limit_ms(15000) * 1000);
}
GST_END_TEST

// Where other ways are left it is a warning.
GST_START_TEST(wrong_password_is_a_warning_where_there_are_other_ways)
{
  WhipServer server;
  Publisher publisher(server, "turn-server=" + with_user("udp", "wrong-word"),
                      to("audio_0", kAudio));
  publisher.play();
  check_names(publisher.problem(GST_MESSAGE_WARNING, 10000).text, turn->uri());
  check_flows(publisher, server, MediaKind::Audio, 10);
}
GST_END_TEST

// Of several servers the one that refuses is named, and no other.
GST_START_TEST(refusing_server_is_named_while_another_works)
{
  const TurnServer other("127.0.0.2");
  WhipServer server;
  const std::string refusing = "turn://" + std::string(TurnServer::kUser) + ":wrong-word@" +
                               other.address + ":" + std::to_string(other.port);
  const std::string servers = with_user("udp") + "," + refusing + "," + with_user("tcp");
  Publisher publisher(server, kRelay + ("turn-server=\"" + servers + "\""), to("audio_0", kAudio));
  publisher.play();
  const auto warning = publisher.problem(GST_MESSAGE_WARNING, 10000);
  check_names(warning.text, other.address + ":" + std::to_string(other.port));
  ck_assert_msg(warning.text.find(std::to_string(turn->port)) == std::string::npos, "%s",
                warning.text.c_str());
  check_flows(publisher, server, MediaKind::Audio, 20);
  check_relayed(publisher.sink());
  ck_assert(!publisher.message(GST_MESSAGE_WARNING, 0));
}
GST_END_TEST

GST_START_TEST(no_turn_server_is_an_error)
{
  WhipServer server;
  // A setting, which no other attempt could mend.
  Publisher publisher(server, "ice-transport-policy=relay", to("audio_0", kAudio));
  ck_assert_int_eq(publisher.set(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  const auto error = publisher.error();
  ck_assert(error.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  ck_assert_msg(error.text.find("turn-server") != std::string::npos, "%s", error.text.c_str());
  ck_assert_int_eq(server.posts, 0);
}
GST_END_TEST

GST_START_TEST(servers_and_credentials_of_link_fields)
{
  {
    WhipServer server({.link = link_to()});
    Publisher publisher(server, kRelay + std::string("use-link-headers=true"),
                        to("audio_0", kAudio));
    publisher.play();
    check_flows(publisher, server, MediaKind::Audio, 20);
    check_relayed(publisher.sink());
  }
  WhepServer server(near_plan());
  server.set_link(link_to());
  Viewer viewer(server.endpoint(), kLines);
  set_relay(viewer);
  set(viewer, "use-link-headers", "true");
  viewer.play();
  const bool flowed = flows(viewer);
  ck_assert_msg(flowed, "%s", viewer.stats_text().c_str());
  check_relayed(viewer.src());
}
GST_END_TEST

// A counter-offer brings its servers, too.
GST_START_TEST(servers_of_a_counter_offer)
{
  WhepServer server(near_plan());
  server.makes_counter_offers = true;
  server.set_link(link_to());
  Viewer viewer(server.endpoint(), kLines);
  set_relay(viewer);
  set(viewer, "use-link-headers", "true");
  viewer.play();
  const bool flowed = flows(viewer);
  ck_assert_msg(flowed, "%s", viewer.stats_text().c_str());
  check_relayed(viewer.src());
}
GST_END_TEST

GST_START_TEST(wrong_credentials_of_link_fields)
{
  WhipServer server({.link = link_to("wrong-word")});
  Publisher publisher(server, kRelay + std::string("use-link-headers=true"), to("audio_0", kAudio));
  publisher.play();
  check_names(publisher.error().text, turn->uri());
  ck_assert_int_eq(server.deletes, 1);
  // Without the property they are none of our business.
  WhipServer other({.link = "<turns:127.0.0.1>; rel=\"ice-server\"; username=\"u\""});
  Publisher plain(other, "", to("audio_0", kAudio));
  plain.play();
  check_flows(plain, other, MediaKind::Audio, 10);
  ck_assert(!plain.message(GST_MESSAGE_WARNING, 100));
}
GST_END_TEST

// Nobody outside is asked for our address unless somebody says whom.
GST_START_TEST(no_stun_server_by_default)
{
  WhipServer server;
  Publisher publisher(server, "", to("audio_0", kAudio));
  for (const char *name : {"stun-server", "turn-server"}) {
    gchar *value = nullptr;
    g_object_get(publisher.sink(), name, &value, nullptr);
    ck_assert_ptr_eq(value, nullptr);
  }
  publisher.play();
  check_flows(publisher, server, MediaKind::Audio, 10);
  ck_assert_ptr_ne(strstr(server.last_offer().c_str(), "typ host"), nullptr);
  ck_assert_ptr_eq(strstr(server.last_offer().c_str(), "typ srflx"), nullptr);
}
GST_END_TEST

static Suite *webrtc_relay_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-relay");
  TCase *relay = tcase_create("relay");
  tcase_set_timeout(relay, 60);
  tcase_add_unchecked_fixture(
      relay, [] { turn = new TurnServer; }, [] { delete turn; });
  tcase_add_test(relay, publishes_through_a_relay);
  tcase_add_test(relay, plays_through_a_relay);
  tcase_add_test(relay, wrong_password_is_an_error_that_names_the_server);
  tcase_add_test(relay, server_that_is_not_there_is_an_error_that_names_it);
  tcase_add_test(relay, wrong_password_is_a_warning_where_there_are_other_ways);
  tcase_add_test(relay, refusing_server_is_named_while_another_works);
  tcase_add_test(relay, no_turn_server_is_an_error);
  tcase_add_test(relay, servers_and_credentials_of_link_fields);
  tcase_add_test(relay, servers_of_a_counter_offer);
  tcase_add_test(relay, wrong_credentials_of_link_fields);
  tcase_add_test(relay, no_stun_server_by_default);
  suite_add_tcase(suite, relay);
  return suite;
}

int main(int argc, char **argv)
{
  if (!TurnServer::is_installed()) {
    g_print("skipped: coturn is not installed\n");
    return 77;
  }
  gst_check_init(&argc, &argv);
  return gst_check_run_suite(webrtc_relay_suite(), "webrtc_relay", __FILE__);
}
