// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of a link, as GstSlLinkPad has them and elements with one link pad show them.
#pragma once

#include "gst/streamlib/gstslenums.h"

namespace streamlib {

inline constexpr guint kMaxLinkDepth = 1 << 20;

struct LinkPropertyIds {
  guint policy;
  guint depth;
  guint max_time;
  guint max_bytes;
  guint level;
};

inline void install_link_properties(GObjectClass *klass, const LinkPropertyIds &ids)
{
  constexpr auto kReadable = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS |
                                                      GST_PARAM_DOC_SHOW_DEFAULT);
  constexpr auto kWritable = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                      GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property(
      klass, ids.policy,
      g_param_spec_enum("policy", "Policy",
                        "What happens when the consumer is slower than the stream",
                        GST_TYPE_SL_LINK_POLICY, GST_SL_LINK_POLICY_AUTO, kWritable));
  g_object_class_install_property(
      klass, ids.depth,
      g_param_spec_uint("depth", "Depth",
                        "Most buffers in the link (0 = by policy: latest 2 and as many as the "
                        "pipeline's latency spans, in-order 32, lossless 16)",
                        0, kMaxLinkDepth, 0, kWritable));
  g_object_class_install_property(
      klass, ids.max_time,
      g_param_spec_uint64("max-time", "Max. time",
                          "Most time between the oldest and the newest buffer in the link, in "
                          "nanoseconds (0 = no limit)",
                          0, G_MAXUINT64, 0, kWritable));
  g_object_class_install_property(
      klass, ids.max_bytes,
      g_param_spec_uint64("max-bytes", "Max. bytes", "Most bytes in the link (0 = no limit)", 0,
                          G_MAXUINT64, 0, kWritable));
  g_object_class_install_property(
      klass, ids.level,
      g_param_spec_uint("level", "Level", "Buffers in the link now", 0, G_MAXUINT, 0, kReadable));
}

}  // namespace streamlib
