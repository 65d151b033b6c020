#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""aiortc as a peer: it decodes what is published, and sends the pattern to who plays.

usage: aiortc_peer.py [--wrong-fingerprint]

With the option its answers name the fingerprint of another certificate. What comes in at its sockets
is counted below ICE and DTLS, by the first byte of a datagram (RFC 7983).
"""
import array
import asyncio
import collections
import fractions
import re
import sys
import time

import aioice.ice
import aiortc
import aiortc.rtcrtpreceiver
import av
import numpy

import endpoint
import pattern

# The time stamps of the packets, which is what reports of the sender speak of.
aiortc.rtcrtpreceiver.TimestampMapper.map = lambda self, timestamp: timestamp

datagrams = collections.Counter()
codecs = []  # Of the video that came, as they changed.


def count_datagrams():
    receive, send = aioice.ice.StunProtocol.datagram_received, aioice.ice.Connection.send

    def received(self, data, addr):
        first = data[0] if data else 0
        kind = "media" if 128 <= first < 192 else "dtls" if 20 <= first < 64 else "stun"
        datagrams["received_" + kind] += 1
        return receive(self, data, addr)

    async def sent(self, data):
        datagrams["sent_media" if 128 <= data[0] < 192 else "sent_dtls"] += 1
        return await send(self, data)

    aioice.ice.StunProtocol.datagram_received = received
    aioice.ice.Connection.send = sent


def note_codecs():
    make = aiortc.rtcrtpreceiver.get_decoder

    def made(codec):
        if codec.mimeType.startswith("video/"):
            codecs.append(codec.mimeType)
        return make(codec)

    aiortc.rtcrtpreceiver.get_decoder = made


class PatternVideo(aiortc.VideoStreamTrack):
    def __init__(self, begin):
        super().__init__()
        self.begin, self.number = begin, 0

    async def recv(self):
        await asyncio.sleep(max(0, self.begin + self.number / pattern.FPS - time.monotonic()))
        data = numpy.frombuffer(pattern.frame_i420(self.number), dtype=numpy.uint8)
        frame = av.VideoFrame.from_ndarray(data.reshape(-1, pattern.WIDTH), format="yuv420p")
        frame.pts = self.number * 90000 // pattern.FPS
        frame.time_base = fractions.Fraction(1, 90000)
        self.number += 1
        return frame


class PatternAudio(aiortc.mediastreams.AudioStreamTrack):
    SIZE = 960

    def __init__(self, begin):
        super().__init__()
        self.begin, self.number = begin, 0
        self.sound = numpy.array(pattern.second_of_sound(), dtype=numpy.int16)

    async def recv(self):
        await asyncio.sleep(max(0, self.begin + self.number * 0.02 - time.monotonic()))
        start = self.number * self.SIZE % pattern.RATE * pattern.CHANNELS
        data = self.sound[start:start + self.SIZE * pattern.CHANNELS].reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout="stereo")
        frame.sample_rate = pattern.RATE
        frame.pts = self.number * self.SIZE
        frame.time_base = fractions.Fraction(1, pattern.RATE)
        self.number += 1
        return frame


class Session:
    def __init__(self, plays, query):
        self.plays, self.codec = plays, query.get("codec", "vp8")
        self.peer = aiortc.RTCPeerConnection()
        self.picture, self.sound = pattern.PictureCheck(), pattern.SoundCheck()
        self.times, self.reports, self.tasks = {"audio": [], "video": []}, {}, []
        self.states = []
        self.peer.on("connectionstatechange", lambda: self.states.append(self.peer.connectionState))
        self.peer.on("track", self.take)

    def take(self, track):
        self.tasks.append(asyncio.ensure_future(self.read(track)))

    async def read(self, track):
        is_video = track.kind == "video"
        while True:
            try:
                frame = await track.recv()
            except aiortc.mediastreams.MediaStreamError:
                return
            seconds = frame.pts / (90000 if is_video else pattern.RATE)
            if is_video:
                frame = frame.reformat(format="yuv420p")
                planes = [bytes(plane) for plane in frame.planes]
                pixels = pattern.points_of_planes(planes, [plane.line_size for plane in frame.planes],
                                                  frame.width, frame.height)
                self.picture.add(pixels, seconds, [frame.width, frame.height])
            else:
                samples = array.array("h", bytes(frame.planes[0])[:frame.samples * 4])
                self.sound.add(samples, seconds)

    async def answer(self, offer):
        if self.plays:
            # Before the offer is taken, which decides about codecs.
            begin = time.monotonic() + 0.1
            codecs = aiortc.RTCRtpSender.getCapabilities("video").codecs
            for track in (PatternVideo(begin), PatternAudio(begin)):
                made = self.peer.addTransceiver(track, "sendonly")
                if track.kind == "video":
                    made.setCodecPreferences(
                        [c for c in codecs if c.mimeType.lower() == "video/" + self.codec])
        await self.peer.setRemoteDescription(aiortc.RTCSessionDescription(offer, "offer"))
        await self.peer.setLocalDescription(await self.peer.createAnswer())
        for transceiver in self.peer.getTransceivers():
            self.note_reports(transceiver.kind, transceiver.receiver)
        text = self.peer.localDescription.sdp
        if "--wrong-fingerprint" in sys.argv:
            other = aiortc.RTCCertificate.generateCertificate().getFingerprints()[0]
            text = re.sub(r"(a=fingerprint:)sha-256 \S+", rf"\g<1>{other.algorithm} {other.value}", text)
            text = re.sub(r"a=fingerprint:sha-(384|512).*\r\n", "", text)
        return text

    def note_reports(self, kind, receiver):
        handle = receiver._handle_rtcp_packet  # pylint: disable=protected-access

        async def note(packet):
            info = getattr(packet, "sender_info", None)
            if info is not None:
                self.reports[kind] = (info.ntp_timestamp / 2**32, info.rtp_timestamp)
            await handle(packet)

        receiver._handle_rtcp_packet = note

    def offset(self):
        """By the clock of the sender, which its reports relate to the time stamps."""
        if len(self.reports) < 2:
            return None
        shifts = {kind: ntp - stamp / (90000 if kind == "video" else pattern.RATE)
                  for kind, (ntp, stamp) in self.reports.items()}
        return pattern.offset_ms([flash + shifts["video"] for flash in self.picture.flashes],
                                 [burst + shifts["audio"] for burst in self.sound.bursts])

    async def close(self):
        await self.peer.close()
        for task in self.tasks:
            task.cancel()

    def report(self):
        return {"plays": self.plays, "states": self.states, "video": self.picture.report(),
                "audio": self.sound.report(), "offset_ms": self.offset(), "codecs": codecs,
                "datagrams": dict(datagrams), "reports": self.reports,
                "flashes": self.picture.flashes[-5:], "bursts": self.sound.bursts[-5:]}


if __name__ == "__main__":
    count_datagrams()
    note_codecs()
    asyncio.run(endpoint.Endpoint(Session).serve())
