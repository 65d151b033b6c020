# SPDX-License-Identifier: LGPL-2.1-or-later
"""A session of GStreamer's webrtcbin in either role, sending or receiving the pattern."""
import time

import gi
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
# pylint: disable=wrong-import-position
from gi.repository import GstSdp, GstWebRTC

from media import DECODERS, ENCODERS, PAYLOADERS, Feeder, Gst, Receiver, sources


class Refused(Exception):
    pass


class Session:
    def __init__(self, sends, codec, offers, turn_server=None, relay_only=False, latency=100,
                 feedback_bandwidth=None):
        self.sends, self.codec, self.offers = sends, codec, offers
        self.receiver, self.feeder, self.jitterbuffers = Receiver(), None, []
        self.feedback_bandwidth = feedback_bandwidth
        self.head = f"webrtcbin name=rtc bundle-policy=max-bundle latency={latency} "
        text = self.head
        if relay_only:
            text += f"ice-transport-policy=relay turn-server={turn_server} "
        if sends and offers:
            text += self.sending_text({})
        self._make(text)
        if not sends and offers:
            for name in ("opus", codec):
                kind = "audio" if name == "opus" else "video"
                self._transceiver(f"application/x-rtp,media={kind},{self._rtp_caps(name, {})}",
                                  GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY)

    def _make(self, text):
        self.pipeline = Gst.Pipeline()
        self.pipeline.add(Gst.parse_bin_from_description(text, False))
        self.rtc = self.pipeline.get_by_name("rtc")
        # Reports speak of when a picture was taken, not of when it had waited for the connection.
        rtpbin = self.rtc.get_by_name("rtpbin")
        rtpbin.set_property("rtcp-sync-send-time", False)
        rtpbin.connect("new-jitterbuffer", self._take_jitterbuffer)
        self.rtc.connect("on-new-transceiver", self._take_transceiver)
        self.rtc.connect("pad-added", self._take_pad)

    @staticmethod
    def _take_transceiver(_, transceiver):
        if transceiver.get_property("kind") == GstWebRTC.WebRTCKind.VIDEO:
            transceiver.set_property("do-nack", True)

    def _take_jitterbuffer(self, rtpbin, jitterbuffer, number, _ssrc):
        self.jitterbuffers.append(jitterbuffer)
        if self.feedback_bandwidth:
            rtpbin.emit("get-internal-session", number).set_property("bandwidth", self.feedback_bandwidth)

    def _transceiver(self, caps, direction):
        self.rtc.emit("add-transceiver", direction, Gst.Caps.from_string(caps))

    @staticmethod
    def _rtp_caps(name, payloads):
        _, encoding, rate, payload = PAYLOADERS[name]
        extra = {"opus": ",encoding-params=(string)2",
                 "h264": ",packetization-mode=(string)1,profile-level-id=(string)42e01f"}
        return (f"encoding-name={encoding},clock-rate={rate},"
                f"payload={payloads.get(encoding.upper(), payload)}{extra.get(name, '')}")

    def sending_text(self, payloads):
        """Launch lines of the pattern into webrtcbin; PAYLOADS are those of an offer by encoding."""
        tails = []
        for name in (self.codec, "opus"):
            kind = "audio" if name == "opus" else "video"
            convert = "audioconvert" if kind == "audio" else "videoconvert"
            payload = payloads.get(PAYLOADERS[name][1].upper(), PAYLOADERS[name][3])
            tails.append(f"{convert} ! {ENCODERS[name]} ! {PAYLOADERS[name][0]} pt={payload} ! "
                         f"application/x-rtp,media={kind},{self._rtp_caps(name, payloads)} ! "
                         f"queue ! rtc. ")
        return sources(*tails)

    def _take_pad(self, _rtc, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        encoding = pad.get_current_caps().get_structure(0).get_string("encoding-name").lower()
        tail = Receiver.AUDIO if encoding == "opus" else Receiver.VIDEO
        chain = Gst.parse_bin_from_description(f"queue ! {DECODERS[encoding]} ! {tail}", True)
        self.receiver.attach(chain)
        self.rtc.get_parent().add(chain)
        chain.sync_state_with_parent()
        pad.link(chain.get_static_pad("sink"))

    def _ask(self, action, *arguments):
        promise = Gst.Promise.new()
        self.rtc.emit(action, *arguments, promise)
        if promise.wait() != Gst.PromiseResult.REPLIED:
            raise Refused(f"{action} was interrupted")
        reply = promise.get_reply()
        if reply is not None and reply.has_field("error"):
            raise Refused(f"{action}: {reply.get_value('error').message}")
        return reply

    def _describe(self, kind):
        reply = self._ask("create-" + kind, None)
        own = reply.get_value(kind)
        self._ask("set-local-description", own)
        for _ in range(500):
            state = self.rtc.get_property("ice-gathering-state")
            if state == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
                break
            time.sleep(0.01)
        else:
            raise Refused("candidates were not gathered in 5 s")
        return self.rtc.get_property("local-description").sdp.as_text()

    def _play(self):
        if self.pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            raise Refused("the pipeline does not start")
        if self.pipeline.get_by_name("pattern-video"):
            # What waited for the connection would come all at once.
            self.feeder = Feeder(self.pipeline, may_go=lambda: self.state() == "connected")
            self.feeder.start()

    def offer(self):
        self._play()
        if not self.sends:
            return self._describe("offer")
        for index in range(2):
            self.rtc.emit("get-transceiver", index).set_property(
                "direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        # Caps have to be there for an offer.
        for _ in range(300):
            if all(pad.get_current_caps() for pad in self.rtc.sinkpads):
                break
            time.sleep(0.01)
        return self._describe("offer")

    def accept(self, answer):
        self._ask("set-remote-description", self._parsed(answer, GstWebRTC.WebRTCSDPType.ANSWER))

    @staticmethod
    def _parsed(text, kind):
        _, message = GstSdp.SDPMessage.new_from_text(text)
        return GstWebRTC.WebRTCSessionDescription.new(kind, message)

    def answer(self, offer):
        if self.sends:
            payloads = {}
            for line in offer.splitlines():
                if line.startswith("a=rtpmap:"):
                    payload, encoding = line[9:].split()[:2]
                    payloads.setdefault(encoding.split("/")[0].upper(), payload)
            self._make(self.head + self.sending_text(payloads))
        self._play()
        if self.sends:
            for _ in range(300):
                if len(self.rtc.sinkpads) == 2 and all(p.get_current_caps() for p in self.rtc.sinkpads):
                    break
                time.sleep(0.01)
            # The first pad is that of the pictures.
            self.rtc.emit("get-transceiver", 0).set_property("do-nack", True)
        self._ask("set-remote-description", self._parsed(offer, GstWebRTC.WebRTCSDPType.OFFER))
        return self._describe("answer")

    def state(self):
        return self.rtc.get_property("connection-state").value_nick

    def close(self):
        if self.feeder:
            self.feeder.stop()
        self.pipeline.set_state(Gst.State.NULL)

    def report(self):
        return dict(self.receiver.report(), jitter=self._jitter())

    def _jitter(self):
        """What the jitter buffers of all streams have done."""
        all_stats = [made.get_property("stats") for made in self.jitterbuffers]
        return {name: sum(stats.get_value(name) for stats in all_stats)
                for name in ("num-pushed", "num-lost", "num-late", "num-duplicates", "rtx-count",
                             "rtx-success-count")}
