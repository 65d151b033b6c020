// SPDX-License-Identifier: LGPL-2.1-or-later
// Session descriptions: what is written is read as it was, and what real peers write is understood.
#include <random>

#include "ext/webrtc/sdp/codecs.h"
#include "ext/webrtc/sdp/fragment.h"
#include "webrtc_sdp_fixture.h"

using namespace fixture;

namespace {

bool contains(const std::string &text, const std::string &part)
{
  return text.find(part) != std::string::npos;
}

size_t count(const std::string &text, const std::string &part)
{
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    found++;
  return found;
}

ParsedDescription parsed(const std::string &text, SdpType type)
{
  auto result = parse_description(text, type);
  fail_unless(result.ok(), "%s", result.ok() ? "" : result.error().text().c_str());
  return *result;
}

Negotiated agreed_with(const char *sample)
{
  const auto answer = parsed(sample_text(sample), SdpType::Answer);
  auto result = accept_answer(make_offer(publisher()), answer);
  fail_unless(result.ok(), "%s: %s", sample, result.ok() ? "" : result.error().text().c_str());
  return *result;
}

// --- A description by chance ---

class Chance {
public:
  explicit Chance(unsigned seed) : engine_(seed) {}
  unsigned below(unsigned limit) { return engine_() % limit; }
  bool coin() { return below(2) == 0; }
  std::string word(size_t length)
  {
    std::string text;
    for (size_t i = 0; i < length; i++)
      text += "abcdefghijklmnopqrstuvwxyzABCDEF0123456789+/"[below(44)];
    return text;
  }

private:
  std::mt19937 engine_;
};

Fingerprint random_fingerprint(Chance &chance)
{
  Fingerprint fingerprint{chance.coin() ? "sha-256" : "sha-512", {}};
  const size_t bytes = fingerprint.hash == "sha-256" ? 32 : 64;
  for (size_t i = 0; i < bytes; i++)
    fingerprint.digest.push_back(static_cast<uint8_t>(chance.below(256)));
  return fingerprint;
}

TransportParameters random_transport(Chance &chance)
{
  TransportParameters transport;
  transport.credentials = {chance.word(4 + chance.below(20)), chance.word(22 + chance.below(20))};
  transport.ice_lite = chance.coin();
  transport.trickle = chance.coin();
  transport.end_of_candidates = chance.coin();
  for (unsigned i = chance.below(5); i > 0; i--)
    transport.candidates.push_back(chance.word(6) + " 1 udp " + std::to_string(chance.below(1000)) +
                                   " 10.0.0." + std::to_string(i) + " 4000 typ host");
  for (unsigned i = 1 + chance.below(2); i > 0; i--)
    transport.fingerprints.push_back(random_fingerprint(chance));
  transport.setup = static_cast<DtlsSetup>(chance.below(3));
  return transport;
}

MediaSection random_section(Chance &chance, SdpType type, int number)
{
  MediaSection section;
  section.mid = chance.word(3) + std::to_string(number);
  section.type = chance.coin() ? "audio" : "video";
  section.kind = section.type == "video" ? MediaKind::Video : MediaKind::Audio;
  section.direction = static_cast<Direction>(chance.below(4));
  section.bundle_only = type == SdpType::Offer && chance.coin();
  section.rejected = !section.bundle_only && number > 0 && chance.below(4) == 0;
  section.rtcp_mux = chance.coin();
  section.rtcp_mux_only = chance.coin();
  int payload_type = 10;
  for (unsigned i = 1 + chance.below(4); i > 0; i--) {
    Codec codec;
    codec.payload_type = payload_type++;
    codec.name = "x" + std::to_string(chance.below(1000));
    codec.clock_rate = 1 + static_cast<int>(chance.below(90000));
    codec.channels = static_cast<int>(chance.below(3));
    for (unsigned j = chance.below(4); j > 0; j--)
      codec.parameters.emplace_back(chance.word(6), chance.coin() ? chance.word(8) : "");
    for (unsigned j = chance.below(3); j > 0; j--)
      codec.feedback.push_back(chance.word(4) + " " + std::to_string(j));
    if (chance.coin())
      codec.rtx_payload_type = payload_type++;
    section.codecs.push_back(codec);
  }
  for (unsigned i = chance.below(4); i > 0; i--)
    section.extensions.push_back({static_cast<int>(i), "urn:" + chance.word(10)});
  if (chance.coin()) {
    section.ssrc = chance.below(1000000);
    section.cname = chance.word(10);
    if (chance.coin())
      section.rtx_ssrc = 1000000 + chance.below(1000000);
  }
  if (chance.coin()) {
    section.stream_id = chance.word(10);
    section.track_id = chance.coin() ? chance.word(10) : "";
  }
  return section;
}

SessionDescription random_description(Chance &chance, SdpType type)
{
  SessionDescription description;
  description.id = chance.below(1000000);
  description.version = chance.below(100);
  description.transport = random_transport(chance);
  for (unsigned i = 0; i < 1 + chance.below(4); i++) {
    description.media.push_back(random_section(chance, type, static_cast<int>(i)));
    if (!description.media.back().rejected)
      description.bundle.push_back(description.media.back().mid);
  }
  return description;
}

}  // namespace

