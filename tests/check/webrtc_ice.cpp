// SPDX-License-Identifier: LGPL-2.1-or-later
// ICE alone: against a lite peer, with and without TCP, and what a peer may send too much of.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "ext/webrtc/transport/candidate.h"
#include "ext/webrtc/transport/ice.h"
#include "webrtc_transport_peers.h"

using namespace webrtc_peers;
using streamlib::support::adopt_object;
using streamlib::support::CStr;
using streamlib::support::GObjectPtr;

class Owner : public IceOwner {
public:
  virtual ~Owner() = default;
  void ice_candidate(Ice &, const std::string &candidate) override
  {
    candidates.push_back(candidate);
  }
  void ice_gathered(Ice &) override { is_gathered = true; }
  void ice_changed(Ice &ice) override { states.push_back(ice.state()); }
  void ice_received(Ice &, std::span<const uint8_t> datagram) override
  {
    received.emplace_back(datagram.begin(), datagram.end());
  }

  std::vector<std::string> candidates;
  bool is_gathered = false;
  std::vector<IceState> states;
  std::vector<std::vector<uint8_t>> received;
};

static std::unique_ptr<Ice> make_ice(Context &context, Owner &owner, bool with_tcp = false,
                                     bool is_controlling = false)
{
  IceSettings settings;
  settings.is_controlling = is_controlling;
  settings.with_tcp = with_tcp;
  settings.local_addresses = {"127.0.0.1"};
  auto made = Ice::create(context, settings, owner);
  fail_unless(made.ok());
  return std::move(*made);
}

static void close_ice(Context &context, std::unique_ptr<Ice> ice)
{
  bool is_closed = false;
  Ice::close(std::move(ice), [&] { is_closed = true; });
  fail_unless(context.until([&] { return is_closed; }, 2000));
}

// As many servers are. It only answers, so that our side has to be the controlling one, even where
// it did not offer.
GST_START_TEST(lite_peer_is_reached)
{
  Context context;
  Owner owner;
  auto ice = make_ice(context, owner);
  GObjectPtr<NiceAgent> lite = adopt_object(
      nice_agent_new_full(context, NICE_COMPATIBILITY_RFC5245, NICE_AGENT_OPTION_LITE_MODE));
  g_object_set(lite.get(), "upnp", FALSE, "ice-tcp", FALSE, "controlling-mode", FALSE, nullptr);
  NiceAddress address;
  nice_address_init(&address);
  fail_unless(nice_address_set_from_string(&address, "127.0.0.1"));
  fail_unless(nice_agent_add_local_address(lite.get(), &address));
  const guint stream = nice_agent_add_stream(lite.get(), 1);
  std::vector<std::string> heard;
  nice_agent_attach_recv(
      lite.get(), stream, 1, context,
      [](NiceAgent *, guint, guint, guint size, gchar *data, gpointer list) {
        static_cast<std::vector<std::string> *>(list)->emplace_back(data, size);
      },
      &heard);
  fail_unless(nice_agent_gather_candidates(lite.get(), stream));
  fail_unless(ice->gather().ok());
  fail_unless(context.until([&] { return owner.is_gathered; }));
  gchar *ufrag = nullptr;
  gchar *pwd = nullptr;
  fail_unless(nice_agent_get_local_credentials(lite.get(), stream, &ufrag, &pwd));
  const IceCredentials of_lite = {CStr(ufrag).get(), CStr(pwd).get()};
  std::vector<std::string> candidates;
  GSList *list = nice_agent_get_local_candidates(lite.get(), stream, 1);
  for (GSList *one = list; one != nullptr; one = one->next) {
    const CStr line(nice_agent_generate_local_candidate_sdp(
        lite.get(), static_cast<NiceCandidate *>(one->data)));
    candidates.emplace_back(line.get());
  }
  g_slist_free_full(list,
                    [](gpointer one) { nice_candidate_free(static_cast<NiceCandidate *>(one)); });
  fail_unless(nice_agent_set_remote_credentials(
      lite.get(), stream, ice->credentials().ufrag.c_str(), ice->credentials().pwd.c_str()));
  fail_unless(ice->set_remote_credentials(of_lite, true).ok());
  fail_unless(ice->add_remote_candidates(candidates).ok());
  ice->end_remote_candidates();
  fail_unless(context.until([&] { return ice->state() == IceState::Connected; }));
  const uint8_t data[] = {'h', 'e', 'l', 'l', 'o'};
  fail_unless(ice->send(data) == IceSendOutcome::Sent);
  fail_unless(context.until([&] { return heard.size() == 1; }));
  fail_unless(heard[0] == "hello");
  close_ice(context, std::move(ice));
  nice_agent_remove_stream(lite.get(), stream);
  lite.reset();
  context.serve(10);
}
GST_END_TEST

GST_START_TEST(tcp_is_there_only_when_asked_for)
{
  for (const bool with_tcp : {false, true}) {
    Context context;
    Owner owner;
    auto ice = make_ice(context, owner, with_tcp);
    fail_unless(ice->gather().ok());
    fail_unless(context.until([&] { return owner.is_gathered; }));
    const auto is_tcp = [](const std::string &one) {
      return one.find(" TCP ") != std::string::npos || one.find(" tcp ") != std::string::npos;
    };
    fail_unless(std::any_of(owner.candidates.begin(), owner.candidates.end(), is_tcp) == with_tcp);
    fail_unless(!std::all_of(owner.candidates.begin(), owner.candidates.end(), is_tcp));
    // They are values of the attribute, without its name.
    for (const std::string &one : owner.candidates)
      fail_unless(parse_candidate(one).ok(), "%s", one.c_str());
    close_ice(context, std::move(ice));
  }
}
GST_END_TEST

