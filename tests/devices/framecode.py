# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the number that the camera stand-in writes into a picture so that it survives conversion,
scaling and a screen.

It stands at the upper left as bars of black and white, the lowest bit first, behind a white and a
black one that say that it is there, and its complement after it.
"""
BITS = 16
CELL = 8
CELLS = 2 + 2 * BITS


def read(luma):
    """The number, by a function that gives the brightness (0 to 255) at x and y; None when there is
    none. A picture that was scaled up by a whole factor is read through a function that scales."""
    cells = [luma(i * CELL + CELL // 2, CELL // 2) > 127 for i in range(CELLS)]
    bits, complement = cells[2:2 + BITS], cells[2 + BITS:]
    if cells[:2] != [True, False] or any(a == b for a, b in zip(bits, complement)):
        return None
    return sum(bit << i for i, bit in enumerate(bits))


def read_luma_plane(data, stride):
    return read(lambda x, y: data[y * stride + x])


def read_screen(pixel, left=0, top=0, scale=1):
    return read(lambda x, y: pixel(left + int(x * scale), top + int(y * scale))[1])
