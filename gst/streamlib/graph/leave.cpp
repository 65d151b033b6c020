// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/leave.h"

#include "gst/streamlib/graph/background_flush.h"
#include "gst/streamlib/gstsllinkpad.h"
#include "gst/streamlib/link_pad_state.h"
#include "gst/support/guards.h"

namespace streamlib::graph {

namespace {

// A push into a link takes microseconds, one into a full lossless link as long as its consumer; one
// that is fused in as long as a foreign element takes for a buffer.
constexpr GstClockTime kLeaveLimit = 300 * GST_MSECOND;
constexpr GstClockTime kLeaveWithRoom = 100 * GST_MSECOND;
constexpr GstClockTime kLeaveAfterFlush = 500 * GST_MSECOND;

// A flush that passes a foreign element reaches what its other inputs feed too, and whoever brings
// those their data would stop for good.
bool would_flush_others(const Input &input)
{
  if (GST_IS_SL_LINK_PAD(input.entry.get()))
    return false;
  const auto element = support::adopt_object(gst_pad_get_parent_element(input.entry.get()));
  if (!element)
    return false;
  const support::ObjectLock lock(element.get());
  return element->numsinkpads > 1;
}

}  // namespace

Left make_leave(const Input &input, const std::function<bool(GstClockTime)> &leave)
{
  if (leave(kLeaveLimit))
    return Left::Yes;
  if (GST_IS_SL_LINK_PAD(input.entry.get())) {
    Link &link = LinkPadState::of(GST_SL_LINK_PAD(input.entry.get())).link();
    link.let_in(true);
    const bool left = leave(kLeaveWithRoom);
    link.let_in(false);
    if (left)
      return Left::Yes;
  }
  if (would_flush_others(input))
    return leave(kLeaveAfterFlush) ? Left::Yes : Left::No;
  BackgroundFlush flush(input.entry, BackgroundFlush::Reach::Link);
  const bool left = leave(kLeaveAfterFlush);
  flush.finish(kFlushLimit);
  return left ? Left::Flushed : Left::No;
}

}  // namespace streamlib::graph
