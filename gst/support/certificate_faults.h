// SPDX-License-Identifier: LGPL-2.1-or-later
// What is wrong with a server's certificate, for a sentence to the user.
#pragma once

#include <string>

#include <gio/gio.h>

namespace streamlib::support {

// "expired, for another host"; empty where nothing is.
inline std::string certificate_faults(GTlsCertificateFlags found)
{
  static constexpr struct {
    GTlsCertificateFlags flag;
    const char *text;
  } kFaults[] = {
      {G_TLS_CERTIFICATE_UNKNOWN_CA, "signed by nobody that is trusted here"},
      {G_TLS_CERTIFICATE_BAD_IDENTITY, "for another host"},
      {G_TLS_CERTIFICATE_NOT_ACTIVATED, "not valid yet"},
      {G_TLS_CERTIFICATE_EXPIRED, "expired"},
      {G_TLS_CERTIFICATE_REVOKED, "revoked"},
      {G_TLS_CERTIFICATE_INSECURE, "with an insecure algorithm"},
  };
  std::string text;
  for (const auto &fault : kFaults) {
    if ((found & fault.flag) != 0)
      text.append(text.empty() ? "" : ", ").append(fault.text);
  }
  return text;
}

}  // namespace streamlib::support
