// SPDX-License-Identifier: LGPL-2.1-or-later
// What the GObject shells of elements have in common: properties and messages.
#pragma once

#include <string>

#include <gst/gst.h>

namespace streamlib::support {

// When a property may be set: until READY, or while data flows; or read only.
constexpr auto kPropertyReady =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
constexpr auto kPropertyPlaying = static_cast<GParamFlags>(
    G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
constexpr auto kPropertyRead = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

// The id is a value of the element's own enumeration.
template <typename Prop>
void install_property(GObjectClass *klass, Prop id, GParamSpec *spec)
{
  g_object_class_install_property(klass, static_cast<guint>(id), spec);
}

// Empty where there is none.
inline std::string string_of(const GValue *value)
{
  const gchar *text = g_value_get_string(value);
  return text != nullptr ? text : "";
}

// A message of a bin's child: what the bin's state has dealt with ends here (transfer full).
template <typename State>
void handle_message(GstBinClass *parent, GstBin *bin, State &state, GstMessage *message)
{
  if (state.take_message(message))
    gst_message_unref(message);
  else
    parent->handle_message(bin, message);
}

// Any thread, with no lock held. Takes the structure.
inline void post_element_message(gpointer element, GstStructure *structure)
{
  gst_element_post_message(GST_ELEMENT(element),
                           gst_message_new_element(GST_OBJECT(element), structure));
}

// Any thread, with no lock held. GST_ELEMENT_ERROR for a domain and texts that are known at run
// time only.
inline void post_error(gpointer element, GQuark domain, int code, const std::string &text,
                       const std::string &debug, const char *file, const char *function, int line)
{
  gst_element_message_full(GST_ELEMENT(element), GST_MESSAGE_ERROR, domain, code,
                           g_strdup(text.c_str()),
                           debug.empty() ? nullptr : g_strdup(debug.c_str()), file, function, line);
}

}  // namespace streamlib::support

// With the place in the source that posts it.
#define SL_POST_ERROR(element, domain, code, text, debug)                                    \
  streamlib::support::post_error(element, domain, code, text, debug, __FILE__, GST_FUNCTION, \
                                 __LINE__)
