// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-sltestsrc
 * @title: sltestsrc
 * @see_also: videotestsrc, audiotestsrc, fakesrc, GstSlExecutor
 *
 * A live source of test pictures, of a tone, or of buffers without content, one each
 * #GstSlProcessor:interval. It needs no thread: by default it runs on the runtime's executor, where
 * hundreds of sources share a few threads and their wake-ups.
 *
 * A picture is eight colour bars with a white line that moves by one column a frame; the frame rate
 * is the one that downstream wants, or else 1 / interval. Sound is a sine wave; each buffer is as
 * long as the interval. A buffer's time is that of the tick it was made for; when ticks were
 * missed, the next buffer carries DISCONT, and #GstSlProcessor:stats counts them in `missed-ticks`.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 sltestsrc media=video num-buffers=60 !
 * video/x-raw,width=320,height=240,framerate=30/1 ! sllink scheduling=pooled ! videoconvert !
 * fakevideosink
 * ]|
 * |[
 * gst-launch-1.0 sltestsrc media=audio num-buffers=100 ! sllink scheduling=pooled ! audioconvert !
 * fakesink sync=true
 * ]|
 * A live stream without any thread of its own:
 * |[
 * gst-launch-1.0 sltestsrc num-buffers=100 ! sllink scheduling=pooled ! fakesink
 * ]|
 *
 * Since: 0.1
 */
#include "gst/core/gstsltestsrc.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "gst/core/testsignal.h"
#include "gst/support/ownership.h"

GST_DEBUG_CATEGORY_STATIC(gst_sl_test_src_debug);
#define GST_CAT_DEFAULT gst_sl_test_src_debug

using streamlib::core::TestPicture;
using streamlib::core::TestTone;
using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::GObjectPtr;
using streamlib::support::MiniPtr;

namespace {

enum class Prop : guint { Media = 1, NumBuffers, Frequency, Volume };

enum Media { kEmpty, kVideo, kAudio };

constexpr gint kDefaultNumBuffers = -1;
constexpr gdouble kDefaultFrequency = 440;
constexpr gdouble kMaxFrequency = 20000;
constexpr gdouble kDefaultVolume = 0.8;
constexpr gint kDefaultWidth = 320;
constexpr gint kDefaultHeight = 240;
constexpr gint kDefaultRate = 48000;
constexpr gint kDefaultChannels = 1;
constexpr guint kPoolBuffers = 8;

GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

const char kAudioCaps[] =
    "audio/x-raw, format=(string){ " GST_AUDIO_NE(F32) ", " GST_AUDIO_NE(S16) " }, "
    "rate=(int)[ 1, MAX ], channels=(int)[ 1, 64 ], layout=(string)interleaved";

struct Settings {
  std::atomic<Media> media = kEmpty;
  std::atomic<gint> num_buffers = kDefaultNumBuffers;
  std::atomic<gdouble> frequency = kDefaultFrequency;
  std::atomic<gdouble> volume = kDefaultVolume;
};

struct TestSrcState {
  Settings settings;

  // The processor's thread.
  TestPicture picture;
  TestTone tone;
  GstVideoInfo video = {};
  GstAudioInfo audio = {};
  GObjectPtr<GstBufferPool> pool;
  bool is_negotiated = false;
  // The time and the number of the first tick of these caps, and how many buffers there were.
  GstClockTime origin = GST_CLOCK_TIME_NONE;
  guint64 tick = 0;
  guint64 made = 0;
};

GType media_get_type()
{
  static gsize id = 0;
  static const GEnumValue values[] = {{kEmpty, "Buffers without content or caps", "empty"},
                                      {kVideo, "Colour bars with a moving line", "video"},
                                      {kAudio, "A sine wave", "audio"},
                                      {0, nullptr, nullptr}};
  if (g_once_init_enter(&id))
    g_once_init_leave(&id, g_enum_register_static("GstSlTestSrcMedia", values));
  return id;
}

}  // namespace

typedef TestSrcState GstSlTestSrcPrivate;