GST_START_TEST(what_is_written_is_read_as_it_was)
{
  Chance chance(1);
  for (int i = 0; i < 2000; i++) {
    const SdpType type = chance.coin() ? SdpType::Offer : SdpType::Answer;
    const SessionDescription description = random_description(chance, type);
    const std::string text = write_description(description);
    const auto again = parsed(text, type);
    fail_unless(again.description == description, "not as it was:\n%s\nbut\n%s", text.c_str(),
                write_description(again.description).c_str());
    fail_unless(again.notes.empty());
  }
}
GST_END_TEST;

GST_START_TEST(samples_stay_what_they_are_when_written_again)
{
  for (const char *name : kSamples) {
    const SdpType type = std::string(name) == "counter-offer" ? SdpType::Offer : SdpType::Answer;
    const auto first = parsed(sample_text(name), type);
    const auto again = parsed(write_description(first.description), type);
    fail_unless(again.description == first.description, "%s", name);
  }
}
GST_END_TEST;

// --- Our offer ---

GST_START_TEST(offer_is_bundled_with_rtcp_on_the_same_port)
{
  const std::string text = write_description(make_offer(publisher()));
  fail_unless(contains(text, "a=group:BUNDLE 0 1\r\n"));
  fail_unless_equals_int(static_cast<int>(count(text, "a=rtcp-mux\r\n")), 2);
  fail_unless_equals_int(static_cast<int>(count(text, "a=rtcp-mux-only\r\n")), 2);
  fail_unless_equals_int(static_cast<int>(count(text, "a=bundle-only\r\n")), 1);
  fail_unless(contains(text, "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n"), "%s", text.c_str());
  fail_unless(contains(text, "m=video 0 UDP/TLS/RTP/SAVPF 97 98 99 100\r\n"));
  fail_unless_equals_int(
      static_cast<int>(count(text, "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n")), 2);
}
GST_END_TEST;

GST_START_TEST(offer_has_one_stream_for_all_tracks)
{
  const std::string text = write_description(make_offer(publisher()));
  fail_unless_equals_int(static_cast<int>(count(text, "a=msid:stream ")), 2);
  fail_unless_equals_int(static_cast<int>(count(text, "a=msid:")), 2);
  fail_unless(contains(text, "a=ssrc-group:FID 2002 2003\r\n"));
  fail_unless(contains(text, "a=ssrc:2001 cname:name\r\n"));
  fail_unless_equals_int(static_cast<int>(count(text, "m=audio ")), 1);
  fail_unless_equals_int(static_cast<int>(count(text, "m=video ")), 1);
}
GST_END_TEST;

GST_START_TEST(offer_is_actpass_with_full_ice_and_trickle)
{
  const std::string text = write_description(make_offer(publisher()));
  fail_unless_equals_int(static_cast<int>(count(text, "a=setup:actpass\r\n")), 2);
  fail_unless(contains(text, "a=ice-options:trickle\r\n"));
  fail_unless(!contains(text, "a=ice-lite"));
}
GST_END_TEST;

GST_START_TEST(offer_to_publish_only_sends_and_to_play_only_receives)
{
  const std::string publishing = write_description(make_offer(publisher()));
  fail_unless_equals_int(static_cast<int>(count(publishing, "a=sendonly\r\n")), 2);
  const std::string playing = write_description(make_offer(player()));
  fail_unless_equals_int(static_cast<int>(count(playing, "a=recvonly\r\n")), 2);
  fail_unless(!contains(playing, "a=ssrc") && !contains(playing, "a=msid"));
}
GST_END_TEST;

GST_START_TEST(offer_has_its_codecs_with_what_they_need)
{
  LocalSide side = player();
  side.media[1].codecs = all_codecs(MediaKind::Video);
  const SessionDescription offer = make_offer(side);
  const std::string text = write_description(offer);
  for (const char *part : {"opus/48000/2", "H264/90000", "VP8/90000", "VP9/90000"})
    fail_unless(contains(text, part), "%s", part);
  for (const char *part : {"profile-level-id=42e01f", "packetization-mode=1", "profile-id=0"})
    fail_unless(contains(text, part), "%s", part);
  for (const Codec &codec : offer.media[1].codecs) {
    const std::string type = std::to_string(codec.payload_type);
    for (const char *feedback : {" nack\r\n", " nack pli\r\n", " ccm fir\r\n"})
      fail_unless(contains(text, "a=rtcp-fb:" + type + feedback));
    fail_unless(codec.rtx_payload_type.has_value());
    fail_unless(contains(text, " apt=" + type + "\r\n"));
  }
  fail_unless(!offer.media[0].codecs[0].rtx_payload_type);
}
GST_END_TEST;

