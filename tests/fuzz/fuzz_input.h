// SPDX-License-Identifier: LGPL-2.1-or-later
// The bytes of a fuzzer as choices; zeros for ever where they end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fuzz {

class Input {
public:
  Input(const uint8_t *data, size_t size) : data_(data), size_(size) {}
  bool is_over() const { return size_ == 0; }
  uint8_t byte()
  {
    if (size_ == 0)
      return 0;
    size_--;
    return *data_++;
  }
  bool once_in(uint8_t number) { return byte() % number == number - 1; }
  size_t below(size_t number) { return byte() % number; }
  template <typename Item, size_t kCount>
  const Item &one_of(const Item (&list)[kCount])
  {
    return list[below(kCount)];
  }

private:
  const uint8_t *data_;
  size_t size_;
};

}  // namespace fuzz
