// SPDX-License-Identifier: LGPL-2.1-or-later
// A value, or why there is none.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace streamlib::support {

// What went wrong: a code of the caller's own enumeration, a sentence for the user, the facts.
struct Failure {
  int code = 0;
  std::string text;
  std::string debug;
};

template <typename T, typename E = Failure>
class [[nodiscard]] Result {
public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T &value()
  {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  const T &value() const
  {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  T &operator*() { return value(); }
  const T &operator*() const { return value(); }
  T *operator->() { return &value(); }
  const T *operator->() const { return &value(); }

  const E &error() const
  {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }
  // To hand it on.
  E take_error()
  {
    assert(!ok());
    return std::move(*std::get_if<1>(&state_));
  }

private:
  std::variant<T, E> state_;
};

// The value of a Result that carries none.
struct Done {};
using Status = Result<Done>;

}  // namespace streamlib::support