GST_START_TEST(offer_keeps_payload_types_that_are_given)
{
  LocalSide side = publisher();
  side.media[0].codecs[0].payload_type = 111;
  side.media[1].codecs[1].payload_type = 96;
  const SessionDescription offer = make_offer(side);
  fail_unless_equals_int(offer.media[0].codecs[0].payload_type, 111);
  fail_unless_equals_int(offer.media[1].codecs[0].payload_type, 97);
  fail_unless_equals_int(offer.media[1].codecs[1].payload_type, 96);
}
GST_END_TEST;

// --- What real peers answer ---

GST_START_TEST(chromium_answers)
{
  const Negotiated agreed = agreed_with("chromium-answer");
  fail_unless_equals_int(static_cast<int>(agreed.media.size()), 2);
  fail_unless(agreed.role == DtlsSetup::Passive);
  fail_unless(agreed.remote.credentials.ufrag == "pQ5z");
  fail_unless_equals_int(static_cast<int>(agreed.remote.candidates.size()), 2);
  const NegotiatedMedia &video = agreed.media[1];
  fail_unless(video.sends && !video.receives);
  fail_unless_equals_int(static_cast<int>(video.remote.codecs.size()), 2);
  fail_unless_equals_int(*video.remote.codecs[0].rtx_payload_type, 98);
  fail_unless_equals_int(static_cast<int>(video.remote.codecs[0].feedback.size()), 3);
  fail_unless_equals_int(static_cast<int>(video.local.extensions.size()), 1);
  fail_unless_equals_int(static_cast<int>(*video.local.ssrc), 2002);
}
GST_END_TEST;

GST_START_TEST(pion_answers)
{
  const Negotiated agreed = agreed_with("pion-answer");
  fail_unless_equals_int(static_cast<int>(agreed.media.size()), 2);
  fail_unless_equals_int(static_cast<int>(agreed.remote.candidates.size()), 1);
  fail_unless(agreed.remote.end_of_candidates);
  fail_unless_equals_int(static_cast<int>(agreed.remote.fingerprints.size()), 1);
  // It has taken no extension: there is no mid to demultiplex by.
  fail_unless(agreed.media[0].local.extensions.empty());
}
GST_END_TEST;

GST_START_TEST(aiortc_answers)
{
  const Negotiated agreed = agreed_with("aiortc-answer");
  fail_unless_equals_int(static_cast<int>(agreed.remote.fingerprints.size()), 2);
  fail_unless(agreed.media[1].remote.codecs[0].name == "VP8");
  fail_unless_equals_int(static_cast<int>(agreed.media[1].remote.codecs.size()), 1);
  fail_unless(agreed.media[1].remote.rtx_ssrc == 3094832834u);
}
GST_END_TEST;

GST_START_TEST(janus_rejects_one_section)
{
  const Negotiated agreed = agreed_with("janus-answer");
  fail_unless_equals_int(static_cast<int>(agreed.media.size()), 1);
  fail_unless(agreed.media[0].local.mid == "0");
  fail_unless_equals_int(static_cast<int>(agreed.rejected.size()), 1);
  fail_unless(agreed.rejected[0] == "1");
}
GST_END_TEST;

GST_START_TEST(webrtcbin_answers)
{
  const Negotiated agreed = agreed_with("webrtcbin-answer");
  fail_unless(agreed.media[0].remote.codecs[0].name == "OPUS");
  // Its answer takes the payload type of RTX and does not say what it is.
  fail_unless(!agreed.media[1].remote.codecs[0].rtx_payload_type);
  fail_unless_equals_int(static_cast<int>(agreed.notes.size()), 1);
}
GST_END_TEST;

GST_START_TEST(mediamtx_answers_with_its_own_preference)
{
  const Negotiated agreed = agreed_with("mediamtx-answer");
  fail_unless(agreed.media[1].remote.codecs[0].name == "VP8");
  fail_unless(agreed.media[1].remote.codecs[1].name == "H264");
  fail_unless_equals_int(*agreed.media[1].local.codecs[0].rtx_payload_type, 100);
}
GST_END_TEST;

// --- Our answer ---

