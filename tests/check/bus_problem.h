// SPDX-License-Identifier: LGPL-2.1-or-later
// Messages of a pipeline, and what errors and warnings say.
#pragma once

#include <string>

#include <gst/gst.h>

#include "gst/support/ownership.h"
#include "patience.h"

namespace fixture {

struct BusProblem {
  std::string text;
  GQuark domain = 0;
  int code = 0;

  bool is(GQuark wanted, int number) const { return domain == wanted && code == number; }
};

// The first message of these kinds; null when none comes in time.
inline streamlib::support::MiniPtr<GstMessage> message_of(GstElement *pipeline, GstMessageType type,
                                                          int ms)
{
  const auto bus = streamlib::support::adopt_object(gst_element_get_bus(pipeline));
  return streamlib::support::adopt_mini(gst_bus_timed_pop_filtered(
      bus.get(), static_cast<GstClockTime>(limit_ms(ms)) * GST_MSECOND, type));
}

// An error, or a warning; its text is empty when none comes.
inline BusProblem problem_of(GstElement *pipeline, GstMessageType type, int ms)
{
  const auto found = message_of(pipeline, type, ms);
  if (!found)
    return {};
  GError *error = nullptr;
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error(found.get(), &error, nullptr);
  else
    gst_message_parse_warning(found.get(), &error, nullptr);
  BusProblem problem{error->message, error->domain, error->code};
  g_error_free(error);
  return problem;
}

}  // namespace fixture