struct _GstSlTestSrc {
  GstSlProcessor parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlTestSrc, gst_sl_test_src, GST_TYPE_SL_PROCESSOR,
                              G_ADD_PRIVATE(GstSlTestSrc))

static TestSrcState &gst_sl_test_src_state(gpointer self)
{
  return *static_cast<TestSrcState *>(gst_sl_test_src_get_instance_private(GST_SL_TEST_SRC(self)));
}

// --- Caps ---

static MiniPtr<GstCaps> gst_sl_test_src_video_caps()
{
  GValue formats = G_VALUE_INIT;
  g_value_init(&formats, GST_TYPE_LIST);
  for (int i = GST_VIDEO_FORMAT_I420; i <= GST_VIDEO_FORMAT_NV12; i++) {
    const auto format = static_cast<GstVideoFormat>(i);
    if (!TestPicture::draws(format))
      continue;
    GValue name = G_VALUE_INIT;
    g_value_init(&name, G_TYPE_STRING);
    g_value_set_static_string(&name, gst_video_format_to_string(format));
    gst_value_list_append_and_take_value(&formats, &name);
  }
  auto caps = adopt_mini(gst_caps_from_string(
      "video/x-raw, width=(int)[ 1, MAX ], height=(int)[ 1, MAX ], framerate=(fraction)[ 1/1000, "
      "1000/1 ]"));
  gst_caps_set_value(caps.get(), "format", &formats);
  g_value_unset(&formats);
  return caps;
}

static MiniPtr<GstCaps> gst_sl_test_src_possible_caps(Media media)
{
  return media == kVideo ? gst_sl_test_src_video_caps()
                         : adopt_mini(gst_caps_from_string(kAudioCaps));
}

static MiniPtr<GstCaps> gst_sl_test_src_fixate(Media media, MiniPtr<GstCaps> caps,
                                               GstClockTime interval)
{
  auto fixed = adopt_mini(gst_caps_make_writable(gst_caps_truncate(caps.release())));
  GstStructure *structure = gst_caps_get_structure(fixed.get(), 0);
  if (media == kVideo) {
    gst_structure_fixate_field_nearest_int(structure, "width", kDefaultWidth);
    gst_structure_fixate_field_nearest_int(structure, "height", kDefaultHeight);
    gint n, d;
    gst_util_double_to_fraction(interval > 0 ? gdouble(GST_SECOND) / gdouble(interval) : 30, &n,
                                &d);
    gst_structure_fixate_field_nearest_fraction(structure, "framerate", n, d);
  } else {
    gst_structure_fixate_field_nearest_int(structure, "rate", kDefaultRate);
    gst_structure_fixate_field_nearest_int(structure, "channels", kDefaultChannels);
    gint channels;
    // More than two channels have places only if somebody says so.
    if (gst_structure_get_int(structure, "channels", &channels) && channels > 2 &&
        !gst_structure_has_field(structure, "channel-mask"))
      gst_structure_set(structure, "channel-mask", GST_TYPE_BITMASK, G_GUINT64_CONSTANT(0),
                        nullptr);
  }
  return adopt_mini(gst_caps_fixate(fixed.release()));
}

static bool gst_sl_test_src_make_pool(TestSrcState &state, GstCaps *caps, gsize size)
{
  if (state.pool)
    gst_buffer_pool_set_active(state.pool.get(), FALSE);
  state.pool = adopt_object(gst_sl_buffer_pool_new());
  GstStructure *config = gst_buffer_pool_get_config(state.pool.get());
  gst_buffer_pool_config_set_params(config, caps, static_cast<guint>(size), kPoolBuffers, 0);
  return gst_buffer_pool_set_config(state.pool.get(), config) &&
         gst_buffer_pool_set_active(state.pool.get(), TRUE);
}

