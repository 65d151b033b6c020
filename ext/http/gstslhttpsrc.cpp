// SPDX-License-Identifier: LGPL-2.1-or-later
// A source of what HTTP servers answer.

/**
 * SECTION:element-slhttpsrc
 * @title: slhttpsrc
 * @see_also: souphttpsrc, GstSlProcessor
 *
 * Fetches from an HTTP or HTTPS server, once or each #GstSlHttpSrc:interval. Every answer is one
 * buffer: a picture, a document, a measured value. It waits without a thread: any number of these
 * elements run on the I/O thread of their runtime (scheduling=async, the only one that it has). A
 * file that is to be played while it comes, or that one wants to seek in, is for souphttpsrc.
 *
 * An answer that the server knows to be unchanged (ETag, Last-Modified; status 304) gives no
 * buffer. What may pass is tried again #GstSlHttpSrc:retries times: no connection, a break in the
 * middle, the statuses 408, 429, 500, 502, 503 and 504. Redirects are followed.
 *
 * The source is live by default: buffers are stamped with the running time of their arrival, and
 * none comes before PLAYING. What blocks in the push blocks the I/O thread, and so all the others:
 * put an #sllink in front of a sink that waits for the clock, with #GstSlHttpSrc:is-live at FALSE,
 * and where a pipeline has several sinks, unless these have async=false: a sink that prerolls waits
 * for the others.
 *
 * Errors: RESOURCE/NOT_FOUND (404, 410, unknown host), NOT_AUTHORIZED (401, 403, 407), BUSY (429,
 * 503), OPEN_READ (other statuses, no connection, TLS), READ (a broken or too long answer) and
 * SETTINGS (a bad address). docs/elements/slhttpsrc.md says more.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 slhttpsrc location=http://localhost:8000/radar.png ! pngdec ! videoconvert !
 * fakevideosink sync=false
 * ]| Show a picture.
 * |[
 * gst-launch-1.0 slhttpsrc location=http://localhost:8000/value.json interval=50000000
 * num-buffers=3 retries=5 ! fakesink dump=true
 * ]| Ask for a value twenty times a second, until it has changed three times.
 * |[
 * gst-launch-1.0 slhttpsrc location=http://localhost:8000/big.bin blocksize=65536 is-live=false !
 * sllink ! fakesink
 * ]| A long answer in blocks, as fast as the sink takes them.
 *
 * Since: 0.1
 */
#include "config.h"

#include "ext/http/gstslhttpsrc.h"

#include <cstring>
#include <memory>

#include "ext/http/httpanswer.h"
#include "ext/http/httpfetch.h"
#include "gst/streamlib/processor_await.h"
#include "gst/support/guards.h"

GST_DEBUG_CATEGORY_STATIC(gst_sl_http_src_debug);
#define GST_CAT_DEFAULT gst_sl_http_src_debug

namespace {

using namespace streamlib::support;
using streamlib::http::Answer;
using streamlib::http::Figures;
using streamlib::http::Request;
using streamlib::http::Validators;

constexpr const char *kDefaultUserAgent = "gst-streamlib/" PACKAGE_VERSION;
constexpr guint kDefaultTimeoutMs = 30000;
constexpr guint kDefaultRetries = 3;
constexpr guint kDefaultRetryDelayMs = 500;
constexpr guint64 kDefaultMaxBytes = 64 * 1024 * 1024;
constexpr guint kMaxBlock = 16 * 1024 * 1024;

enum class Prop : guint {
  Location = 1,
  Interval,
  Headers,
  UserAgent,
  Timeout,
  Retries,
  RetryDelay,
  MaxBytes,
  Blocksize,
  NumBuffers,
  Caps,
  IsLive,
  SslStrict,
  Stats,
};

GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

// What a user may set; guarded by the object lock.
struct Settings {
  Settings()
  {
    request.user_agent = kDefaultUserAgent;
    request.timeout_ms = kDefaultTimeoutMs;
    request.retries = kDefaultRetries;
    request.retry_delay_ms = kDefaultRetryDelayMs;
    request.max_bytes = kDefaultMaxBytes;
  }
  Request request;
  StructurePtr headers;
  MiniPtr<GstCaps> caps;
  GstClockTime interval = 0;
  gint num_buffers = -1;
  bool is_live = true;
};

// What runs; the I/O thread, and the thread that sets it up before and after that.
struct State {
  Validators known;
  MiniPtr<GstCaps> caps;
  gint answers = 0;
  // The last push of a block.
  GstFlowReturn flow = GST_FLOW_OK;
  bool has_data = false;
};

}  // namespace

