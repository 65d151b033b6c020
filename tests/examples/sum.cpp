// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A processor in C++ with several inputs. It adds the samples of its streams, buffer by buffer. The
// library sees to the waiting: a step is taken when each input has something, has a gap, has ended,
// or is too late. Run it: it adds a tone and the same tone upside down, of which nothing is left.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include <gst/streamlib/streamlib.h>

namespace {

struct Unref {
  void operator()(GstBuffer *buffer) const { gst_buffer_unref(buffer); }
  void operator()(GstCaps *caps) const { gst_caps_unref(caps); }
  void operator()(GstMessage *message) const { gst_message_unref(message); }
  void operator()(gpointer object) const { gst_object_unref(object); }
};
template <typename T>
using Owned = std::unique_ptr<T, Unref>;

struct Sum {
  GstSlProcessor parent;
  int steps;
  int loudest;
};
struct SumClass {
  GstSlProcessorClass parent;
};

G_DEFINE_TYPE(Sum, sum, GST_TYPE_SL_PROCESSOR)

void add(std::vector<float> &total, GstBuffer *buffer)
{
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ))
    return;
  const auto *samples = reinterpret_cast<const float *>(map.data);
  total.resize(std::max(total.size(), map.size / sizeof(float)));
  for (gsize i = 0; i < map.size / sizeof(float); i++)
    total[i] += samples[i];
  gst_buffer_unmap(buffer, &map);
}

// The pads, each kept for as long as this step lasts.
std::vector<Owned<GstPad>> inputs_of(GstElement *element)
{
  std::vector<Owned<GstPad>> pads;
  GST_OBJECT_LOCK(element);
  for (GList *item = element->sinkpads; item != nullptr; item = item->next)
    pads.emplace_back(GST_PAD(gst_object_ref(item->data)));
  GST_OBJECT_UNLOCK(element);
  return pads;
}

GstFlowReturn sum_process(GstSlProcessor *processor, GstSlLinkPad *, GstBuffer *,
                          GstBuffer **output)
{
  auto *self = reinterpret_cast<Sum *>(processor);
  std::vector<float> total;
  GstClockTime time = GST_CLOCK_TIME_NONE;
  for (const auto &pad : inputs_of(GST_ELEMENT(processor))) {
    auto *link = GST_SL_LINK_PAD(pad.get());
    const Owned<GstBuffer> buffer(gst_sl_link_pad_pop_buffer(link));
    if (!buffer)
      continue;
    time = std::min(time, gst_sl_link_pad_get_running_time(link, buffer.get()));
    add(total, buffer.get());
  }
  for (const float sample : total)
    self->loudest = std::max(self->loudest, static_cast<int>(std::abs(sample) * 32768));
  self->steps++;
  const gsize size = total.size() * sizeof(float);
  *output = gst_buffer_new_allocate(nullptr, size, nullptr);
  gst_buffer_fill(*output, 0, total.data(), size);
  GST_BUFFER_PTS(*output) = time;
  return GST_FLOW_OK;
}

void sum_class_init(SumClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  const Owned<GstCaps> caps(gst_caps_from_string("audio/x-raw, format=F32LE, channels=1"));
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new_with_gtype("sink_%u", GST_PAD_SINK, GST_PAD_REQUEST,
                                                     caps.get(), GST_TYPE_SL_LINK_PAD));
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps.get()));
  gst_element_class_set_static_metadata(element_class, "Sum", "Filter/Audio", "Adds streams",
                                        "The gst-streamlib authors");
  GST_SL_PROCESSOR_CLASS(klass)->process = sum_process;
}

void sum_init(Sum *) {}

}  // namespace

int main(int argc, char **argv)
{
  gst_init(&argc, &argv);
  gst_element_register(nullptr, "mysum", GST_RANK_NONE, sum_get_type());
  const char *launch =
      "mysum name=sum ! fakesink "
      "audiotestsrc num-buffers=50 ! audio/x-raw,format=F32LE,channels=1,rate=48000 ! tee "
      "name=tone "
      "tone. ! queue ! sum. "
      "tone. ! audioamplify amplification=-1 ! sllink ! sum.";
  GError *error = nullptr;
  const Owned<GstElement> pipeline(gst_parse_launch(launch, &error));
  if (!pipeline || error != nullptr) {
    gst_printerrln("%s", error->message);
    return EXIT_FAILURE;
  }
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const Owned<GstBus> bus(gst_element_get_bus(pipeline.get()));
  const Owned<GstMessage> message(
      gst_bus_timed_pop_filtered(bus.get(), 30 * GST_SECOND,
                                 static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);

  const Owned<GstElement> element(gst_bin_get_by_name(GST_BIN(pipeline.get()), "sum"));
  const auto *sum = reinterpret_cast<const Sum *>(element.get());
  gst_println("%d steps, peak %d of 32768", sum->steps, sum->loudest);
  const bool worked = message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS &&
                      sum->steps == 50 && sum->loudest == 0;
  return worked ? EXIT_SUCCESS : EXIT_FAILURE;
}
