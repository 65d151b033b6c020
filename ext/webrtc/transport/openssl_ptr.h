// SPDX-License-Identifier: LGPL-2.1-or-later
// Ownership of OpenSSL's objects, and its errors as text.
#pragma once

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace streamlib::webrtc {

template <auto Free>
struct FreeBy {
  template <typename T>
  void operator()(T *object) const
  {
    Free(object);
  }
};

using SslPtr = std::unique_ptr<SSL, FreeBy<SSL_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, FreeBy<SSL_CTX_free>>;
using X509Ptr = std::unique_ptr<X509, FreeBy<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeBy<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, FreeBy<BIO_free>>;
using BioMethodPtr = std::unique_ptr<BIO_METHOD, FreeBy<BIO_meth_free>>;

// Takes the errors that OpenSSL has noted for this thread.
inline std::string take_openssl_errors()
{
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    char line[256];
    ERR_error_string_n(code, line, sizeof line);
    text += text.empty() ? "" : "; ";
    text += line;
  }
  return text;
}

}  // namespace streamlib::webrtc
