// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/pipelines/pipeline.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace pipelines {

namespace fs = std::filesystem;

namespace {

// What the suite of this program could not run.
unsigned cases_added = 0;
unsigned cases_left_out = 0;

std::string text_of(const GstStructure *structure)
{
  const streamlib::support::CStr text(gst_structure_to_string(structure));
  return text.get();
}

std::string time_text(GstClockTime time)
{
  return GST_CLOCK_TIME_IS_VALID(time) ? std::to_string(time) : "none";
}

std::string describe_segment(const GstSegment &segment)
{
  char text[256];
  std::snprintf(text, sizeof text, "rate %g applied %g flags %x base %s start %s stop %s time %s",
                segment.rate, segment.applied_rate, segment.flags, time_text(segment.base).c_str(),
                time_text(segment.start).c_str(), time_text(segment.stop).c_str(),
                time_text(segment.time).c_str());
  return text;
}

}  // namespace

// --- Time ---

double slowness()
{
  const char *factor = std::getenv("CK_TIMEOUT_MULTIPLIER");
  return factor != nullptr && std::atof(factor) >= 1 ? std::atof(factor) : 1;
}

GstClockTime limit_s(double seconds)
{
  return static_cast<GstClockTime>(seconds * slowness() * GST_SECOND);
}

bool eventually(const std::function<bool()> &done, double seconds)
{
  const gint64 end = g_get_monotonic_time() + static_cast<gint64>(limit_s(seconds) / 1000);
  while (!done()) {
    if (g_get_monotonic_time() > end)
      return false;
    g_usleep(2000);
  }
  return true;
}

unsigned thread_count()
{
  const fs::directory_iterator tasks("/proc/self/task");
  return static_cast<unsigned>(std::distance(begin(tasks), end(tasks)));
}

// --- Cases ---

bool have_elements(std::initializer_list<const char *> factories)
{
  for (const char *name : factories) {
    const auto factory = adopt_object(gst_element_factory_find(name));
    if (!factory) {
      std::printf("no element %s here\n", name);
      return false;
    }
  }
  return true;
}

void add_case(TCase *tcase, const char *name, TFun test,
              std::initializer_list<const char *> factories)
{
  if (!have_elements(factories)) {
    std::printf("%s is left out\n", name);
    cases_left_out++;
    return;
  }
  cases_added++;
  _tcase_add_test(tcase, test, name, 0, 0, 0, 1);
}

int run_suite(Suite *suite, const char *name, const char *file)
{
  if (cases_added == 0 && cases_left_out > 0)
    return 77;
  return gst_check_run_suite(suite, name, file);
}

// --- TempFolder ---

TempFolder::TempFolder()
{
  std::string pattern = (fs::temp_directory_path() / "streamlib-test-XXXXXX").string();
  fail_unless(mkdtemp(pattern.data()) != nullptr, "no temporary folder can be made");
  path_ = pattern;
}

TempFolder::~TempFolder()
{
  std::error_code error;
  fs::remove_all(path_, error);
}

// --- PadLog ---

std::string describe(GstBuffer *buffer)
{
  constexpr guint kFlags = GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_GAP |
                           GST_BUFFER_FLAG_DELTA_UNIT | GST_BUFFER_FLAG_HEADER;
  const streamlib::support::MappedBuffer map(buffer, GST_MAP_READ);
  guint sum = 1;
  for (gsize i = 0; map && i < map.size(); i++)
    sum = sum * 31 + map.data()[i];
  return "buffer pts " + time_text(GST_BUFFER_PTS(buffer)) + " duration " +
         time_text(GST_BUFFER_DURATION(buffer)) + " size " +
         std::to_string(gst_buffer_get_size(buffer)) + " flags " +
         std::to_string(GST_BUFFER_FLAGS(buffer) & kFlags) + " data " + std::to_string(sum);
}

std::string describe(GstEvent *event)
{
  std::string text = std::string("event ") + GST_EVENT_TYPE_NAME(event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_CAPS: {
      GstCaps *caps;
      gst_event_parse_caps(event, &caps);
      return text + " " + text_of(gst_caps_get_structure(caps, 0));
    }
    case GST_EVENT_SEGMENT: {
      const GstSegment *segment;
      gst_event_parse_segment(event, &segment);
      return text + " " + describe_segment(*segment);
    }
    case GST_EVENT_GAP: {
      GstClockTime start, duration;
      gst_event_parse_gap(event, &start, &duration);
      return text + " " + time_text(start) + " " + time_text(duration);
    }
    case GST_EVENT_FLUSH_STOP: {
      gboolean reset;
      gst_event_parse_flush_stop(event, &reset);
      return text + " " + std::to_string(reset);
    }
    case GST_EVENT_TAG: {
      GstTagList *tags;
      gst_event_parse_tag(event, &tags);
      const streamlib::support::CStr tag_text(gst_tag_list_to_string(tags));
      return text + " " + tag_text.get();
    }
    case GST_EVENT_CUSTOM_DOWNSTREAM:
    case GST_EVENT_CUSTOM_DOWNSTREAM_OOB:
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
      return text + " " + text_of(gst_event_get_structure(event));
    default:
      return text;
  }
}

PadLog::PadLog(GstPad *pad, What what)
{
  int types = GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST;
  if (what == Events)
    types = 0;
  if (what & Events)
    types |= GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH;
  probe_ = PadProbe(pad, static_cast<GstPadProbeType>(types), note, this);
}

GstPadProbeReturn PadLog::note(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  auto *self = static_cast<PadLog *>(data);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    self->add(describe(GST_PAD_PROBE_INFO_BUFFER(info)));
  } else if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST(info);
    self->add("list of " + std::to_string(gst_buffer_list_length(list)));
    for (guint i = 0; i < gst_buffer_list_length(list); i++)
      self->add("  " + describe(gst_buffer_list_get(list, i)));
  } else {
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
    if (GST_EVENT_IS_DOWNSTREAM(event))
      self->add(describe(event));
  }
  return GST_PAD_PROBE_OK;
}

