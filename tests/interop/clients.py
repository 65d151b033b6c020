# SPDX-License-Identifier: LGPL-2.1-or-later
"""What publishes to a peer and plays from it: our elements, and webrtcbin, which shows that the peer
itself works."""
import time
import urllib.error
import urllib.parse
import urllib.request

import webrtcbin
from media import ENCODERS, Feeder, Gst, Receiver, sources


class WebRtcBin:
    """webrtcbin with the HTTP of WHIP and WHEP, all candidates in the offer."""

    def __init__(self, url, codec, sends, **connection):
        self.url, self.resource = url, None
        token = connection.get("token")
        self.headers = {"Authorization": "Bearer " + token} if token else {}
        relay = connection.get("turn_server")
        self.session = webrtcbin.Session(sends, codec, True, relay, relay is not None)

    def start(self, _seconds=None):
        request = urllib.request.Request(self.url, self.session.offer().encode(), method="POST",
                                         headers=dict(self.headers, **{"Content-Type": "application/sdp"}))
        with urllib.request.urlopen(request, timeout=20) as reply:
            assert reply.status == 201, reply.status
            self.resource = urllib.parse.urljoin(reply.url, reply.headers["Location"])
            self.session.accept(reply.read().decode())

    def wait(self, seconds):
        time.sleep(seconds)

    def state(self):
        return self.session.state()

    def report(self):
        return self.session.report()

    def stop(self):
        if self.resource:
            request = urllib.request.Request(self.resource, method="DELETE", headers=self.headers)
            with urllib.request.urlopen(request, timeout=5) as reply:
                assert reply.status in (200, 204), reply.status
            self.resource = None
        self.session.close()


class Ours:
    """A pipeline with slwhipsink or slwhepsrc."""

    def __init__(self, url, codec, sends, encoded=False, later=None, encoder=None, **connection):
        """LATER: another codec that encoded video may change to. ENCODER: launch lines of another
        encoder than that of all tests."""
        self.codec, self.sends, self.encoded = codec, sends, encoded
        encoders = dict(ENCODERS, **({codec: encoder} if encoder else {}))
        self.receiver, self.feeder, self.error = Receiver(), None, None
        if sends:
            chains = [f"{encoders[name]} ! rtc." if encoded else "rtc." for name in (codec, "opus")]
            if later:
                ways = [f"both. ! queue ! {encoders[name]} ! codecs.sink_{index} "
                        for index, name in enumerate((codec, later))]
                chains[0] = (f"tee name=both {ways[0]} {ways[1]} "
                             f"input-selector name=codecs sync-streams=false ! rtc.")
            text = f"slwhipsink name=rtc whip-endpoint=\"{url}\" "
            text += sources(f"{chains[0]}video_0", f"{chains[1]}audio_0")
        else:
            raw = ("", "") if not encoded else (
                {"vp8": "vp8dec !", "vp9": "vp9dec !", "h264": "h264parse ! avdec_h264 !"}[codec], "opusdec !")
            video = f"{raw[0]} {Receiver.VIDEO}"
            if encoded and later:
                video = f"capsfilter caps=video/x-{codec};video/x-{later} ! {Receiver.ENCODED}"
            text = (f"slwhepsrc name=rtc whep-endpoint=\"{url}\" rtc.video_0 ! queue ! {video} "
                    f"rtc.audio_0 ! queue ! {raw[1]} {Receiver.AUDIO} ")
        self.pipeline = Gst.parse_launch(text)
        self.element = self.pipeline.get_by_name("rtc")
        if sends and (later or not encoded):
            Gst.util_set_object_arg(self.element, "video-codec", f"{codec},{later}" if later else codec)
        if sends and later:
            self.choose(0)
        for name, value in connection.items():
            self._set(name, value)
        self.receiver.attach(self.pipeline)

    def choose(self, index):
        """Which of the two codecs it is from now on."""
        selector = self.pipeline.get_by_name("codecs")
        selector.set_property("active-pad", selector.get_static_pad(f"sink_{index}"))

    def codec_now(self):
        """Of the video that is played."""
        if self.receiver.encoded_types:
            return self.receiver.encoded_types[-1].replace("video/x-", "")
        decoders = {"vp8dec": "vp8", "vp9dec": "vp9", "avdec_h264": "h264", "openh264dec": "h264"}
        elements = self.element.iterate_recurse()
        found = [element.get_factory() for element in iter(lambda: elements.next()[1], None)]
        return next((decoders[one.get_name()] for one in found
                     if one and one.get_name() in decoders), None)

    def _set(self, name, value):
        names = {"token": "auth-token", "turn_server": "turn-server"}
        Gst.util_set_object_arg(self.element, names.get(name, name.replace("_", "-")), value)
        if name == "turn_server":
            Gst.util_set_object_arg(self.element, "ice-transport-policy", "relay")

    def start(self, seconds=None):
        if self.pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            self._raise(self._message(1))
        if self.sends:
            self.feeder = Feeder(self.pipeline, seconds)
            self.feeder.start()

    def _message(self, seconds):
        return self.pipeline.get_bus().timed_pop_filtered(
            int(seconds * Gst.SECOND), Gst.MessageType.ERROR | Gst.MessageType.EOS)

    @staticmethod
    def _raise(message):
        error, debug = message.parse_error()
        raise AssertionError(f"{message.src.get_name()}: {error.message} ({debug})")

    def wait(self, seconds):
        message = self._message(seconds)
        if message is not None and message.type == Gst.MessageType.ERROR:
            self._raise(message)

    def wait_for_error(self, seconds):
        """The text of an error that must come."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = self._message(0.2)
            if message is not None and message.type == Gst.MessageType.ERROR:
                error, debug = message.parse_error()
                return f"{error.message} ({debug})"
        raise AssertionError(f"no error within {seconds} s; {self.state()}")

    def state(self):
        value = self.element.get_property("state")
        return getattr(value, "value_nick", value)

    def stats(self):
        return self.element.get_property("stats")

    def report(self):
        return self.receiver.report()

    def stop(self):
        if self.feeder:
            self.feeder.stop()
        begin = time.monotonic()
        self.pipeline.set_state(Gst.State.NULL)
        taken = time.monotonic() - begin
        assert taken < 2, f"NULL took {taken:.1f} s"


CLIENTS = {"webrtcbin": WebRtcBin, "ours": Ours}
