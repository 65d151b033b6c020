// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/transport/datagram_bio.h"

#include <algorithm>
#include <cstring>

namespace streamlib::webrtc {

BioMethodPtr DatagramBio::make_method()
{
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "streamlib datagrams");
  if (method == nullptr)
    return nullptr;
  BIO_meth_set_read(method, &DatagramBio::read);
  BIO_meth_set_write(method, &DatagramBio::write);
  BIO_meth_set_ctrl(method, &DatagramBio::control);
  return BioMethodPtr(method);
}

BIO *DatagramBio::create()
{
  BIO *bio = method_ != nullptr ? BIO_new(method_.get()) : nullptr;
  if (bio == nullptr)
    return nullptr;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  return bio;
}

int DatagramBio::read(BIO *bio, char *data, int size)
{
  DatagramBio *self = self_of(bio);
  BIO_clear_retry_flags(bio);
  if (self->offered_.empty() || size <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t taken = std::min(self->offered_.size(), static_cast<size_t>(size));
  std::memcpy(data, self->offered_.data(), taken);
  self->offered_ = {};
  return static_cast<int>(taken);
}

// A datagram that does not get through is lost, as it may be later on the way: the handshake sends
// it again.
int DatagramBio::write(BIO *bio, const char *data, int size)
{
  BIO_clear_retry_flags(bio);
  if (size > 0)
    self_of(bio)->send_({reinterpret_cast<const uint8_t *>(data), static_cast<size_t>(size)});
  return size;
}

long DatagramBio::control(BIO *bio, int command, long number, void *pointer)
{
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    default:
      // No pending bytes, no MTU of its own (SSL_OP_NO_QUERY_MTU), no time limit.
      return 0;
  }
}

}  // namespace streamlib::webrtc
