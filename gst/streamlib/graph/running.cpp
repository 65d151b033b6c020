// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/running.h"

#include <algorithm>
#include <utility>

#include "gst/streamlib/graph/background_flush.h"

namespace streamlib::graph {

void Input::end()
{
  eos = send_in_background(entry, gst_event_new_eos());
}

void Input::restart()
{
  const EventSent sent = std::exchange(eos, nullptr);
  if (!sent)
    return;
  BackgroundFlush flush(entry, BackgroundFlush::Reach::Downstream);
  // While it flushes the pad refuses the end of the old stream, which may still be on its way.
  const int64_t until = g_get_monotonic_time() + 500 * G_TIME_SPAN_MILLISECOND;
  while (!sent->load() && g_get_monotonic_time() < until)
    g_usleep(200);
  flush.finish(kFlushLimit);
}

Output *Node::output(std::string_view pad) const
{
  const auto found = std::find_if(outputs.begin(), outputs.end(),
                                  [&](const auto &output) { return output->pad == pad; });
  return found != outputs.end() ? found->get() : nullptr;
}

Input *Node::input(const GstPad *target) const
{
  const auto found = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const auto &input) { return input->target.get() == target; });
  return found != inputs.end() ? found->get() : nullptr;
}

Input *Node::input(std::string_view pad) const
{
  const auto found = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const auto &input) { return input->pad == pad; });
  return found != inputs.end() ? found->get() : nullptr;
}

GstPad *Port::target() const
{
  return branch ? branch->pad.get() : input->entry.get();
}

void Port::aim(GstPad *pad) const
{
  gst_ghost_pad_set_target(GST_GHOST_PAD(ghost.get()), pad);
}

GObjectPtr<GstPad> Port::inner_pad() const
{
  return support::adopt_object(GST_PAD(gst_proxy_pad_get_internal(GST_PROXY_PAD(ghost.get()))));
}

Node *Running::find(std::string_view id) const
{
  const auto found = nodes.find(id);
  return found != nodes.end() ? found->second.get() : nullptr;
}

Wire *Running::find(const FlatLink &link) const
{
  const auto found = std::find_if(wires.begin(), wires.end(), [&](const auto &wire) {
    return wire->spec.from == link.from && wire->spec.to == link.to;
  });
  return found != wires.end() ? found->get() : nullptr;
}

bool Running::is_fed(const Node &node) const
{
  return std::any_of(wires.begin(), wires.end(),
                     [&](const auto &wire) { return wire->to == &node; }) ||
         std::any_of(ports.begin(), ports.end(), [&](const auto &port) {
           return port->direction == GST_PAD_SINK && port->spec.pad.node == node.spec.id;
         });
}

}  // namespace streamlib::graph
