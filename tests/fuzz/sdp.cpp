// SPDX-License-Identifier: LGPL-2.1-or-later
// Descriptions and fragments as anybody may send them: nothing breaks, and what was understood is
// understood in the same way when it is written and read again.
#include <cstdio>
#include <cstdlib>

#include "ext/webrtc/sdp/codecs.h"
#include "ext/webrtc/sdp/fragment.h"
#include "ext/webrtc/sdp/negotiation.h"

using namespace streamlib::webrtc;

namespace {

void require(bool condition, const char *what, const std::string &text)
{
  if (condition)
    return;
  fprintf(stderr, "%s:\n%s\n", what, text.c_str());
  abort();
}

LocalSide side_of(Direction direction)
{
  LocalSide side;
  side.direction = direction;
  side.transport.credentials = {"ourufrag", "ourpasswordourpassword"};
  side.transport.fingerprints = {{"sha-256", std::vector<uint8_t>(32, 1)}};
  side.stream_id = "stream";
  side.media = {{MediaKind::Audio, {opus_codec()}, 1, std::nullopt, "a"},
                {MediaKind::Video, all_codecs(MediaKind::Video), 2, 3, "v"}};
  return side;
}

void try_description(std::string_view text, SdpType type)
{
  auto parsed = parse_description(text, type);
  if (!parsed) {
    require(!parsed.error().text().empty(), "no reason", std::string(text));
    return;
  }
  const std::string written = write_description(parsed->description);
  if (written.size() > kMaxSdpBytes)
    return;
  auto again = parse_description(written, type);
  require(again.ok(), "not read again", written);
  require(again->description == parsed->description, "not the same again", written);
  for (const Direction direction : {Direction::SendOnly, Direction::RecvOnly}) {
    const LocalSide side = side_of(direction);
    if (type == SdpType::Answer) {
      (void)accept_answer(make_offer(side), *parsed);
      continue;
    }
    auto answer = make_answer(*parsed, side);
    if (!answer)
      continue;
    const std::string own = write_description(answer->description);
    auto seen = parse_description(own, SdpType::Answer);
    require(seen.ok(), "our answer is not read", own);
    require(check_common(*seen).ok(), "our answer is wrong", own);
  }
}

void try_fragment(std::string_view text)
{
  auto parsed = parse_fragment(text);
  if (!parsed)
    return;
  const IceFragment local = fragment_of(make_offer(side_of(Direction::SendOnly)));
  (void)accept_restart(TransportParameters{}, local, *parsed);
  if (parsed->fragment.media_line.empty() || parsed->fragment.mid.empty())
    return;
  const std::string written = write_fragment(parsed->fragment);
  if (written.size() > kMaxSdpBytes)
    return;
  auto again = parse_fragment(written);
  require(again.ok(), "fragment not read again", written);
  require(again->fragment == parsed->fragment, "fragment not the same again", written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  try_description(text, SdpType::Offer);
  try_description(text, SdpType::Answer);
  try_fragment(text);
  return 0;
}
