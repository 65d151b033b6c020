// SPDX-License-Identifier: LGPL-2.1-or-later
// A call of foreign code that may never return, with a limit to the wait.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace streamlib::device {

// Runs `function` in a thread of its own and waits for its result for at most `limit`. At the limit
// nothing is returned; the thread then ends when the foreign code returns, and drops the result.
// `function` may therefore refer to nothing that its caller owns.
template <typename T, typename Function>
std::optional<T> call_with_limit(std::chrono::milliseconds limit, Function function)
{
  struct Shared {
    // Held for a hand-over only, never across `function`.
    std::mutex mutex;
    std::condition_variable done;
    std::optional<T> result;
  };
  auto shared = std::make_shared<Shared>();
  std::thread([shared, function = std::move(function)]() mutable {
    T result = function();
    std::lock_guard lock(shared->mutex);
    shared->result.emplace(std::move(result));
    shared->done.notify_one();
  }).detach();

  std::unique_lock lock(shared->mutex);
  if (!shared->done.wait_for(lock, limit, [&shared] { return shared->result.has_value(); }))
    return std::nullopt;
  return std::exchange(shared->result, std::nullopt);
}

}  // namespace streamlib::device
