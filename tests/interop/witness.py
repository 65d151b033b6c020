# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client under observation: what it says, in which states it is, and what its pads give."""
import sys
import time

import clients
import pattern
from media import Gst

# How far what a pad gives is behind the clock: the latency, a decoder, and a machine with more to do.
MOST_BEHIND_SECONDS = 1.5
# What has to come in the seconds after an outage, of 30 pictures and 100 blocks of sound in each.
SHOWN_SECONDS, LEAST_SHOWN, LEAST_HEARD = 4, 90, 300
OFFSET_LIMIT_MS = 15


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

    def _reports(self):
        return self.sessions() if self.publishes else [self.client.report()]

    def frames(self):
        """Of video, at the peer or here, in all sessions of the peer as it runs now. Who decodes counts
        those that are of the pattern."""
        return sum(told["video"]["frames"] - told["video"].get("bad", 0) for told in self._reports())

    def count(self, field):
        return self.client.stats().get_uint(field)[1]

    def transport(self, field):
        stats = self.client.stats()  # Kept: the inner structure is a part of it.
        inner = stats.get_value("transport")
        return inner.get_value(field) if inner else None

    def until_pictures(self, seconds, what, number=30):
        before = self.frames()
        return self.until(lambda: self.frames() >= before + number, seconds, what)

    def check_pattern(self):
        """What comes now is the pattern again: its colours, its tone, and both in time. Nothing to see
        where the peer only counts."""
        if not self._reports()[-1].get("decodes", True):
            return
        if not self.publishes:
            # Of what comes from now on.
            self.client.receiver.picture, self.client.receiver.sound = pattern.PictureCheck(), pattern.SoundCheck()
        before = self._reports()[-1]
        self.rest(SHOWN_SECONDS)
        self._check_times()
        told = self._reports()[-1]
        shown, wrong = (told["video"][what] - before["video"][what] for what in ("frames", "bad"))
        heard = told["audio"]["blocks"] - before["audio"]["blocks"]
        print(f"afterwards, in {SHOWN_SECONDS} s: {shown} pictures, {wrong} of other colours; {heard / 100} s of "
              f"sound; {told['offset_ms']} ms apart")
        assert shown >= LEAST_SHOWN and wrong == 0, told
        assert heard >= LEAST_HEARD and abs(told["audio"]["tone_hz"] - pattern.TONE_HZ) <= 60, told
        assert told["offset_ms"] is not None and abs(told["offset_ms"]) <= OFFSET_LIMIT_MS, told

    def _check_times(self):
        """The running time goes on by the clock, whatever has been in between."""
        if self.publishes:
            return
        now = self.client.element.get_current_running_time()
        behind = {name: round((now - last) / Gst.SECOND, 2) for name, last in self._last.items()}
        print("seconds behind the clock:", behind)
        assert len(behind) == 2 and all(-0.2 <= seconds <= MOST_BEHIND_SECONDS
                                        for seconds in behind.values()), f"behind the clock: {behind}"

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
