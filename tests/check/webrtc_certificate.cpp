// SPDX-License-Identifier: LGPL-2.1-or-later
// Certificates of sessions, and which of a description's fingerprints decides.
#include <memory>
#include <vector>

#include <gst/check/gstcheck.h>

#include "ext/webrtc/transport/certificate.h"

using namespace streamlib::webrtc;

static std::shared_ptr<const Certificate> make_certificate()
{
  auto made = Certificate::create();
  fail_unless(made.ok());
  return *made;
}

static Fingerprint fingerprint_of(const Certificate &certificate, const char *name,
                                  const EVP_MD *algorithm)
{
  std::vector<uint8_t> digest(EVP_MAX_MD_SIZE);
  unsigned int size = 0;
  fail_unless(X509_digest(certificate.x509(), algorithm, digest.data(), &size) == 1);
  digest.resize(size);
  return {name, digest};
}

GST_START_TEST(each_session_has_its_own)
{
  const auto one = make_certificate();
  const auto other = make_certificate();
  fail_unless(one->fingerprint().hash == "sha-256");
  fail_unless_equals_int(one->fingerprint().digest.size(), 32);
  fail_unless(one->fingerprint().digest != other->fingerprint().digest);
  fail_unless(EVP_PKEY_eq(one->key(), other->key()) == 0);
  fail_unless(EVP_PKEY_get_base_id(one->key()) == EVP_PKEY_EC);
  char group[32] = {};
  fail_unless(EVP_PKEY_get_group_name(one->key(), group, sizeof group, nullptr) == 1);
  fail_unless_equals_string(group, "prime256v1");
  // Valid, and signed with its own key.
  fail_unless(X509_verify(one->x509(), one->key()) == 1);
  fail_unless(X509_cmp_current_time(X509_get0_notBefore(one->x509())) < 0);
  fail_unless(X509_cmp_current_time(X509_get0_notAfter(one->x509())) > 0);
}
GST_END_TEST

GST_START_TEST(fingerprint_must_be_that_of_the_certificate)
{
  const auto one = make_certificate();
  const auto other = make_certificate();
  fail_unless(match_fingerprint(one->x509(), {one->fingerprint()}).ok());
  const auto refused = match_fingerprint(one->x509(), {other->fingerprint()});
  fail_unless(!refused.ok());
  fail_unless(refused.error().debug.find(digest_text(one->fingerprint().digest)) !=
              std::string::npos);
  Fingerprint changed = one->fingerprint();
  changed.digest[31] ^= 1;
  fail_unless(!match_fingerprint(one->x509(), {changed}).ok());
  // Any of one hash may match.
  fail_unless(
      match_fingerprint(one->x509(), {other->fingerprint(), one->fingerprint(), changed}).ok());
}
GST_END_TEST

// RFC 8122 §5: a weaker hash that matches does not help against a stronger one that does not.
GST_START_TEST(strongest_hash_decides)
{
  const auto one = make_certificate();
  const auto other = make_certificate();
  const Fingerprint right_256 = one->fingerprint();
  const Fingerprint wrong_256 = other->fingerprint();
  const Fingerprint right_512 = fingerprint_of(*one, "sha-512", EVP_sha512());
  const Fingerprint wrong_512 = fingerprint_of(*other, "sha-512", EVP_sha512());
  const Fingerprint right_384 = fingerprint_of(*one, "sha-384", EVP_sha384());
  X509 *x509 = one->x509();
  fail_unless(match_fingerprint(x509, {right_384}).ok());
  fail_unless(match_fingerprint(x509, {wrong_256, right_512}).ok());
  fail_unless(!match_fingerprint(x509, {right_256, wrong_512}).ok());
  fail_unless(!match_fingerprint(x509, {right_384, right_256, wrong_512}).ok());
  fail_unless(match_fingerprint(x509, {wrong_512, right_512, wrong_256}).ok());
  // What is unknown has no say.
  fail_unless(match_fingerprint(x509, {{"sha-4096", {1, 2}}, right_256}).ok());
}
GST_END_TEST

GST_START_TEST(weak_and_unknown_hashes_never_decide)
{
  const auto one = make_certificate();
  const Fingerprint sha1 = fingerprint_of(*one, "sha-1", EVP_sha1());
  const Fingerprint md5 = fingerprint_of(*one, "md5", EVP_md5());
  for (const std::vector<Fingerprint> &bad :
       std::vector<std::vector<Fingerprint>>{{}, {sha1}, {md5}, {sha1, md5}, {{"sha-4096", {1}}}}) {
    fail_unless(!match_fingerprint(one->x509(), bad).ok());
    fail_unless(!check_fingerprints(bad).ok());
  }
  // The name must not lie about the length.
  Fingerprint cut = one->fingerprint();
  cut.digest.resize(16);
  fail_unless(!check_fingerprints({cut}).ok());
  fail_unless(!check_fingerprints({one->fingerprint(), cut}).ok());
  fail_unless(!match_fingerprint(one->x509(), {{"sha-256", {}}}).ok());
  fail_unless(check_fingerprints({sha1, one->fingerprint()}).ok());
}
GST_END_TEST

static Suite *webrtc_certificate_suite()
{
  Suite *suite = suite_create("webrtc-certificate");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, each_session_has_its_own);
  tcase_add_test(tc, fingerprint_must_be_that_of_the_certificate);
  tcase_add_test(tc, strongest_hash_decides);
  tcase_add_test(tc, weak_and_unknown_hashes_never_decide);
  return suite;
}

GST_CHECK_MAIN(webrtc_certificate)