static bool gst_sl_test_src_use_caps(GstSlTestSrc *self, Media media, GstCaps *caps)
{
  TestSrcState &state = gst_sl_test_src_state(self);
  if (media == kVideo) {
    if (!gst_video_info_from_caps(&state.video, caps) ||
        !gst_sl_test_src_make_pool(state, caps, GST_VIDEO_INFO_SIZE(&state.video)))
      return false;
    state.picture.set_info(state.video);
    g_object_set(self, "interval",
                 gst_util_uint64_scale(GST_SECOND, GST_VIDEO_INFO_FPS_D(&state.video),
                                       GST_VIDEO_INFO_FPS_N(&state.video)),
                 nullptr);
    return true;
  }
  if (!gst_audio_info_from_caps(&state.audio, caps))
    return false;
  const guint64 samples =
      gst_util_uint64_scale_ceil(gst_sl_processor_get_interval(GST_SL_PROCESSOR(self)),
                                 GST_AUDIO_INFO_RATE(&state.audio), GST_SECOND);
  state.tone.set_info(state.audio);
  return gst_sl_test_src_make_pool(state, caps, (samples + 1) * GST_AUDIO_INFO_BPF(&state.audio));
}

static bool gst_sl_test_src_negotiate(GstSlTestSrc *self, GstPad *pad)
{
  TestSrcState &state = gst_sl_test_src_state(self);
  const Media media = state.settings.media.load();
  const MiniPtr<GstCaps> possible = gst_sl_test_src_possible_caps(media);
  MiniPtr<GstCaps> allowed = adopt_mini(gst_pad_peer_query_caps(pad, possible.get()));
  if (!allowed || gst_caps_is_empty(allowed.get())) {
    gst_sl_processor_report_error(GST_SL_PROCESSOR(self), GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                                  "Downstream takes nothing that the test source can make: look at "
                                  "the property media, and at "
                                  "the caps after the source.",
                                  "the intersection of the caps is empty");
    return false;
  }
  const MiniPtr<GstCaps> caps = gst_sl_test_src_fixate(
      media, std::move(allowed), gst_sl_processor_get_interval(GST_SL_PROCESSOR(self)));
  const MiniPtr<GstCaps> current = adopt_mini(gst_pad_get_current_caps(pad));
  if (current && gst_caps_is_equal(current.get(), caps.get()) && state.is_negotiated)
    return true;
  if (!gst_sl_test_src_use_caps(self, media, caps.get())) {
    gst_sl_processor_report_error(GST_SL_PROCESSOR(self), GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                                  "The test source cannot make what downstream wants.", nullptr);
    return false;
  }
  state.origin = GST_CLOCK_TIME_NONE;
  return gst_sl_processor_set_src_caps(GST_SL_PROCESSOR(self), pad, caps.get()) != FALSE;
}

// --- Buffers ---

// The time of a tick, from the first one.
static GstClockTime gst_sl_test_src_time_of(const TestSrcState &state, GstClockTime interval,
                                            guint64 tick)
{
  if (state.settings.media.load() == kVideo)
    return gst_util_uint64_scale(tick * GST_SECOND, GST_VIDEO_INFO_FPS_D(&state.video),
                                 GST_VIDEO_INFO_FPS_N(&state.video));
  return tick * interval;
}

// The number of the tick that is being worked on: the next one, or a later one if it was missed.
static guint64 gst_sl_test_src_next_tick(TestSrcState &state, GstClockTime now,
                                         GstClockTime interval)
{
  if (!GST_CLOCK_TIME_IS_VALID(state.origin)) {
    state.origin = GST_CLOCK_TIME_IS_VALID(now) ? now : 0;
    return 0;
  }
  const guint64 next = state.tick + 1;
  const GstClockTime due = state.origin + gst_sl_test_src_time_of(state, interval, next);
  if (!GST_CLOCK_TIME_IS_VALID(now) || interval == 0 || now < due + interval)
    return next;
  return next + (now - due) / interval;
}