struct GstSlHttpSrcPrivate {
  Settings settings;
  State state;
  Figures figures;
};

struct _GstSlHttpSrc {
  GstSlProcessor parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlHttpSrc, gst_sl_http_src, GST_TYPE_SL_PROCESSOR,
                              G_ADD_PRIVATE(GstSlHttpSrc))

namespace {

GstSlHttpSrcPrivate &priv_of(gpointer self)
{
  return *static_cast<GstSlHttpSrcPrivate *>(
      gst_sl_http_src_get_instance_private(GST_SL_HTTP_SRC(self)));
}

// --- Output. In a step. ---

GstFlowReturn prepare_output(GstSlHttpSrc *self, GstBuffer *buffer, const std::string &type)
{
  State &state = priv_of(self).state;
  MiniPtr<GstCaps> caps;
  bool is_live;
  {
    const ObjectLock lock(self);
    caps = priv_of(self).settings.caps;
    is_live = priv_of(self).settings.is_live;
  }
  if (!caps)
    caps = streamlib::http::caps_of(GST_OBJECT(self), buffer, type);
  if (!state.caps || !gst_caps_is_equal(state.caps.get(), caps.get())) {
    if (!gst_sl_processor_set_src_caps(GST_SL_PROCESSOR(self), nullptr, caps.get()))
      return GST_FLOW_NOT_NEGOTIATED;
    state.caps = caps;
  }
  if (is_live)
    GST_BUFFER_PTS(buffer) = gst_element_get_current_running_time(GST_ELEMENT(self));
  return GST_FLOW_OK;
}

streamlib::http::BlockTask push_block(GstSlHttpSrc *self, GCancellable *operation,
                                      MiniPtr<GstBuffer> block, std::string type)
{
  Outcome<Done> step = co_await streamlib::space(GST_SL_PROCESSOR(self), operation);
  if (!step)
    co_return step.take_error();
  State &state = priv_of(self).state;
  // Caps are those of the beginning of an answer.
  if (GST_BUFFER_OFFSET(block.get()) == 0)
    state.flow = prepare_output(self, block.get(), type);
  if (state.flow == GST_FLOW_OK)
    state.flow = gst_sl_processor_push(GST_SL_PROCESSOR(self), nullptr, block.release());
  state.has_data = true;
  co_return state.flow == GST_FLOW_OK;
}

// --- One answer ---

Request current_request(GstSlHttpSrc *self)
{
  const ObjectLock lock(self);
  const Settings &settings = priv_of(self).settings;
  Request request = settings.request;
  const GstStructure *headers = settings.headers.get();
  for (gint i = 0; headers != nullptr && i < gst_structure_n_fields(headers); i++) {
    const gchar *name = gst_structure_nth_field_name(headers, static_cast<guint>(i));
    const GValue *value = gst_structure_get_value(headers, name);
    if (G_VALUE_HOLDS_STRING(value) && g_value_get_string(value) != nullptr)
      request.headers.emplace_back(name, g_value_get_string(value));
    else if (!G_VALUE_HOLDS_STRING(value))
      request.headers.emplace_back(name, CStr(gst_value_serialize(value)).get());
  }
  return request;
}

void process_async(GstSlProcessor *processor, GstSlLinkPad *, GstBuffer *,
                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  GstSlHttpSrc *self = GST_SL_HTTP_SRC(processor);
  GstSlHttpSrcPrivate &priv = priv_of(self);
  priv.state.has_data = false;
  priv.state.flow = GST_FLOW_OK;
  const auto task = adopt_object(g_task_new(self, cancellable, callback, data));
  g_task_set_check_cancellable(task.get(), FALSE);
  const auto session =
      share_object(streamlib::http::session_of(gst_sl_processor_get_runtime(processor)));
  // The task keeps the element, and the cancellable, until the end.
  auto on_block = [self, cancellable](MiniPtr<GstBuffer> block, const std::string &type) {
    return push_block(self, cancellable, std::move(block), type);
  };
  run<Outcome<Answer>>(streamlib::http::fetch(session, current_request(self), &priv.state.known,
                                              &priv.figures, on_block),
                       cancellable, [task](Outcome<Answer> outcome) {
                         if (outcome)
                           g_task_return_pointer(
                               task.get(), new Answer(std::move(*outcome)),
                               [](gpointer answer) { delete static_cast<Answer *>(answer); });
                         else
                           g_task_return_error(task.get(), outcome.take_error().release());
                       });
}

// After an answer that was given out.
GstFlowReturn count_answer(GstSlHttpSrc *self)
{
  State &state = priv_of(self).state;
  const ObjectLock lock(self);
  const Settings &settings = priv_of(self).settings;
  state.answers++;
  const bool is_last = settings.interval == 0 ||
                       (settings.num_buffers >= 0 && state.answers >= settings.num_buffers);
  return is_last ? GST_FLOW_EOS : GST_FLOW_OK;
}

GstFlowReturn process_finish(GstSlProcessor *processor, GAsyncResult *result, GstBuffer **output,
                             GError **error)
{
  GstSlHttpSrc *self = GST_SL_HTTP_SRC(processor);
  const std::unique_ptr<Answer> answer(
      static_cast<Answer *>(g_task_propagate_pointer(G_TASK(result), error)));
  if (answer == nullptr)
    return GST_FLOW_ERROR;
  const State &state = priv_of(self).state;
  if (state.flow != GST_FLOW_OK)
    return state.flow;
  if (!answer->is_modified)
    return GST_FLOW_OK;
  if (!state.has_data) {
    // An empty answer is an answer.
    MiniPtr<GstBuffer> buffer = answer->data ? answer->data : adopt_mini(gst_buffer_new());
    const GstFlowReturn flow = prepare_output(self, buffer.get(), answer->content_type);
    if (flow != GST_FLOW_OK)
      return flow;
    answer->data.reset();
    GST_BUFFER_OFFSET(buffer.get()) = static_cast<guint64>(state.answers);
    *output = buffer.release();
  }
  return count_answer(self);
}

gboolean setup(GstSlProcessor *processor, GError **error)
{
  GstSlHttpSrcPrivate &priv = priv_of(processor);
  std::string location;
  bool is_live;
  {
    const ObjectLock lock(processor);
    location = priv.settings.request.location;
    is_live = priv.settings.is_live;
  }
  priv.state = State();
  priv.figures.clear();
  gst_sl_processor_set_live(processor, is_live);
  GError *failure = nullptr;
  GUri *uri = g_uri_parse(location.c_str(), static_cast<GUriFlags>(SOUP_HTTP_URI_FLAGS), &failure);
  const ErrorPtr owned(failure);
  const char *scheme = uri != nullptr ? g_uri_get_scheme(uri) : "";
  const char *host = uri != nullptr ? g_uri_get_host(uri) : nullptr;
  const bool is_http = (g_str_equal(scheme, "http") || g_str_equal(scheme, "https")) &&
                       host != nullptr && host[0] != '\0' && strpbrk(host, " \t\r\n") == nullptr;
  g_clear_pointer(&uri, g_uri_unref);
  if (is_http)
    return TRUE;
  g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
              "\"%s\" is no HTTP address%s%s. Set location to one such as "
              "http://example.org/picture.jpg.",
              location.c_str(), failure != nullptr ? ": " : "",
              failure != nullptr ? failure->message : "");
  return FALSE;
}