GST_START_TEST(counter_offer_is_answered_with_recvonly)
{
  const auto offer = parsed(sample_text("counter-offer"), SdpType::Offer);
  auto result = make_answer(offer, player());
  fail_unless(result.ok(), "%s", result.ok() ? "" : result.error().text().c_str());
  const std::string text = write_description(result->description);
  fail_unless_equals_int(static_cast<int>(count(text, "a=recvonly\r\n")), 2);
  fail_unless(contains(text, "a=group:BUNDLE video audio\r\n"), "%s", text.c_str());
  fail_unless(contains(text, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
  fail_unless_equals_int(static_cast<int>(count(text, "a=setup:active\r\n")), 2);
  // The peer's numbers, our preference.
  fail_unless(contains(text, "m=video 9 UDP/TLS/RTP/SAVPF 104 105 102 103\r\n"));
  fail_unless(contains(text, "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"));
  const Negotiated &agreed = result->negotiated;
  fail_unless(agreed.role == DtlsSetup::Active);
  fail_unless(agreed.media[0].receives && !agreed.media[0].sends);
  fail_unless(agreed.media[0].remote.codecs[0].name == "H264");
  fail_unless_equals_int(static_cast<int>(*agreed.media[0].remote.rtx_ssrc), 1002);
}
GST_END_TEST;

GST_START_TEST(own_answer_passes_own_checks)
{
  // Every pair of sides, the answer read as the peer would.
  for (const bool offerer_publishes : {true, false}) {
    const SessionDescription offer = make_offer(offerer_publishes ? publisher() : player());
    LocalSide other = offerer_publishes ? player() : publisher();
    const auto received = parsed(write_description(offer), SdpType::Offer);
    auto answer = make_answer(received, other);
    fail_unless(answer.ok(), "%s", answer.ok() ? "" : answer.error().text().c_str());
    const auto returned = parsed(write_description(answer->description), SdpType::Answer);
    auto agreed = accept_answer(offer, returned);
    fail_unless(agreed.ok(), "%s", agreed.ok() ? "" : agreed.error().text().c_str());
    fail_unless_equals_int(static_cast<int>(agreed->media.size()), 2);
    for (size_t i = 0; i < agreed->media.size(); i++) {
      fail_unless(agreed->media[i].sends == answer->negotiated.media[i].receives);
      fail_unless(agreed->media[i].receives == answer->negotiated.media[i].sends);
      fail_unless(agreed->media[i].sends == offerer_publishes);
    }
    fail_unless(agreed->role != answer->negotiated.role);
  }
}
GST_END_TEST;

GST_START_TEST(active_peer_is_answered_passively)
{
  SessionDescription offer = make_offer(publisher());
  offer.transport.setup = DtlsSetup::Active;
  auto answer = make_answer(parsed(write_description(offer), SdpType::Offer), player());
  fail_unless(answer.ok());
  fail_unless(answer->negotiated.role == DtlsSetup::Passive);
}
GST_END_TEST;

GST_START_TEST(profiles_of_h264_are_compared_without_their_level)
{
  fail_unless(is_same_codec(h264_codec("42e01f"), h264_codec("42c00b")));
  fail_unless(is_same_codec(h264_codec("42e01f"), h264_codec("4d8028")));
  fail_unless(!is_same_codec(h264_codec("42e01f"), h264_codec("64001f")));
  fail_unless(!is_same_codec(h264_codec("42001f"), h264_codec("42e01f")));
  Codec mode0 = h264_codec("42e01f");
  std::erase_if(mode0.parameters, [](const auto &p) { return p.first == "packetization-mode"; });
  fail_unless(!is_same_codec(mode0, h264_codec("42e01f")));
  Codec mono = opus_codec();
  mono.channels = 0;
  fail_unless(!is_same_codec(mono, opus_codec()));
}
GST_END_TEST;

static Suite *webrtc_sdp_suite()
{
  Suite *suite = suite_create("webrtc-sdp");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, what_is_written_is_read_as_it_was);
  tcase_add_test(tc, samples_stay_what_they_are_when_written_again);
  tcase_add_test(tc, offer_is_bundled_with_rtcp_on_the_same_port);
  tcase_add_test(tc, offer_has_one_stream_for_all_tracks);
  tcase_add_test(tc, offer_is_actpass_with_full_ice_and_trickle);
  tcase_add_test(tc, offer_to_publish_only_sends_and_to_play_only_receives);
  tcase_add_test(tc, offer_has_its_codecs_with_what_they_need);
  tcase_add_test(tc, offer_keeps_payload_types_that_are_given);
  tcase_add_test(tc, chromium_answers);
  tcase_add_test(tc, pion_answers);
  tcase_add_test(tc, aiortc_answers);
  tcase_add_test(tc, janus_rejects_one_section);
  tcase_add_test(tc, webrtcbin_answers);
  tcase_add_test(tc, mediamtx_answers_with_its_own_preference);
  tcase_add_test(tc, counter_offer_is_answered_with_recvonly);
  tcase_add_test(tc, own_answer_passes_own_checks);
  tcase_add_test(tc, active_peer_is_answered_passively);
  tcase_add_test(tc, profiles_of_h264_are_compared_without_their_level);
  return suite;
}

GST_CHECK_MAIN(webrtc_sdp)