static bool gst_sl_test_src_fill(TestSrcState &state, Media media, GstBuffer *buffer,
                                 GstClockTime interval)
{
  if (media == kVideo)
    return state.picture.draw(buffer, state.tick);
  const auto rate = static_cast<guint64>(GST_AUDIO_INFO_RATE(&state.audio));
  const guint64 first = gst_util_uint64_scale_round(state.tick * interval, rate, GST_SECOND);
  const guint64 end = gst_util_uint64_scale_round((state.tick + 1) * interval, rate, GST_SECOND);
  const auto samples = static_cast<unsigned>(end - first);
  gst_buffer_set_size(buffer, static_cast<gssize>(samples) * GST_AUDIO_INFO_BPF(&state.audio));
  GST_BUFFER_OFFSET(buffer) = first;
  GST_BUFFER_OFFSET_END(buffer) = end;
  return state.tone.play(buffer, first, samples, state.settings.frequency.load(),
                         state.settings.volume.load());
}

static GstBuffer *gst_sl_test_src_make(TestSrcState &state, GstFlowReturn *flow)
{
  if (!state.pool)
    return gst_buffer_new();
  GstBuffer *buffer = nullptr;
  *flow = gst_buffer_pool_acquire_buffer(state.pool.get(), &buffer, nullptr);
  return buffer;
}

static GstFlowReturn gst_sl_test_src_process(GstSlProcessor *processor, GstSlLinkPad *, GstBuffer *,
                                             GstBuffer **output)
{
  GstSlTestSrc *self = GST_SL_TEST_SRC(processor);
  TestSrcState &state = gst_sl_test_src_state(self);
  const Media media = state.settings.media.load();
  const gint limit = state.settings.num_buffers.load();
  if (limit >= 0 && state.made >= static_cast<guint64>(limit))
    return GST_FLOW_EOS;
  auto *pad = GST_PAD(GST_ELEMENT(self)->srcpads->data);
  if (media != kEmpty && (gst_pad_check_reconfigure(pad) || !state.is_negotiated)) {
    if (!gst_sl_test_src_negotiate(self, pad))
      return GST_FLOW_NOT_NEGOTIATED;
    state.is_negotiated = true;
  }
  const GstClockTime interval = gst_sl_processor_get_interval(GST_SL_PROCESSOR(self));
  const guint64 before = state.tick;
  const bool is_first = !GST_CLOCK_TIME_IS_VALID(state.origin);
  state.tick =
      gst_sl_test_src_next_tick(state, gst_sl_processor_get_running_time(processor), interval);
  GstFlowReturn flow = GST_FLOW_OK;
  GstBuffer *buffer = gst_sl_test_src_make(state, &flow);
  if (buffer == nullptr)
    return flow;
  const GstClockTime pts = gst_sl_test_src_time_of(state, interval, state.tick);
  GST_BUFFER_PTS(buffer) = state.origin + pts;
  GST_BUFFER_DURATION(buffer) = gst_sl_test_src_time_of(state, interval, state.tick + 1) - pts;
  GST_BUFFER_OFFSET(buffer) = state.tick;
  if (media != kEmpty && !gst_sl_test_src_fill(state, media, buffer, interval)) {
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  }
  if (is_first || state.tick != before + 1)
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  state.made++;
  *output = buffer;
  return GST_FLOW_OK;
}

static gboolean gst_sl_test_src_setup(GstSlProcessor *processor, GError **)
{
  TestSrcState &state = gst_sl_test_src_state(processor);
  state.is_negotiated = false;
  state.origin = GST_CLOCK_TIME_NONE;
  state.tick = state.made = 0;
  return TRUE;
}

static void gst_sl_test_src_teardown(GstSlProcessor *processor)
{
  TestSrcState &state = gst_sl_test_src_state(processor);
  if (state.pool)
    gst_buffer_pool_set_active(state.pool.get(), FALSE);
  state.pool.reset();
}

// --- GObject ---

