// SPDX-License-Identifier: LGPL-2.1-or-later
// Lost Opus packets are made up for, and the decoder's latency is what that takes.
#pragma once

#include <cstddef>

#include <gst/gst.h>

namespace streamlib::webrtc {

// How long one packet sounds, by its first two bytes (RFC 6716 §3.1, §3.2); 0 where it is none.
GstClockTime opus_packet_duration(const guint8 *data, size_t size);

// Of a decoder of Opus, before it has anything to decode. What is lost is taken from the next
// packet (in-band FEC) where `latency`, that of the jitter buffer, is at least a packet, and
// guessed otherwise. The decoder says 120 ms for the wait, the longest packet that there is; here
// it is the longest one that came.
void make_opus_patient(GstElement *decoder, GstClockTime latency);

}  // namespace streamlib::webrtc
