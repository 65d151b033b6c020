// SPDX-License-Identifier: LGPL-2.1-or-later
// For "localhost" and 127.0.0.1, signed by itself: a key that protects nothing.
#pragma once

#include <string>

namespace fixture {

constexpr const char *kLocalhostCertificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBmzCCAUGgAwIBAgIUdTWSEreb/9w6l/ogS+WAM8Nn7tUwCgYIKoZIzj0EAwIw\n"
    "FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMDE1MDc1MloYDzIxMjYxMDI3\n"
    "MTUwNzUyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAAQ6eLNniQZVcl4Fd9PSvT+cNW1Akdg9x5BHTNLs02/42nTJ1RYt0W2H\n"
    "nVsE1nRr/RYVVMH7hPo9CRsqcTQlSoHVo28wbTAdBgNVHQ4EFgQU/BePDEXDcCUk\n"
    "AekidzwN8qo2mcUwHwYDVR0jBBgwFoAU/BePDEXDcCUkAekidzwN8qo2mcUwDwYD\n"
    "VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI\n"
    "zj0EAwIDSAAwRQIhAII7l7RNJskmFVft5PtHuUFcRGKGpixwaXFl/5liPIL/AiAc\n"
    "GldeHXIm+coc9zz8OXHsIFz1agUcaxEv3fBogxoRjw==\n"
    "-----END CERTIFICATE-----\n";

inline const std::string kLocalhostKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgnQLp2xmtzeBT1Yld\n"
    "sQIw1eKrh+ZCSYLpvEzwjLC+EvahRANCAAQ6eLNniQZVcl4Fd9PSvT+cNW1Akdg9\n"
    "x5BHTNLs02/42nTJ1RYt0W2HnVsE1nRr/RYVVMH7hPo9CRsqcTQlSoHV\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace fixture