static void gst_sl_test_src_set_property(GObject *object, guint id, const GValue *value,
                                         GParamSpec *spec)
{
  Settings &settings = gst_sl_test_src_state(object).settings;
  switch (static_cast<Prop>(id)) {
    case Prop::Media:
      if (!gst_sl_processor_is_stopping(GST_SL_PROCESSOR(object))) {
        GST_ELEMENT_WARNING(object, RESOURCE, SETTINGS,
                            ("media can be changed in the states NULL and READY only; it stays as "
                             "it is."),
                            (nullptr));
        break;
      }
      settings.media = static_cast<Media>(g_value_get_enum(value));
      break;
    case Prop::NumBuffers:
      settings.num_buffers = g_value_get_int(value);
      break;
    case Prop::Frequency:
      settings.frequency = g_value_get_double(value);
      break;
    case Prop::Volume:
      settings.volume = g_value_get_double(value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_sl_test_src_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  const Settings &settings = gst_sl_test_src_state(object).settings;
  switch (static_cast<Prop>(id)) {
    case Prop::Media:
      g_value_set_enum(value, settings.media);
      break;
    case Prop::NumBuffers:
      g_value_set_int(value, settings.num_buffers);
      break;
    case Prop::Frequency:
      g_value_set_double(value, settings.frequency);
      break;
    case Prop::Volume:
      g_value_set_double(value, settings.volume);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_sl_test_src_finalize(GObject *object)
{
  std::destroy_at(&gst_sl_test_src_state(object));
  G_OBJECT_CLASS(gst_sl_test_src_parent_class)->finalize(object);
}

static void gst_sl_test_src_install_properties(GObjectClass *object_class)
{
  constexpr auto kInReady = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                     GST_PARAM_MUTABLE_READY);
  constexpr auto kAlways = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                    GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property(object_class, static_cast<guint>(Prop::Media),
                                  g_param_spec_enum("media", "Media", "What the buffers hold",
                                                    media_get_type(), kEmpty, kInReady));
  g_object_class_install_property(
      object_class, static_cast<guint>(Prop::NumBuffers),
      g_param_spec_int("num-buffers", "Buffers", "How many buffers before EOS (-1 = no end)", -1,
                       G_MAXINT, kDefaultNumBuffers, kAlways));
  g_object_class_install_property(object_class, static_cast<guint>(Prop::Frequency),
                                  g_param_spec_double("freq", "Frequency", "Of the tone, in Hz", 0,
                                                      kMaxFrequency, kDefaultFrequency, kAlways));
  g_object_class_install_property(object_class, static_cast<guint>(Prop::Volume),
                                  g_param_spec_double("volume", "Volume", "Of the tone, linear", 0,
                                                      1, kDefaultVolume, kAlways));
}

static void gst_sl_test_src_class_init(GstSlTestSrcClass *klass)
{
  GST_DEBUG_CATEGORY_INIT(gst_sl_test_src_debug, "sltestsrc", 0, "live test source");
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_sl_test_src_set_property;
  object_class->get_property = gst_sl_test_src_get_property;
  object_class->finalize = gst_sl_test_src_finalize;
  gst_sl_test_src_install_properties(object_class);

  GstSlProcessorClass *processor_class = GST_SL_PROCESSOR_CLASS(klass);
  processor_class->setup = gst_sl_test_src_setup;
  processor_class->teardown = gst_sl_test_src_teardown;
  processor_class->process = gst_sl_test_src_process;

  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "Live Test Source", "Source/Test",
      "Makes test pictures, a tone or empty buffers in real time, without a thread of its own",
      "The gst-streamlib authors");
  gst_type_mark_as_plugin_api(media_get_type(), static_cast<GstPluginAPIFlags>(0));
}

static void gst_sl_test_src_init(GstSlTestSrc *self)
{
  std::construct_at(&gst_sl_test_src_state(self));
  GstSlProcessor *processor = GST_SL_PROCESSOR(self);
  gst_sl_processor_set_execution(processor, GST_SL_EXECUTION_CONTINUOUS);
  gst_sl_processor_set_live(processor, TRUE);
  g_object_set(self, "scheduling", GST_SL_SCHEDULING_POOLED, nullptr);
}

GST_ELEMENT_REGISTER_DEFINE(sltestsrc, "sltestsrc", GST_RANK_NONE, GST_TYPE_SL_TEST_SRC)
