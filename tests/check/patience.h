// SPDX-License-Identifier: LGPL-2.1-or-later
// Waiting in tests; longer where a sanitizer slows everything down.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <functional>

#include <glib.h>

namespace fixture {

inline int limit_ms(int ms)
{
  const char *factor = g_getenv("CK_TIMEOUT_MULTIPLIER");
  return ms * (factor != nullptr ? std::max(std::atoi(factor), 1) : 1);
}

inline void sleep_ms(int ms)
{
  g_usleep(static_cast<gulong>(ms) * 1000);
}

// Whether it holds before the limit.
inline bool eventually(const std::function<bool()> &holds, int ms = 10000)
{
  const gint64 end = g_get_monotonic_time() + gint64{limit_ms(ms)} * 1000;
  while (!holds()) {
    if (g_get_monotonic_time() > end)
      return false;
    sleep_ms(1);
  }
  return true;
}

}  // namespace fixture