void PadLog::add(std::string line)
{
  const std::lock_guard<std::mutex> lock(mutex_);
  lines_.push_back(std::move(line));
}

std::vector<std::string> PadLog::lines() const
{
  const std::lock_guard<std::mutex> lock(mutex_);
  return lines_;
}

size_t PadLog::count(const char *prefix) const
{
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<size_t>(
      std::count_if(lines_.begin(), lines_.end(),
                    [prefix](const std::string &line) { return line.rfind(prefix, 0) == 0; }));
}

void PadLog::clear()
{
  const std::lock_guard<std::mutex> lock(mutex_);
  lines_.clear();
}

// --- Pipeline ---

Pipeline::Pipeline(const std::string &description)
{
  GError *error = nullptr;
  GstElement *made = gst_parse_launch(description.c_str(), &error);
  fail_unless(made != nullptr && error == nullptr, "%s: %s", description.c_str(),
              error != nullptr ? error->message : "no pipeline");
  pipeline_ = sink_object(made);
  fail_unless(GST_IS_PIPELINE(made), "%s is no pipeline", description.c_str());
  bus_ = adopt_object(gst_element_get_bus(made));
}

Pipeline::~Pipeline()
{
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  gst_bus_set_flushing(bus_.get(), TRUE);
}

GObjectPtr<GstElement> Pipeline::element(const char *name) const
{
  auto found = adopt_object(gst_bin_get_by_name(bin(), name));
  fail_unless(static_cast<bool>(found), "no element %s", name);
  return found;
}

GObjectPtr<GstPad> Pipeline::pad(const char *element_name, const char *pad_name) const
{
  const auto owner = element(element_name);
  auto found = adopt_object(gst_element_get_static_pad(owner.get(), pad_name));
  fail_unless(static_cast<bool>(found), "no pad %s of %s", pad_name, element_name);
  return found;
}

void Pipeline::begin(GstState state)
{
  fail_if(gst_element_set_state(get(), state) == GST_STATE_CHANGE_FAILURE, "cannot go to %s",
          gst_element_state_get_name(state));
}

void Pipeline::go(GstState state, double seconds)
{
  begin(state);
  GstState current, pending;
  const GstStateChangeReturn result =
      gst_element_get_state(get(), &current, &pending, limit_s(seconds));
  fail_if(result == GST_STATE_CHANGE_FAILURE || result == GST_STATE_CHANGE_ASYNC,
          "%s is not reached: %s, current %s pending %s", gst_element_state_get_name(state),
          gst_element_state_change_return_get_name(result), gst_element_state_get_name(current),
          gst_element_state_get_name(pending));
}

MiniPtr<GstMessage> Pipeline::poll(GstMessageType types, double seconds)
{
  return adopt_mini(gst_bus_timed_pop_filtered(bus_.get(), limit_s(seconds), types));
}

MiniPtr<GstMessage> Pipeline::expect(GstMessageType types, double seconds)
{
  const auto wanted = static_cast<GstMessageType>(types | GST_MESSAGE_ERROR);
  auto message = poll(wanted, seconds);
  fail_unless(static_cast<bool>(message), "no message of the types %x came", types);
  if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ERROR && !(types & GST_MESSAGE_ERROR)) {
    GError *error = nullptr;
    gchar *debug = nullptr;
    gst_message_parse_error(message.get(), &error, &debug);
    ck_abort_msg("%s: %s (%s)", GST_MESSAGE_SRC_NAME(message.get()), error->message, debug);
  }
  return message;
}

MiniPtr<GstMessage> Pipeline::expect_element_message(const char *name, double seconds)
{
  const gint64 end = g_get_monotonic_time() + static_cast<gint64>(limit_s(seconds) / 1000);
  while (g_get_monotonic_time() < end) {
    auto message = poll(GST_MESSAGE_ELEMENT, 0.05);
    if (message && gst_message_has_name(message.get(), name))
      return message;
  }
  ck_abort_msg("no message %s came", name);
  return nullptr;
}

void Pipeline::run(double seconds)
{
  begin(GST_STATE_PLAYING);
  expect(GST_MESSAGE_EOS, seconds);
}

void Pipeline::seek(double rate, GstSeekFlags flags, GstClockTime start, GstClockTime stop)
{
  const bool done = gst_element_seek(
      get(), rate, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET, static_cast<gint64>(start),
      GST_CLOCK_TIME_IS_VALID(stop) ? GST_SEEK_TYPE_SET : GST_SEEK_TYPE_NONE,
      static_cast<gint64>(stop));
  fail_unless(done, "the seek is refused");
}

GstClockTime Pipeline::position() const
{
  gint64 position = -1;
  return gst_element_query_position(get(), GST_FORMAT_TIME, &position)
             ? static_cast<GstClockTime>(position)
             : GST_CLOCK_TIME_NONE;
}

std::string with_link(std::string description, const std::string &link)
{
  for (size_t at; (at = description.find("LINK")) != std::string::npos;)
    description.replace(at, 4, link);
  return description;
}

guint64 stat(GstElement *link, const char *field)
{
  GstStructure *raw = nullptr;
  g_object_get(link, "stats", &raw, nullptr);
  const StructurePtr stats(raw);
  const GValue *value = gst_structure_get_value(raw, field);
  fail_unless(value != nullptr, "stats has no field %s", field);
  return G_VALUE_HOLDS_UINT(value) ? g_value_get_uint(value) : g_value_get_uint64(value);
}

}  // namespace pipelines
