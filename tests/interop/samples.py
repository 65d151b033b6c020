# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pattern, encoded, as files for a peer that has no encoder: each frame with its length in four
bytes before it. The files last a whole number of seconds and can be repeated."""
import pathlib
import struct

from media import ENCODERS, Feeder, Gst, sources
from pattern import FPS

SECONDS = 8
PER_SECOND = {"video": FPS, "audio": 50}


def write(folder, codec):
    """Writes video.samples and audio.samples; a text for the peer: the codec and the folder."""
    text = ""
    names = {codec: "video", "opus": "audio"}
    tails = [f"{ENCODERS[name]} ! appsink name={kind} sync=false max-buffers=0 " for name, kind in names.items()]
    text = sources(*tails).replace("clocksync", "identity").replace("is-live=true", "is-live=false")
    pipeline = Gst.parse_launch(text)
    pipeline.set_state(Gst.State.PLAYING)
    Feeder(pipeline, SECONDS).start()
    for kind in names.values():
        with pathlib.Path(folder, kind + ".samples").open("wb") as file:
            written = 0
            while True:
                sample = pipeline.get_by_name(kind).emit("try-pull-sample", 5 * Gst.SECOND)
                # An encoder of sound has more to give at its end than went in.
                if sample is None or written == SECONDS * PER_SECOND[kind]:
                    break
                written += 1
                buffer = sample.get_buffer()
                data = buffer.extract_dup(0, buffer.get_size())
                file.write(struct.pack(">I", len(data)) + data)
    message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message is not None:
        raise AssertionError(message.parse_error())
    return f"{codec}:{folder}"
