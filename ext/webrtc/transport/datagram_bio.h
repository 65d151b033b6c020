// SPDX-License-Identifier: LGPL-2.1-or-later
// A BIO that keeps the borders of datagrams, which the memory BIO of OpenSSL does not.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "ext/webrtc/transport/openssl_ptr.h"

namespace streamlib::webrtc {

// One thread's, and that of the SSL that reads and writes through it. It must outlive that SSL.
class DatagramBio {
public:
  // `send` gets each datagram that OpenSSL writes.
  explicit DatagramBio(std::function<void(std::span<const uint8_t>)> send)
      : send_(std::move(send)), method_(make_method())
  {}
  DatagramBio(const DatagramBio &) = delete;
  DatagramBio &operator=(const DatagramBio &) = delete;

  // Null when there is no memory. Owned by the caller, in practice by an SSL.
  BIO *create();
  // The next read takes it, as a whole; what does not fit into that read is lost, as with a socket.
  // The memory must stay until then.
  void offer(std::span<const uint8_t> datagram) { offered_ = datagram; }
  // Forgets what was not read.
  void withdraw() { offered_ = {}; }
  bool has_offer() const { return !offered_.empty(); }

private:
  static BioMethodPtr make_method();
  static DatagramBio *self_of(BIO *bio) { return static_cast<DatagramBio *>(BIO_get_data(bio)); }
  static int read(BIO *bio, char *data, int size);
  static int write(BIO *bio, const char *data, int size);
  static long control(BIO *bio, int command, long number, void *pointer);

  const std::function<void(std::span<const uint8_t>)> send_;
  const BioMethodPtr method_;
  std::span<const uint8_t> offered_;
};

}  // namespace streamlib::webrtc
