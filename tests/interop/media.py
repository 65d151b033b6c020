# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pattern as live sources of GStreamer, and sinks that check it."""
import array
import threading
import time

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
# pylint: disable=wrong-import-position
from gi.repository import Gst, GstApp  # noqa: F401

import pattern

Gst.init(None)

RAW_VIDEO = (f"video/x-raw,format=I420,width={pattern.WIDTH},height={pattern.HEIGHT},"
             f"framerate={pattern.FPS}/1")
RAW_AUDIO = (f"audio/x-raw,format=S16LE,layout=interleaved,rate={pattern.RATE},"
             f"channels={pattern.CHANNELS}")
ENCODERS = {
    "vp8": "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=30 target-bitrate=800000",
    "vp9": "vp9enc deadline=1 cpu-used=8 lag-in-frames=0 keyframe-max-dist=30 target-bitrate=800000",
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=800 ! "
            "video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au",
    "opus": "opusenc bitrate=64000",
}
DECODERS = {
    "vp8": "rtpvp8depay ! vp8dec",
    "vp9": "rtpvp9depay ! vp9dec",
    "h264": "rtph264depay ! h264parse ! avdec_h264",
    "opus": "rtpopusdepay ! opusdec",
}
PAYLOADERS = {
    "vp8": ("rtpvp8pay", "VP8", 90000, 96),
    "vp9": ("rtpvp9pay", "VP9", 90000, 99),
    "h264": ("rtph264pay config-interval=-1 aggregate-mode=zero-latency", "H264", 90000, 97),
    "opus": ("rtpopuspay", "OPUS", 48000, 98),
}


def sources(video_tail, audio_tail):
    """Launch lines of the live pattern; the tails say where it goes."""
    return (f"appsrc name=pattern-video format=time is-live=true block=true max-buffers=2 "
            f"max-bytes=0 caps={RAW_VIDEO} ! clocksync ! {video_tail} "
            f"appsrc name=pattern-audio format=time is-live=true block=true max-buffers=2 "
            f"max-bytes=0 caps={RAW_AUDIO} ! clocksync ! {audio_tail} ")


class Feeder:
    """Feeds the sources of a pipeline until it is stopped, or for a number of seconds, then EOS. Where
    MAY_GO is there, what follows the first buffers waits until it says yes."""

    def __init__(self, pipeline, seconds=None, may_go=None):
        self.sound = pattern.second_of_sound().tobytes()
        self.pipeline, self.seconds, self.may_go = pipeline, seconds, may_go
        self.is_stopped = False
        self.waited = None if may_go else 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._feed, args=(pipeline.get_by_name(name), make),
                                         daemon=True)
                        for name, make in (("pattern-video", self._picture),
                                           ("pattern-audio", self._sound))]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.is_stopped = True

    @staticmethod
    def _picture(number):
        return (pattern.frame_i420(number % 240), number * Gst.SECOND // pattern.FPS,
                Gst.SECOND // pattern.FPS)

    def _sound(self, number):
        start = number % 50 * 3840
        return self.sound[start:start + 3840], number * 20 * Gst.MSECOND, 20 * Gst.MSECOND

    def _wait(self):
        """How much later everything is for the wait, the same for both media."""
        while not self.is_stopped and not self.may_go():
            time.sleep(0.01)
        with self.lock:
            if self.waited is None:
                self.waited = (self.pipeline.get_clock().get_time() - self.pipeline.get_base_time() -
                               100 * Gst.MSECOND)
            return self.waited

    def _feed(self, source, make):
        begin = 0
        number = 0
        while not self.is_stopped:
            if number == 2 and self.may_go:
                begin = self._wait()
            data, pts, duration = make(number)
            if self.seconds is not None and pts >= self.seconds * Gst.SECOND:
                source.end_of_stream()
                return
            buffer = Gst.Buffer.new_wrapped(data)
            buffer.pts, buffer.duration = begin + pts, duration
            if source.push_buffer(buffer) != Gst.FlowReturn.OK:
                return
            number += 1


class Receiver:
    """Checks what the appsinks `check-video` and `check-audio` get."""

    VIDEO = (f"videoconvert ! videoscale ! video/x-raw,format=I420,width={pattern.WIDTH},"
             f"height={pattern.HEIGHT} ! appsink name=check-video emit-signals=true sync=true "
             f"max-buffers=30")
    ENCODED = "appsink name=check-encoded emit-signals=true sync=false max-buffers=100"
    AUDIO = (f"audioconvert ! audioresample ! {RAW_AUDIO} ! appsink name=check-audio "
             f"emit-signals=true sync=true max-buffers=100")

    def __init__(self):
        self.picture, self.sound = pattern.PictureCheck(), pattern.SoundCheck()
        self.video_times, self.encoded_types = [], []

    def attach(self, bin_):
        for name, take in (("check-video", self._take_video), ("check-audio", self._take_audio),
                           ("check-encoded", self._take_encoded)):
            sink = bin_.get_by_name(name)
            if sink is not None:
                sink.connect("new-sample", take)

    @staticmethod
    def _running_seconds(sample):
        buffer = sample.get_buffer()
        return sample.get_segment().to_running_time(Gst.Format.TIME, buffer.pts) / Gst.SECOND

    def _take_video(self, sink):
        sample = sink.emit("pull-sample")
        data = sample.get_buffer().extract_dup(0, sample.get_buffer().get_size())
        size = pattern.WIDTH * pattern.HEIGHT
        planes = (data[:size], data[size:size * 5 // 4], data[size * 5 // 4:])
        strides = (pattern.WIDTH, pattern.WIDTH // 2, pattern.WIDTH // 2)
        self.video_times.append(self._running_seconds(sample))
        self.picture.add(pattern.points_of_planes(planes, strides, pattern.WIDTH, pattern.HEIGHT),
                         self._running_seconds(sample), [pattern.WIDTH, pattern.HEIGHT])
        return Gst.FlowReturn.OK

    def _take_encoded(self, sink):
        """Counted, as it is; each codec begins with a keyframe."""
        sample = sink.emit("pull-sample")
        kind = sample.get_caps().get_structure(0).get_name()
        self.picture.frames += 1
        self.video_times.append(self._running_seconds(sample))
        if kind not in self.encoded_types[-1:]:
            self.encoded_types.append(kind)
            self.picture.bad += sample.get_buffer().has_flags(Gst.BufferFlags.DELTA_UNIT)
        return Gst.FlowReturn.OK

    def longest_pause(self):
        """Between two pictures, in seconds of running time."""
        return max((b - a for a, b in zip(self.video_times, self.video_times[1:])), default=0)

    def _take_audio(self, sink):
        sample = sink.emit("pull-sample")
        buffer = sample.get_buffer()
        self.sound.add(array.array("h", buffer.extract_dup(0, buffer.get_size())),
                       self._running_seconds(sample))
        return Gst.FlowReturn.OK

    def report(self):
        return {"video": self.picture.report(), "audio": self.sound.report(),
                "offset_ms": pattern.offset_ms(self.picture.flashes, self.sound.bursts)}
