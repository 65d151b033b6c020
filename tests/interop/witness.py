# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client under observation: what it says, in which states it is, and what its pads give."""
import sys
import time

import clients
from media import Gst


class Witness:
    def __init__(self, peer, publishes, codec="vp8", **options):
        self.peer, self.publishes = peer, publishes
        url = peer.whip() if publishes else peer.whep(codec)
        self.client = clients.Ours(url, codec, publishes, **options)
        self.begin = time.monotonic()
        self.states, self.warnings, self.removed, self.backwards = [], [], [], []
        self.discontinuities, self._last = 0, {}
        self.client.element.connect("notify::state", self._note_state)
        self.client.element.connect("pad-removed", lambda _, pad: self.removed.append(pad.get_name()))
        self.client.element.connect("pad-added", self._watch)
        self.client.start()

    def now(self):
        return round(time.monotonic() - self.begin, 2)

    def _note_state(self, *_):
        self.states.append((self.now(), self.client.state()))

    def _watch(self, _, pad):
        if pad.get_direction() == Gst.PadDirection.SRC:
            pad.add_probe(Gst.PadProbeType.BUFFER, self._take)

    def _take(self, pad, info):
        """Running time that does not go on is noted."""
        buffer, name = info.get_buffer(), pad.get_name()
        segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()
        running = segment.to_running_time(Gst.Format.TIME, buffer.pts)
        if running == Gst.CLOCK_TIME_NONE or running < self._last.get(name, 0):
            self.backwards.append((name, self._last.get(name, 0), running))
        self._last[name] = running
        self.discontinuities += buffer.has_flags(Gst.BufferFlags.DISCONT)
        return Gst.PadProbeReturn.OK

    def listen(self, seconds):
        """For so long, or until a message is there."""
        bus = self.client.pipeline.get_bus()
        message = bus.timed_pop_filtered(int(seconds * Gst.SECOND), Gst.MessageType.ERROR |
                                         Gst.MessageType.WARNING | Gst.MessageType.EOS)
        if message is None:
            return
        if message.type == Gst.MessageType.WARNING:
            error, debug = message.parse_warning()
            self.warnings.append((self.now(), error.message, debug))
            return
        if message.type == Gst.MessageType.EOS:
            raise AssertionError("EOS, although nothing has ended")
        error, debug = message.parse_error()
        raise AssertionError(f"{message.src.get_name()}: {error.message} ({debug})")

    def until(self, condition, seconds, what):
        """How long it took until the condition held."""
        begin = time.monotonic()
        while not condition():
            if time.monotonic() - begin > seconds:
                raise AssertionError(f"{what}: not within {seconds} s")
            self.listen(0.05)
        return time.monotonic() - begin

    def rest(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.listen(end - time.monotonic())

    def sessions(self):
        return self.peer.report()

    def frames(self):
        """Of video, at the peer or here, in all sessions of the peer as it runs now."""
        if self.publishes:
            return sum(session["video"]["frames"] for session in self.sessions())
        return self.client.report()["video"]["frames"]

    def count(self, field):
        return self.client.stats().get_uint(field)[1]

    def transport(self, field):
        stats = self.client.stats()  # Kept: the inner structure is a part of it.
        inner = stats.get_value("transport")
        return inner.get_value(field) if inner else None

    def until_pictures(self, seconds, what, number=30):
        before = self.frames()
        return self.until(lambda: self.frames() >= before + number, seconds, what)

    def said(self, *words):
        return any(all(word in text for word in words) for _, text, _ in self.warnings)

    def check_pads(self):
        assert not self.removed, f"pads were removed: {self.removed}"
        steps = [(name, (after - before) // 1000) for name, before, after in self.backwards]
        assert not steps, f"running time went back, in microseconds: {steps}"

    def tell(self):
        print("states:", self.states, "\nwarnings:", *self.warnings, sep="\n  ", file=sys.stderr)
        print(self.client.stats().to_string(), file=sys.stderr)
        sys.stderr.flush()

    def stop(self):
        self.client.stop()
