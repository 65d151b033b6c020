// SPDX-License-Identifier: LGPL-2.1-or-later
// What a graph costs: to link it, to make it, to start it, to edit it while it plays, and for each
// buffer that a fan-out hands on.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <gst/gst.h>
#include <gst/streamlib/streamlib.h>

#include "gst/support/ownership.h"
#include "measure.h"
#include "options.h"
#include "report.h"

namespace streamlib::bench {

namespace {

using support::adopt_mini;
using support::adopt_object;
using support::GObjectPtr;
using support::sink_object;

constexpr int kNodes = 500;
constexpr int kSlowNodes = 8;
constexpr guint kSetupMs = 50;
constexpr int kGroups = 5;  // Of the graph that is edited, six nodes each.

double ms_between(int64_t begin, int64_t end)
{
  return static_cast<double>(end - begin) / 1e6;
}

// Ends the program: a figure of something that does not work would be none.
void require(bool condition, const char *what)
{
  if (condition)
    return;
  fprintf(stderr, "graph_bench: %s\n", what);
  exit(1);
}

RowSpec row_of(const char *id, const char *what, const char *subject, const char *baseline,
               const char *unit)
{
  RowSpec spec;
  spec.id = id;
  spec.what = what;
  spec.subject = subject;
  spec.baseline = baseline;
  spec.unit = unit;
  spec.has_budget = false;
  return spec;
}

RowSpec with_budget(RowSpec spec, Better better, double value)
{
  spec.has_budget = true;
  spec.budget = {better, value};
  return spec;
}

void measure(const Options &options, const RowSpec &spec,
             const std::function<Pair(int, Row &)> &pair)
{
  if (!options.wants(spec.id))
    return;
  if (options.list) {
    printf("%s\n", spec.id.c_str());
    return;
  }
  const Effort effort = spec.has_budget ? options.effort() : options.single_effort();
  print_row(measure_row(spec, effort, pair));
}

// --- A filter that takes its time on the way to PAUSED ---

gpointer slow_parent;

GstStateChangeReturn slow_change_state(GstElement *element, GstStateChange transition)
{
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    g_usleep(kSetupMs * 1000);
  return GST_ELEMENT_CLASS(slow_parent)->change_state(element, transition);
}

GstFlowReturn slow_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  (void)pad;
  GstElement *element = GST_ELEMENT(parent);
  return gst_pad_push(GST_PAD(element->srcpads->data), buffer);
}

void slow_class_init(gpointer klass, gpointer)
{
  slow_parent = g_type_class_peek_parent(klass);
  auto *element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = slow_change_state;
  for (const GstPadDirection direction : {GST_PAD_SRC, GST_PAD_SINK})
    gst_element_class_add_pad_template(
        element_class, gst_pad_template_new(direction == GST_PAD_SRC ? "src" : "sink", direction,
                                            GST_PAD_ALWAYS, gst_caps_new_any()));
  gst_element_class_set_static_metadata(element_class, "Slow", "Filter", "Starts slowly", "-");
}

void slow_init(GTypeInstance *instance, gpointer)
{
  auto *element_class = GST_ELEMENT_GET_CLASS(instance);
  GstPad *sink =
      gst_pad_new_from_template(gst_element_class_get_pad_template(element_class, "sink"), "sink");
  GstPad *src =
      gst_pad_new_from_template(gst_element_class_get_pad_template(element_class, "src"), "src");
  gst_pad_set_chain_function(sink, slow_chain);
  gst_element_add_pad(GST_ELEMENT(instance), sink);
  gst_element_add_pad(GST_ELEMENT(instance), src);
}

void register_slow()
{
  static const GTypeInfo info = {
      sizeof(GstElementClass), nullptr, nullptr,   slow_class_init, nullptr, nullptr,
      sizeof(GstElement),      0,       slow_init, nullptr};
  gst_element_register(
      nullptr, "benchslow", GST_RANK_NONE,
      g_type_register_static(GST_TYPE_ELEMENT, "BenchSlow", &info, static_cast<GTypeFlags>(0)));
}

// --- Chains of `factory` between a source and a sink ---

const char *factory_at(int index, int count, const char *factory)
{
  return index == 0 ? "fakesrc" : index == count - 1 ? "fakesink" : factory;
}

std::string chain(int count, const char *factory, bool live)
{
  std::string nodes;
  std::string links;
  for (int i = 0; i < count; i++) {
    const std::string n = std::to_string(i);
    nodes += (i == 0 ? "" : ", ") + ("\"n" + n) + R"(": {"type": ")" +
             factory_at(i, count, factory) + "\"" +
             (i == 0 && live ? R"(, "config": {"is-live": true})" : "") + "}";
    if (i > 0)
      links += (i == 1 ? "" : ", ") + (R"({"from": "n)" + std::to_string(i - 1)) +
               R"(", "to": "n)" + n + R"("})";
  }
  return R"({"nodes": {)" + nodes + R"(}, "links": [)" + links + "]}";
}