// --- Properties ---

// The base class steps by its own property of the same name.
void forward_interval(GstSlHttpSrc *self, GstClockTime interval)
{
  if (interval == 0)
    return;
  auto *parent = G_OBJECT_CLASS(gst_sl_http_src_parent_class);
  GParamSpec *spec = g_object_class_find_property(parent, "interval");
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_UINT64);
  g_value_set_uint64(&value, interval);
  parent->set_property(G_OBJECT(self), spec->param_id, &value, spec);
  g_value_unset(&value);
}

GstStructure *make_stats(GstSlHttpSrc *self)
{
  GValue value = G_VALUE_INIT;
  g_value_init(&value, GST_TYPE_STRUCTURE);
  auto *parent = G_OBJECT_CLASS(gst_sl_http_src_parent_class);
  GParamSpec *spec = g_object_class_find_property(parent, "stats");
  parent->get_property(G_OBJECT(self), spec->param_id, &value, spec);
  auto *stats = static_cast<GstStructure *>(g_value_dup_boxed(&value));
  g_value_unset(&value);
  const Figures &figures = priv_of(self).figures;
  gst_structure_set(stats, "requests", G_TYPE_UINT64, figures.requests.load(), "answers",
                    G_TYPE_UINT64, figures.answers.load(), "not-modified", G_TYPE_UINT64,
                    figures.not_modified.load(), "bytes", G_TYPE_UINT64, figures.bytes.load(),
                    "retries", G_TYPE_UINT64, figures.retries.load(), "last-status", G_TYPE_UINT,
                    figures.last_status.load(), "last-latency", G_TYPE_UINT64,
                    figures.last_latency_ns.load(), nullptr);
  return stats;
}

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
  GstSlHttpSrc *self = GST_SL_HTTP_SRC(object);
  const auto text = [value] {
    const char *set = g_value_get_string(value);
    return std::string(set != nullptr ? set : "");
  };
  if (static_cast<Prop>(id) == Prop::Interval)
    forward_interval(self, g_value_get_uint64(value));
  const ObjectLock lock(self);
  Settings &settings = priv_of(self).settings;
  Request &request = settings.request;
  switch (static_cast<Prop>(id)) {
    case Prop::Location:
      request.location = text();
      break;
    case Prop::Interval:
      settings.interval = g_value_get_uint64(value);
      break;
    case Prop::Headers:
      settings.headers.reset(static_cast<GstStructure *>(g_value_dup_boxed(value)));
      break;
    case Prop::UserAgent:
      request.user_agent = text();
      break;
    case Prop::Timeout:
      request.timeout_ms = g_value_get_uint(value);
      break;
    case Prop::Retries:
      request.retries = g_value_get_uint(value);
      break;
    case Prop::RetryDelay:
      request.retry_delay_ms = g_value_get_uint(value);
      break;
    case Prop::MaxBytes:
      request.max_bytes = g_value_get_uint64(value);
      break;
    case Prop::Blocksize:
      request.block_bytes = g_value_get_uint(value);
      break;
    case Prop::NumBuffers:
      settings.num_buffers = g_value_get_int(value);
      break;
    case Prop::Caps:
      settings.caps = share_mini(const_cast<GstCaps *>(gst_value_get_caps(value)));
      break;
    case Prop::IsLive:
      settings.is_live = g_value_get_boolean(value) != FALSE;
      break;
    case Prop::SslStrict:
      request.is_strict = g_value_get_boolean(value) != FALSE;
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  GstSlHttpSrc *self = GST_SL_HTTP_SRC(object);
  if (static_cast<Prop>(id) == Prop::Stats) {
    g_value_take_boxed(value, make_stats(self));
    return;
  }
  const ObjectLock lock(self);
  const Settings &settings = priv_of(self).settings;
  const Request &request = settings.request;
  switch (static_cast<Prop>(id)) {
    case Prop::Location:
      g_value_set_string(value, request.location.empty() ? nullptr : request.location.c_str());
      break;
    case Prop::Interval:
      g_value_set_uint64(value, settings.interval);
      break;
    case Prop::Headers:
      g_value_set_boxed(value, settings.headers.get());
      break;
    case Prop::UserAgent:
      g_value_set_string(value, request.user_agent.c_str());
      break;
    case Prop::Timeout:
      g_value_set_uint(value, request.timeout_ms);
      break;
    case Prop::Retries:
      g_value_set_uint(value, request.retries);
      break;
    case Prop::RetryDelay:
      g_value_set_uint(value, request.retry_delay_ms);
      break;
    case Prop::MaxBytes:
      g_value_set_uint64(value, request.max_bytes);
      break;
    case Prop::Blocksize:
      g_value_set_uint(value, request.block_bytes);
      break;
    case Prop::NumBuffers:
      g_value_set_int(value, settings.num_buffers);
      break;
    case Prop::Caps:
      gst_value_set_caps(value, settings.caps.get());
      break;
    case Prop::IsLive:
      g_value_set_boolean(value, settings.is_live);
      break;
    case Prop::SslStrict:
      g_value_set_boolean(value, request.is_strict);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void finalize(GObject *object)
{
  std::destroy_at(&priv_of(object));
  G_OBJECT_CLASS(gst_sl_http_src_parent_class)->finalize(object);
}

void install_properties(GObjectClass *klass)
{
  constexpr auto kNextRequest = static_cast<GParamFlags>(
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  constexpr auto kInReady = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                     GST_PARAM_MUTABLE_READY);
  const auto install = [klass](Prop id, GParamSpec *spec) {
    g_object_class_install_property(klass, static_cast<guint>(id), spec);
  };
  install(Prop::Location,
          g_param_spec_string("location", "Location", "The http or https address to fetch from",
                              nullptr, kInReady));
  install(Prop::Interval,
          g_param_spec_uint64("interval", "Interval",
                              "The time from one request to the next, in nanoseconds (0 = one "
                              "answer, then EOS); those that an answer outlasts are left out",
                              0, G_MAXINT64, 0, kNextRequest));
  install(Prop::Headers,
          g_param_spec_boxed("headers", "Headers",
                             "Header fields of the requests: headers=\"h,Authorization=(string)"
                             "\\\"Bearer x\\\"\"; a field that the element sets itself is replaced",
                             GST_TYPE_STRUCTURE, kNextRequest));
  install(Prop::UserAgent,
          g_param_spec_string("user-agent", "User agent", "What the element calls itself",
                              kDefaultUserAgent, kNextRequest));
  install(Prop::Timeout,
          g_param_spec_uint("timeout", "Timeout",
                            "How long one attempt may take, in milliseconds (0 = no limit). With "
                            "blocksize: how long the server may say nothing",
                            0, G_MAXUINT, kDefaultTimeoutMs, kNextRequest));
  install(Prop::Retries,
          g_param_spec_uint("retries", "Retries",
                            "How many more attempts a request has where the failure may pass", 0,
                            G_MAXUINT, kDefaultRetries, kNextRequest));
  install(Prop::RetryDelay,
          g_param_spec_uint("retry-delay", "Retry delay",
                            "The time before the first of them, in milliseconds: doubled for each "
                            "further one up to a minute, less up to a half by chance, and not "
                            "shorter than the server's Retry-After (up to five minutes)",
                            0, G_MAXUINT, kDefaultRetryDelayMs, kNextRequest));
  install(Prop::MaxBytes,
          g_param_spec_uint64("max-bytes", "Maximum size",
                              "An answer of more bytes, after decompression, is an error (0 = no "
                              "limit)",
                              0, G_MAXUINT64, kDefaultMaxBytes, kNextRequest));
  install(Prop::Blocksize,
          g_param_spec_uint("blocksize", "Block size",
                            "Push an answer while it comes, in buffers of up to so many bytes (0 = "
                            "in one buffer when it is complete)",
                            0, kMaxBlock, 0, kNextRequest));
  install(Prop::NumBuffers, g_param_spec_int("num-buffers", "Number of answers",
                                             "EOS after so many changed answers (-1 = without end)",
                                             -1, G_MAXINT, -1, kNextRequest));
  install(Prop::Caps,
          g_param_spec_boxed("caps", "Caps",
                             "What the answers are (NULL = by their first bytes, else by their "
                             "Content-Type)",
                             GST_TYPE_CAPS, kNextRequest));
  install(Prop::IsLive,
          g_param_spec_boolean("is-live", "Live",
                               "Stamp buffers with the running time of their arrival, and ask for "
                               "none before PLAYING. FALSE needs an sllink behind the element",
                               TRUE, kInReady));
  install(Prop::SslStrict,
          g_param_spec_boolean("ssl-strict", "Check certificates",
                               "Take certificates only that the system trusts; FALSE takes any, "
                               "for tests",
                               TRUE, kNextRequest));
  /**
   * GstSlHttpSrc:stats:
   *
   * The figures of #GstSlProcessor:stats, and since PAUSED: `requests` (attempts), `answers`,
   * `not-modified`, `bytes`, `retries`, `last-status` (the last HTTP status) and `last-latency`
   * (nanoseconds from the last request to the end of its answer).
   *
   * Since: 0.1
   */
  install(Prop::Stats,
          g_param_spec_boxed("stats", "Statistics", "The figures of the processor and its requests",
                             GST_TYPE_STRUCTURE,
                             static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

}  // namespace

static void gst_sl_http_src_class_init(GstSlHttpSrcClass *klass)
{
  GST_DEBUG_CATEGORY_INIT(gst_sl_http_src_debug, "slhttpsrc", 0, "HTTP source");
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties(object_class);

  GstSlProcessorClass *processor_class = GST_SL_PROCESSOR_CLASS(klass);
  processor_class->setup = setup;
  processor_class->process_async = process_async;
  processor_class->process_finish = process_finish;

  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "HTTP source without a thread",
                                        "Source/Network",
                                        "Fetches and polls from HTTP and HTTPS servers, any number "
                                        "of them on one thread",
                                        "The gst-streamlib authors");
}

static void gst_sl_http_src_init(GstSlHttpSrc *self)
{
  std::construct_at(&priv_of(self));
  gst_sl_processor_set_execution(GST_SL_PROCESSOR(self), GST_SL_EXECUTION_CONTINUOUS);
  g_object_set(self, "scheduling", GST_SL_SCHEDULING_ASYNC, nullptr);
}

GST_ELEMENT_REGISTER_DEFINE(slhttpsrc, "slhttpsrc", GST_RANK_NONE, GST_TYPE_SL_HTTP_SRC)
