// SPDX-License-Identifier: LGPL-2.1-or-later
// What a session with a peer counts, as one structure.
#include "ext/webrtc/session/gstslpacketsource.h"
#include "ext/webrtc/session/session_core.h"

namespace streamlib::webrtc {

using support::adopt_object;
using support::MutexLock;
using support::StructurePtr;

namespace {

guint64 get_number(const GstStructure *source, const char *field)
{
  guint64 big = 0;
  guint small = 0;
  gint number = 0;
  if (gst_structure_get_uint64(source, field, &big))
    return big;
  if (gst_structure_get_uint(source, field, &small))
    return small;
  if (gst_structure_get_int(source, field, &number))
    return static_cast<guint64>(number);
  return 0;
}

bool get_flag(const GstStructure *source, const char *field)
{
  gboolean flag = FALSE;
  gst_structure_get_boolean(source, field, &flag);
  return flag != FALSE;
}

void add_up(GstStructure *stats, const char *field, guint64 more)
{
  gst_structure_set(stats, field, G_TYPE_UINT64, get_number(stats, field) + more, nullptr);
}

guint64 get_property_number(GstElement *element, const char *property)
{
  guint value = 0;
  if (element != nullptr)
    g_object_get(element, property, &value, nullptr);
  return value;
}

}  // namespace

// The counters of rtpsession, under names that say from which side they are.
void SessionCore::append_source_stats(GValue *list, const GstStructure *source) const
{
  const bool is_ours = get_flag(source, "internal");
  const auto ssrc = static_cast<guint>(get_number(source, "ssrc"));
  const char *way = is_ours ? "sent" : "recv";
  const auto count = [&](const char *what) {
    return get_number(source, (std::string(way) + "-" + what + "-count").c_str());
  };
  StructurePtr entry(gst_structure_new(
      "ssrc", "ssrc", G_TYPE_UINT, ssrc, "local", G_TYPE_BOOLEAN, is_ours, "is-sender",
      G_TYPE_BOOLEAN, get_flag(source, "is-sender"), "bye", G_TYPE_BOOLEAN,
      get_flag(source, "received-bye"), "packets", G_TYPE_UINT64,
      get_number(source, is_ours ? "packets-sent" : "packets-received"), "bytes", G_TYPE_UINT64,
      get_number(source, is_ours ? "octets-sent" : "octets-received"), "jitter", G_TYPE_UINT64,
      get_number(source, "jitter"), "plis", G_TYPE_UINT64, count("pli"), "firs", G_TYPE_UINT64,
      count("fir"), "nacks", G_TYPE_UINT64, count("nack"), nullptr));
  gint lost = 0;
  // rtpsession knows no loss before the first report.
  if (gst_structure_get_int(source, "packets-lost", &lost) && lost > 0)
    gst_structure_set(entry.get(), "lost", G_TYPE_UINT64, static_cast<guint64>(lost), nullptr);
  else
    gst_structure_set(entry.get(), "lost", G_TYPE_UINT64, guint64{0}, nullptr);
  if (get_flag(source, "have-rb"))
    // In units of 1/65536 s (RFC 3550 §6.4.1); here in nanoseconds.
    gst_structure_set(entry.get(), "rtt", G_TYPE_UINT64,
                      gst_util_uint64_scale(get_number(source, "rb-round-trip"), GST_SECOND, 65536),
                      "remote-lost", G_TYPE_UINT64, get_number(source, "rb-packetslost"), nullptr);
  GValue value = G_VALUE_INIT;
  g_value_init(&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed(&value, entry.release());
  gst_value_list_append_and_take_value(list, &value);
}

StructurePtr SessionCore::jitterbuffer_stats(GstElement *jitterbuffer)
{
  GstStructure *raw = nullptr;
  g_object_get(jitterbuffer, "stats", &raw, nullptr);
  const StructurePtr own(raw);
  StructurePtr stats(gst_structure_new_empty("jitterbuffer"));
  for (const auto &[field, source] :
       {std::pair("jitter-pushed", "num-pushed"), std::pair("jitter-lost", "num-lost"),
        std::pair("jitter-late", "num-late"), std::pair("jitter-duplicates", "num-duplicates"),
        std::pair("rtx-requested", "rtx-count"), std::pair("rtx-recovered", "rtx-success-count")})
    gst_structure_set(stats.get(), field, G_TYPE_UINT64, own ? get_number(own.get(), source) : 0,
                      nullptr);
  return stats;
}

void SessionCore::add_jitterbuffer_stats(GstStructure *sum, const GstStructure *more)
{
  for (const char *field : {"jitter-pushed", "jitter-lost", "jitter-late", "jitter-duplicates",
                            "rtx-requested", "rtx-recovered"})
    add_up(sum, field, get_number(more, field));
}

void SessionCore::append_jitterbuffer_stats(GstStructure *stats) const
{
  std::vector<GObjectPtr<GstElement>> jitterbuffers;
  {
    const MutexLock lock(streams_mutex_);
    for (const auto &[ssrc, jitterbuffer] : jitterbuffers_)
      jitterbuffers.push_back(jitterbuffer);
    add_jitterbuffer_stats(stats, gone_stats_.get());
  }
  for (const auto &jitterbuffer : jitterbuffers)
    add_jitterbuffer_stats(stats, jitterbuffer_stats(jitterbuffer.get()).get());
}

bool SessionCore::begin_look() const
{
  const MutexLock lock(look_mutex_);
  if (is_ending_)
    return false;
  lookers_++;
  return true;
}

void SessionCore::end_look() const
{
  const MutexLock lock(look_mutex_);
  lookers_--;
  g_cond_broadcast(&looked_);
}

void SessionCore::for_each_source(const std::function<void(const GstStructure *)> &visit) const
{
  // rtpsession empties its table without its lock when it stops.
  if (!session_ || GST_STATE_TARGET(rtpbin_.get()) < GST_STATE_PAUSED || !begin_look())
    return;
  GstStructure *raw = nullptr;
  g_object_get(session_.get(), "stats", &raw, nullptr);
  end_look();
  const StructurePtr all(raw);
  const GValue *sources = all ? gst_structure_get_value(all.get(), "source-stats") : nullptr;
  const auto *array =
      sources != nullptr ? static_cast<const GValueArray *>(g_value_get_boxed(sources)) : nullptr;
  for (guint i = 0; array != nullptr && i < array->n_values; i++)
    visit(gst_value_get_structure(array->values + i));
}

StructurePtr SessionCore::stats() const
{
  StructurePtr stats(gst_structure_new_empty("session"));
  GValue list = G_VALUE_INIT;
  g_value_init(&list, GST_TYPE_LIST);
  for_each_source([&](const GstStructure *source) { append_source_stats(&list, source); });
  gst_structure_take_value(stats.get(), "ssrcs", &list);

  guint64 asked_in = 0;
  guint64 passed_in = 0;
  guint64 asked_out = 0;
  guint64 passed_out = 0;
  for (const auto &section : sections_) {
    asked_in += section->incoming->asked();
    passed_in += section->incoming->passed();
    asked_out += section->outgoing->asked();
    passed_out += section->outgoing->passed();
  }
  guint64 dropped_no_key = dropped_no_key_;
  guint64 streams = 0;
  {
    const MutexLock lock(streams_mutex_);
    streams = chains_.size();
    for (const auto &[section, chain] : chains_)
      dropped_no_key += chain->dropped_no_key();
  }
  append_jitterbuffer_stats(stats.get());
  const StructurePtr link(gst_sl_link_pad_get_stats(GST_SL_LINK_PAD(entry_.get())));
  gst_structure_set(
      stats.get(), "streams", G_TYPE_UINT64, streams, "keyframe-requests-received", G_TYPE_UINT64,
      asked_in, "keyframe-requests-obeyed", G_TYPE_UINT64, passed_in, "keyframe-requests-wanted",
      G_TYPE_UINT64, asked_out, "keyframe-requests-sent", G_TYPE_UINT64, passed_out,
      "dropped-unassociated", G_TYPE_UINT64, unassociated_.load(), "dropped-payload-type",
      G_TYPE_UINT64, unknown_payload_type_.load(), "dropped-malformed", G_TYPE_UINT64,
      malformed_.load(), "dropped-no-keyframe", G_TYPE_UINT64, dropped_no_key, "rtx-sent",
      G_TYPE_UINT64, get_property_number(rtx_send_.get(), "num-rtx-packets"), "rtx-asked-for",
      G_TYPE_UINT64, rtx_asked_for_.load(), "rtx-received", G_TYPE_UINT64,
      get_property_number(rtx_receive_.get(), "num-rtx-packets"), "rtx-associated", G_TYPE_UINT64,
      get_property_number(rtx_receive_.get(), "num-rtx-assoc-packets"), "link", GST_TYPE_STRUCTURE,
      link.get(), nullptr);
  return stats;
}

}  // namespace streamlib::webrtc