// With UDP cut off on one side there is still TCP.
GST_START_TEST(tcp_connects)
{
  Context context;
  Owner of_a;
  Owner of_b;
  auto a = make_ice(context, of_a, true, true);
  auto b = make_ice(context, of_b, true, false);
  fail_unless(a->gather().ok() && b->gather().ok());
  fail_unless(context.until([&] { return of_a.is_gathered && of_b.is_gathered; }));
  const auto only_tcp = [](std::vector<std::string> all) {
    std::erase_if(all, [](const std::string &one) {
      return one.find(" UDP ") != std::string::npos || one.find(" udp ") != std::string::npos;
    });
    return all;
  };
  fail_unless(a->set_remote_credentials(b->credentials(), false).ok());
  fail_unless(b->set_remote_credentials(a->credentials(), false).ok());
  fail_unless(a->add_remote_candidates(only_tcp(of_b.candidates)).ok());
  fail_unless(b->add_remote_candidates(only_tcp(of_a.candidates)).ok());
  a->end_remote_candidates();
  b->end_remote_candidates();
  fail_unless(context.until(
      [&] { return a->state() == IceState::Connected && b->state() == IceState::Connected; }));
  const std::vector<uint8_t> data(1200, 7);
  for (int i = 0; i < 20; i++)
    fail_unless(a->send(data) == IceSendOutcome::Sent);
  fail_unless(context.until([&] { return of_b.received.size() == 20; }));
  // TCP keeps the borders too (RFC 4571).
  for (const auto &one : of_b.received)
    fail_unless(one == data);
  close_ice(context, std::move(a));
  close_ice(context, std::move(b));
}
GST_END_TEST

GST_START_TEST(too_many_candidates_are_left_out)
{
  Context context;
  Owner owner;
  auto ice = make_ice(context, owner);
  fail_unless(ice->set_remote_credentials({"ufrag", "passwordpasswordpassword"}, false).ok());
  std::vector<std::string> candidates;
  for (int i = 0; i < 1000; i++)
    candidates.push_back("1 1 udp 1 127.0.0.1 " + std::to_string(1000 + i) + " typ host");
  fail_unless(ice->add_remote_candidates(candidates).ok());
  fail_unless_equals_uint64(ice->figures().remote_candidates, Ice::kMaxRemoteCandidates);
  fail_unless_equals_uint64(ice->figures().skipped_candidates, 1000 - Ice::kMaxRemoteCandidates);
  fail_unless(ice->send(std::vector<uint8_t>(10)) != IceSendOutcome::Sent);
  close_ice(context, std::move(ice));
}
GST_END_TEST

GST_START_TEST(address_that_is_none_is_refused)
{
  Context context;
  Owner owner;
  IceSettings settings;
  settings.local_addresses = {"localhost"};
  const auto made = Ice::create(context, settings, owner);
  fail_unless(!made.ok());
  fail_unless(made.error().text.find("localhost") != std::string::npos);
}
GST_END_TEST

// How many datagrams a socket keeps that has asked for a lot.
static int burst_size()
{
  constexpr int kWithOverhead = 3000;
  const int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
  int bytes = 1024 * 1024;
  fail_unless(setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0);
  socklen_t size = sizeof bytes;
  fail_unless(getsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, &size) == 0);
  ::close(socket);
  return bytes / kWithOverhead;
}

// The receiving side stands still meanwhile.
GST_START_TEST(burst_is_kept_by_the_system)
{
  Context here;
  Context there;
  Owner of_a;
  Owner of_b;
  auto a = make_ice(here, of_a, false, true);
  auto b = make_ice(there, of_b, false, false);
  fail_unless(a->gather().ok() && b->gather().ok());
  bool is_there = true;
  const auto until = [&](const std::function<bool()> &is_so) {
    return here.until([&] {
      while (is_there && g_main_context_iteration(there, FALSE)) {
      }
      return is_so();
    });
  };
  fail_unless(until([&] { return of_a.is_gathered && of_b.is_gathered; }));
  fail_unless(a->set_remote_credentials(b->credentials(), false).ok());
  fail_unless(b->set_remote_credentials(a->credentials(), false).ok());
  fail_unless(a->add_remote_candidates(of_b.candidates).ok());
  fail_unless(b->add_remote_candidates(of_a.candidates).ok());
  fail_unless(until(
      [&] { return a->state() == IceState::Connected && b->state() == IceState::Connected; }));
  is_there = false;
  const size_t burst = burst_size();
  const std::vector<uint8_t> data(1150, 0x80);
  for (size_t i = 0; i < burst; i++)
    fail_unless(a->send(data) == IceSendOutcome::Sent);
  is_there = true;
  fail_unless(until([&] { return of_b.received.size() == burst; }), "%zu of %zu",
              of_b.received.size(), burst);
  close_ice(here, std::move(a));
  close_ice(there, std::move(b));
}
GST_END_TEST

static Suite *webrtc_ice_suite()
{
  Suite *suite = suite_create("webrtc-ice");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, lite_peer_is_reached);
  tcase_add_test(tc, tcp_is_there_only_when_asked_for);
  tcase_add_test(tc, tcp_connects);
  tcase_add_test(tc, too_many_candidates_are_left_out);
  tcase_add_test(tc, burst_is_kept_by_the_system);
  tcase_add_test(tc, address_that_is_none_is_refused);
  return suite;
}

GST_CHECK_MAIN(webrtc_ice)