// What an application does by hand.
struct ByHand {
  explicit ByHand(int count, const char *factory) : bin(sink_object(gst_pipeline_new(nullptr)))
  {
    for (int i = 0; i < count; i++) {
      GstElement *element = gst_element_factory_make(factory_at(i, count, factory), nullptr);
      require(element != nullptr, "an element is missing");
      gst_bin_add(GST_BIN(bin.get()), element);
      elements.push_back(element);
    }
  }
  ~ByHand() { gst_element_set_state(bin.get(), GST_STATE_NULL); }
  ByHand(const ByHand &) = delete;
  ByHand &operator=(const ByHand &) = delete;

  void link() const
  {
    for (size_t i = 1; i < elements.size(); i++)
      require(gst_element_link(elements[i - 1], elements[i]), "gst_element_link() failed");
  }
  // As the compiler of the graph does: it knows the pads.
  void link_pads() const
  {
    for (size_t i = 1; i < elements.size(); i++) {
      const auto from = adopt_object(gst_element_get_static_pad(elements[i - 1], "src"));
      const auto to = adopt_object(gst_element_get_static_pad(elements[i], "sink"));
      constexpr auto kChecks = static_cast<GstPadLinkCheck>(GST_PAD_LINK_CHECK_HIERARCHY |
                                                            GST_PAD_LINK_CHECK_TEMPLATE_CAPS);
      require(gst_pad_link_full(from.get(), to.get(), kChecks) == GST_PAD_LINK_OK,
              "gst_pad_link_full() failed");
    }
  }

  GObjectPtr<GstElement> bin;
  std::vector<GstElement *> elements;
};

// A graph in a pipeline whose messages nobody reads.
struct InPipeline {
  InPipeline()
      : pipeline(sink_object(gst_pipeline_new(nullptr))),
        graph(sink_object(gst_sl_graph_new(nullptr)))
  {
    gst_bin_add(GST_BIN(pipeline.get()), GST_ELEMENT(graph.get()));
    const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
    gst_bus_set_flushing(bus.get(), TRUE);
  }
  ~InPipeline() { gst_element_set_state(pipeline.get(), GST_STATE_NULL); }
  InPipeline(const InPipeline &) = delete;
  InPipeline &operator=(const InPipeline &) = delete;

  void apply(const std::string &description) const
  {
    GError *error = nullptr;
    if (!gst_sl_graph_apply(graph.get(), description.c_str(), &error))
      fprintf(stderr, "%s\n", error->message);
    require(error == nullptr, "a description was refused");
  }

  GObjectPtr<GstElement> pipeline;
  GObjectPtr<GstSlGraph> graph;
};

void play(GstElement *pipeline)
{
  require(gst_element_set_state(pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE,
          "a pipeline does not start");
  require(gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND) !=
              GST_STATE_CHANGE_FAILURE,
          "a pipeline does not play");
}

Pair link_500(int, Row &)
{
  const ByHand theirs(kNodes, "identity");
  const ByHand ours(kNodes, "identity");
  const int64_t begin = monotonic_ns();
  theirs.link();
  const int64_t middle = monotonic_ns();
  ours.link_pads();
  return {ms_between(middle, monotonic_ns()), ms_between(begin, middle)};
}

Pair apply_500(int, Row &)
{
  const std::string description = chain(kNodes, "identity", false);
  const int64_t begin = monotonic_ns();
  const ByHand theirs(kNodes, "identity");
  theirs.link();
  const int64_t middle = monotonic_ns();
  const InPipeline ours;
  ours.apply(description);
  return {ms_between(middle, monotonic_ns()), ms_between(begin, middle)};
}

// As a factor of time saved: more is better.
Pair start_slow(int, Row &)
{
  const ByHand theirs(kSlowNodes + 2, "benchslow");
  theirs.link();
  g_object_set(theirs.elements.front(), "is-live", TRUE, nullptr);
  const InPipeline ours;
  ours.apply(chain(kSlowNodes + 2, "benchslow", true));
  const int64_t begin = monotonic_ns();
  play(theirs.bin.get());
  const int64_t middle = monotonic_ns();
  play(ours.pipeline.get());
  const int64_t end = monotonic_ns();
  return {1000 / ms_between(middle, end), 1000 / ms_between(begin, middle)};
}

// --- Edits ---

std::string thirty_nodes()
{
  std::string nodes;
  std::string links;
  for (int i = 0; i < kGroups; i++) {
    const std::string n = std::to_string(i);
    nodes += (i == 0 ? "" : ", ") + ("\"src" + n) +
             R"(": {"type": "videotestsrc", "config": {"is-live": true}})";
    for (const char *id : {"a", "b"}) {
      nodes += ", \"" + (id + n) + R"(": {"type": "identity"})";
      links += (links.empty() ? "" : ", ") + (R"({"from": "src)" + n) + R"(", "to": ")" + id + n +
               R"("}, {"from": ")" + id + n + R"(", "to": "sink)" + id + n + R"("})";
      nodes += ", \"sink" + (id + n) + R"(": {"type": "fakesink", "config": {"sync": true}})";
    }
    nodes += ", \"tail" + n + R"(": {"type": "fakesink", "config": {"sync": true}})";
    links += R"(, {"from": "src)" + n + R"(", "to": "tail)" + n + R"("})";
  }
  return R"({"nodes": {)" + nodes + R"(}, "links": [)" + links + "]}";
}

