// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/support/parker.h"

#include <thread>

namespace streamlib::support {

bool Parker::worth_spinning()
{
  // Asked once for the whole process because the number of processors does not change.
  static const bool several_cpus = std::thread::hardware_concurrency() > 1;
  if (!several_cpus)
    return false;
  if (trust_ > 0)
    return true;
  if (++parks_without_spin_ < kRetryEvery)
    return false;
  parks_without_spin_ = 0;
  trust_ = 1;
  return true;
}

}  // namespace streamlib::support
