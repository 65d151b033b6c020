# SPDX-License-Identifier: LGPL-2.1-or-later
"""The picture and the sound that every peer sends, and what a receiver makes of them.

The upper part of the picture has four bars of known colours. The band below it is white for the
first 100 ms of each second and black otherwise, while a tone of 1 kHz sounds: how far these begin
apart is the offset of sound and picture. The lowest part has the number of the frame as eight cells,
the highest bit first.
"""
import array
import math
import statistics

WIDTH, HEIGHT, FPS = 320, 240, 30
RATE, CHANNELS, BLOCK = 48000, 2, 480  # A block is 10 ms.
TONE_HZ, BURST_FRAMES = 1000, 3
# Y, U and V of the bars: red, green, blue, yellow (BT.601, video range).
BARS = ((82, 90, 240), (145, 54, 34), (41, 240, 110), (210, 16, 146))
COLOUR_TOLERANCE = 40
BLACK, WHITE = 16, 235
BITS = 8
# Where a receiver looks, as fractions of width and height: bars, band, cells.
POINTS = ([((i + 0.5) / 4, 0.2) for i in range(4)] + [(0.5, 0.55)] +
          [((i + 0.5) / BITS, 0.85) for i in range(BITS)])


def frame_i420(number):
    """The picture with a number, as bytes of I420."""
    def rows(parts, height):
        return b"".join(bytes([value]) * length for value, length in parts) * height

    band = WHITE if number % FPS < BURST_FRAMES else BLACK
    cells = [WHITE if number >> (BITS - 1 - i) & 1 else BLACK for i in range(BITS)]
    top, middle, low = int(HEIGHT * 0.4), int(HEIGHT * 0.3), int(HEIGHT * 0.3)
    planes = rows([(bar[0], WIDTH // 4) for bar in BARS], top)
    planes += rows([(band, WIDTH)], middle)
    planes += rows([(cell, WIDTH // BITS) for cell in cells], low)
    for plane in (1, 2):
        planes += rows([(bar[plane], WIDTH // 8) for bar in BARS], top // 2)
        planes += rows([(128, WIDTH // 2)], (middle + low) // 2)
    return planes


def second_of_sound():
    """Interleaved 16 bit samples of one second."""
    burst = RATE * BURST_FRAMES // FPS
    samples = array.array("h")
    for i in range(RATE):
        value = int(12000 * math.sin(2 * math.pi * TONE_HZ * i / RATE)) if i < burst else 0
        samples.extend([value] * CHANNELS)
    return samples


def rgb_to_yuv(red, green, blue):
    luma = 16 + (65.5 * red + 128.6 * green + 25 * blue) / 256
    return (luma, 128 + (-37.8 * red - 74.2 * green + 112 * blue) / 256,
            128 + (112 * red - 93.8 * green - 18.2 * blue) / 256)


def points_of_planes(planes, strides, width, height):
    """The pixels at POINTS, of three planes of I420."""
    found = []
    for x, y in POINTS:
        column, row = int(x * width), int(y * height)
        found.append((planes[0][row * strides[0] + column],
                      planes[1][row // 2 * strides[1] + column // 2],
                      planes[2][row // 2 * strides[2] + column // 2]))
    return found


class PictureCheck:
    """Takes the pixels at POINTS of each picture and says what has come."""

    def __init__(self):
        self.frames, self.bad, self.skipped = 0, 0, 0
        self.flashes, self.size, self.last_bad = [], None, None
        self._number, self._is_white = None, None

    def add(self, pixels, seconds, size=None):
        self.frames += 1
        self.size = size or self.size
        bars, band, cells = pixels[:4], pixels[4], pixels[5:]
        if any(abs(is_ - wanted) > COLOUR_TOLERANCE
               for pixel, bar in zip(bars, BARS) for is_, wanted in zip(pixel, bar)):
            self.bad += 1
            self.last_bad = [list(map(round, bar)) for bar in bars]
            return
        number = sum((cell[0] > 125) << (BITS - 1 - i) for i, cell in enumerate(cells))
        if self._number is not None:
            step = (number - self._number) % (1 << BITS)
            self.skipped += max(step - 1, 0) if step < 128 else 0
        self._number = number
        is_white = band[0] > 125
        if is_white and self._is_white is False:
            # Its first picture may have been skipped.
            self.flashes.append(seconds - number % FPS / FPS)
        self._is_white = is_white

    def report(self):
        return {"frames": self.frames, "bad": self.bad, "skipped": self.skipped,
                "size": self.size, "last_bad": self.last_bad}


class SoundCheck:
    """Takes 16 bit samples, finds the bursts and their tone."""

    def __init__(self, rate=RATE, channels=CHANNELS):
        self.rate, self.channels = rate, channels
        self.blocks, self.bursts, self.tones = 0, [], []
        self._burst, self._quiet = [], 0

    def add(self, samples, seconds):
        """SAMPLES is an array of interleaved samples, SECONDS when the first one sounds."""
        first = samples[::self.channels]
        size = self.rate // 100
        for start in range(0, len(first) - size + 1, size):
            self._add_block(first[start:start + size], seconds + start / self.rate)

    def _add_block(self, block, seconds):
        self.blocks += 1
        if max(block) < 2000:
            self._quiet += 1
            if self._quiet == 3:
                self._end_burst()
            return
        if not self._burst and self._quiet >= 3:
            begin = next(i for i, value in enumerate(block) if abs(value) >= 2000)
            self.bursts.append(seconds + begin / self.rate)
        self._quiet = 0
        self._burst.extend(block)

    def _end_burst(self):
        inner = self._burst[self.rate // 50:-self.rate // 50]
        if len(inner) > self.rate // 50:
            crossings = sum(a < 0 <= b for a, b in zip(inner, inner[1:]))
            self.tones.append(crossings * self.rate / len(inner))
        self._burst = []

    def report(self):
        tone = round(statistics.median(self.tones)) if self.tones else None
        return {"blocks": self.blocks, "bursts": len(self.bursts), "tone_hz": tone}


def offset_ms(flashes, bursts):
    """How much later the picture comes than the sound, as the median in milliseconds, or None."""
    apart = []
    for flash in flashes:
        nearest = min(bursts, key=lambda burst: abs(burst - flash), default=None)
        if nearest is not None and abs(nearest - flash) < 0.5:
            apart.append(1000 * (flash - nearest))
    return round(statistics.median(apart), 1) if apart else None