void edit_row(const Options &options)
{
  RowSpec spec =
      row_of("graph-edit", "an edit of a playing graph of 40 nodes: a branch comes or goes",
             "slgraph", "", "ms");
  spec.absolute = true;
  measure(options, spec, [&](int, Row &row) {
    const InPipeline ours;
    ours.apply(thirty_nodes());
    play(ours.pipeline.get());
    std::vector<double> times;
    const int edits = options.is_long ? 200 : 40;
    for (int i = 0; i < edits; i++) {
      const auto edit = adopt_object(gst_sl_graph_begin(ours.graph.get()));
      if (i % 2 == 0) {
        gst_sl_graph_edit_add_node(edit.get(), "more", R"({"type": "identity"})");
        gst_sl_graph_edit_add_node(edit.get(), "end", R"({"type": "fakesink"})");
        gst_sl_graph_edit_link(edit.get(), "src0", "more", nullptr);
        gst_sl_graph_edit_link(edit.get(), "more", "end", nullptr);
      } else {
        gst_sl_graph_edit_remove_node(edit.get(), "more");
        gst_sl_graph_edit_remove_node(edit.get(), "end");
      }
      const int64_t begin = monotonic_ns();
      require(gst_sl_graph_edit_commit(edit.get(), nullptr), "an edit was refused");
      times.push_back(ms_between(begin, monotonic_ns()));
    }
    row.details["p99"].push_back(percentile(times, 0.99));
    return Pair{percentile(times, 0.5), 0};
  });
}

// --- Fan-out ---

// CPU time per buffer, all threads, until the stream has ended. The sinks are fused with what comes
// before them on both sides.
double cpu_per_buffer(GstElement *pipeline, int buffers)
{
  const auto bus = adopt_object(gst_element_get_bus(pipeline));
  gst_bus_set_flushing(bus.get(), FALSE);
  const int64_t begin = process_cpu_ns();
  require(gst_element_set_state(pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE,
          "a pipeline does not start");
  const auto message = adopt_mini(
      gst_bus_timed_pop_filtered(bus.get(), 60 * GST_SECOND,
                                 static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  require(message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS, "a stream did not end");
  const int64_t end = process_cpu_ns();
  gst_element_set_state(pipeline, GST_STATE_NULL);
  return static_cast<double>(end - begin) / buffers;
}

Pair fan_out(int branches, int buffers)
{
  const std::string count = std::to_string(buffers);
  std::string launch = "fakesrc num-buffers=" + count + " ! tee name=t";
  std::string nodes = R"("src": {"type": "fakesrc", "config": {"num-buffers": )" + count + "}}";
  std::string links;
  for (int i = 0; i < branches; i++) {
    const std::string n = std::to_string(i);
    launch += " t. ! fakesink async=false";
    nodes += ", \"out" + n +
             R"(": {"type": "fakesink", "config": {"async": false}, "scheduling": "inline"})";
    links += (i == 0 ? "" : ", ") + (R"({"from": "src", "to": "out)" + n) + "\"}";
  }
  const auto theirs = sink_object(gst_parse_launch(launch.c_str(), nullptr));
  const InPipeline ours;
  ours.apply(R"({"nodes": {)" + nodes + R"(}, "links": [)" + links + "]}");
  const double baseline = cpu_per_buffer(theirs.get(), buffers);
  return {cpu_per_buffer(ours.pipeline.get(), buffers), baseline};
}

void run(const Options &options)
{
  measure(options,
          with_budget(row_of("graph-link", "link a graph of 500 nodes", "the compiler's pad links",
                             "gst_element_link", "ms"),
                      Better::kLower, 0.1),
          link_500);
  measure(options,
          row_of("graph-apply", "apply() of a chain of 500 nodes, against making it by hand",
                 "slgraph", "factory_make+bin_add+element_link", "ms"),
          apply_500);
  measure(options,
          with_budget(row_of("graph-start", "starts each second of eight set-ups of 50 ms",
                             "slgraph", "pipeline", "starts"),
                      Better::kHigher, 5),
          start_slow);
  edit_row(options);
  const int buffers = options.is_long ? 1'000'000 : 200'000;
  measure(options,
          row_of("graph-fanout-1", "CPU time a buffer, one branch", "slgraph", "tee", "ns"),
          [&](int, Row &) { return fan_out(1, buffers); });
  measure(options,
          row_of("graph-fanout-3", "CPU time a buffer, three branches", "slgraph", "tee", "ns"),
          [&](int, Row &) { return fan_out(3, buffers); });
}

}  // namespace

}  // namespace streamlib::bench

int main(int argc, char **argv)
{
  using namespace streamlib::bench;
  const Options options = parse_options(argc, argv);
  gst_init(&argc, &argv);
  register_slow();
  run(options);
  return 0;
}
