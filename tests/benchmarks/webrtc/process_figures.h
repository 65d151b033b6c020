// SPDX-License-Identifier: LGPL-2.1-or-later
// The threads of this process by their names.
#pragma once

#include <map>
#include <string>

namespace streamlib::bench {

// Whose a thread is, by its name.
enum class Owner {
  kSource,   // The feeding side of this benchmark, the same for all that is measured.
  kRtpbin,   // rtpbin and what it makes: rtpsession, rtpjitterbuffer, rtprtxsend.
  kLibrary,  // Of GLib, libnice and what libnice brings: pools, UPnP.
  kElement,  // Of the element that is measured, and what it is made of.
};
inline constexpr int kOwners = 4;
const char *name_of(Owner owner);

using ThreadNames = std::map<std::string, int>;

ThreadNames thread_names();
// The threads of `now` that were not there before, by their owners.
std::map<Owner, int> new_threads(const ThreadNames &before, const ThreadNames &now);
// "name, name 2x, …" of those that were not there before, without the numbers in their names.
std::string new_thread_text(const ThreadNames &before, const ThreadNames &now);

}  // namespace streamlib::bench
