// SPDX-License-Identifier: LGPL-2.1-or-later
// What the description and the fragment are written with.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ext/webrtc/parameters.h"

namespace streamlib::webrtc::sdp {

class Writer {
public:
  void line(std::string_view text);
  void attribute(std::string_view name, std::string_view value = {});
  void credentials(const IceCredentials &credentials);
  // And their end.
  void candidates(const TransportParameters &transport);
  std::string take() { return std::move(text_); }

private:
  std::string text_;
};

// `before`, and each word after a blank.
std::string joined(const std::vector<std::string> &words, const char *before);

}  // namespace streamlib::webrtc::sdp
