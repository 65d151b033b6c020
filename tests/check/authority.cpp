// SPDX-License-Identifier: LGPL-2.1-or-later
#include "authority.h"

#include <fstream>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <gst/check/gstcheck.h>

namespace fixture {

using namespace streamlib::webrtc;

namespace {

constexpr long kDaySeconds = 24 * 60 * 60;

std::string text_of(BIO *bio)
{
  char *data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

std::string pem_of(X509 *certificate)
{
  const BioPtr bio(BIO_new(BIO_s_mem()));
  fail_unless(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return text_of(bio.get());
}

void add_extension(X509 *certificate, int kind, const std::string &value)
{
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  fail_unless(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

X509Ptr make(EVP_PKEY *key, const char *name, X509 *issuer, long begin_days, long end_days)
{
  static long serial = 1;
  X509Ptr certificate(X509_new());
  X509 *raw = certificate.get();
  X509_set_version(raw, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(raw), serial++);
  X509_gmtime_adj(X509_getm_notBefore(raw), begin_days * kDaySeconds);
  X509_gmtime_adj(X509_getm_notAfter(raw), end_days * kDaySeconds);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(raw), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char *>(name), -1, -1, 0);
  X509_set_issuer_name(raw, X509_get_subject_name(issuer != nullptr ? issuer : raw));
  fail_unless(X509_set_pubkey(raw, key) == 1);
  return certificate;
}

}  // namespace

Authority::Authority()
    : key_(EVP_EC_gen("P-256")), certificate_(make(key_.get(), "Authority", nullptr, -10, 10))
{
  add_extension(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  fail_unless(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) > 0);
}

std::string Authority::certificate() const
{
  return pem_of(certificate_.get());
}

std::string Authority::issue(const std::string &names, long begin_days, long end_days) const
{
  const KeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr issued = make(key.get(), "Server", certificate_.get(), begin_days, end_days);
  add_extension(issued.get(), NID_subject_alt_name, names);
  fail_unless(X509_sign(issued.get(), key_.get(), EVP_sha256()) > 0);
  const BioPtr bio(BIO_new(BIO_s_mem()));
  fail_unless(
      PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(bio.get()) + pem_of(issued.get());
}

}  // namespace fixture
