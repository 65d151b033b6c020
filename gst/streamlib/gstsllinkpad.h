// SPDX-License-Identifier: LGPL-2.1-or-later
// A sink pad with a bounded lock-free link inside.
#pragma once

#include <gst/streamlib/gstslenums.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_LINK_PAD (gst_sl_link_pad_get_type())
GST_SL_API G_DECLARE_FINAL_TYPE(GstSlLinkPad, gst_sl_link_pad, GST, SL_LINK_PAD, GstPad)

GST_SL_API GstBuffer *gst_sl_link_pad_peek_buffer(GstSlLinkPad *pad);
GST_SL_API GstBuffer *gst_sl_link_pad_pop_buffer(GstSlLinkPad *pad);
GST_SL_API gboolean gst_sl_link_pad_is_eos(GstSlLinkPad *pad);
GST_SL_API void gst_sl_link_pad_get_segment(GstSlLinkPad *pad, GstSegment *segment);
GST_SL_API GstCaps *gst_sl_link_pad_get_caps(GstSlLinkPad *pad);
GST_SL_API GstClockTime gst_sl_link_pad_get_running_time(GstSlLinkPad *pad, GstBuffer *buffer);
GST_SL_API GstStructure *gst_sl_link_pad_get_stats(GstSlLinkPad *pad);
GST_SL_API gboolean gst_sl_link_pad_take_over(GstSlLinkPad *pad, GstSlLinkPad *from,
                                              GError **error);

/**
 * GST_SL_LINK_ERROR:
 *
 * The error domain of #GstSlLinkPad.
 *
 * Since: 0.1
 */
#define GST_SL_LINK_ERROR (gst_sl_link_error_quark())
GST_SL_API GQuark gst_sl_link_error_quark(void);

/**
 * GstSlLinkError:
 * @GST_SL_LINK_ERROR_NOT_LINKED: the pad whose link is to be taken over has no peer
 * @GST_SL_LINK_ERROR_ALREADY_LINKED: the pad that is to take over has a peer of its own
 * @GST_SL_LINK_ERROR_INACTIVE: the pad that is to take over is not active
 * @GST_SL_LINK_ERROR_INLINE: one of the two processors runs inline and has no link to move
 * @GST_SL_LINK_ERROR_INCOMPATIBLE: the caps of the stream do not fit the new pad
 *
 * Why a link's end could not be moved.
 *
 * Since: 0.1
 */
typedef enum {
  GST_SL_LINK_ERROR_NOT_LINKED,
  GST_SL_LINK_ERROR_ALREADY_LINKED,
  GST_SL_LINK_ERROR_INACTIVE,
  GST_SL_LINK_ERROR_INLINE,
  GST_SL_LINK_ERROR_INCOMPATIBLE,
} GstSlLinkError;

#define GST_TYPE_SL_LINK_ERROR (gst_sl_link_error_get_type())
GST_SL_API GType gst_sl_link_error_get_type(void) G_GNUC_CONST;

G_END_DECLS
