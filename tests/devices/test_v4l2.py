#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""slcamerasrc with V4L2 cameras, which umockdev plays: they are found, and refuse as real ones do.

Started through umockdev-wrapper.
"""
import ctypes
import errno
import time
import unittest

import gi
import stage

gi.require_version("UMockdev", "1.0")
from gi.repository import Gst, UMockdev  # noqa: E402


class Capability(ctypes.Structure):
    _fields_ = [("driver", ctypes.c_char * 16), ("card", ctypes.c_char * 32),
                ("bus_info", ctypes.c_char * 32), ("version", ctypes.c_uint32),
                ("capabilities", ctypes.c_uint32), ("device_caps", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32 * 3)]


class FormatDescription(ctypes.Structure):
    _fields_ = [("index", ctypes.c_uint32), ("type", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("description", ctypes.c_char * 32), ("pixelformat", ctypes.c_uint32),
                ("mbus_code", ctypes.c_uint32), ("reserved", ctypes.c_uint32 * 3)]


class FrameSize(ctypes.Structure):
    _fields_ = [("index", ctypes.c_uint32), ("pixel_format", ctypes.c_uint32),
                ("type", ctypes.c_uint32), ("values", ctypes.c_uint32 * 6),
                ("reserved", ctypes.c_uint32 * 2)]


class FrameInterval(ctypes.Structure):
    _fields_ = [("index", ctypes.c_uint32), ("pixel_format", ctypes.c_uint32),
                ("width", ctypes.c_uint32), ("height", ctypes.c_uint32), ("type", ctypes.c_uint32),
                ("values", ctypes.c_uint32 * 6), ("reserved", ctypes.c_uint32 * 2)]


class Format(ctypes.Structure):
    _fields_ = [("type", ctypes.c_uint32), ("padding", ctypes.c_uint32),
                ("width", ctypes.c_uint32), ("height", ctypes.c_uint32),
                ("pixelformat", ctypes.c_uint32), ("field", ctypes.c_uint32),
                ("bytesperline", ctypes.c_uint32), ("sizeimage", ctypes.c_uint32),
                ("colorspace", ctypes.c_uint32), ("rest", ctypes.c_uint8 * 172)]


def fourcc(text):
    return int.from_bytes(text.encode(), "little")


CAPTURE, STREAMING, DEVICE_CAPS = 0x1, 0x04000000, 0x80000000
DISCRETE, FIELD_NONE = 1, 1
YUYV = fourcc("YUYV")
SIZES = [(640, 480), (1280, 720)]


class Camera:
    """What a V4L2 driver answers, by the number of the request; ENOTTY to all others."""

    def __init__(self, name, busy):
        self.name, self.busy = name, busy
        self.answers = {0: (Capability, self.capability), 2: (FormatDescription, self.format),
                        4: (Format, self.get_format), 5: (Format, self.set_format),
                        64: (Format, self.try_format), 74: (FrameSize, self.size),
                        75: (FrameInterval, self.interval)}

    def capability(self, answer):
        answer.driver, answer.card, answer.bus_info = b"mock", self.name.encode(), b"usb-mock-1"
        answer.version = 6 << 16
        answer.capabilities = CAPTURE | STREAMING | DEVICE_CAPS
        answer.device_caps = CAPTURE | STREAMING
        return 0

    def format(self, answer):
        if answer.index > 0 or answer.type != 1:
            return errno.EINVAL
        answer.description, answer.pixelformat = b"YUYV 4:2:2", YUYV
        return 0

    def size(self, answer):
        if answer.index >= len(SIZES) or answer.pixel_format != YUYV:
            return errno.EINVAL
        answer.type = DISCRETE
        answer.values[0], answer.values[1] = SIZES[answer.index]
        return 0

    def interval(self, answer):
        if answer.index > 0 or (answer.width, answer.height) not in SIZES:
            return errno.EINVAL
        answer.type = DISCRETE
        answer.values[0], answer.values[1] = 1, 30
        return 0

    def get_format(self, answer):
        answer.width, answer.height = SIZES[0]
        return self.try_format(answer)

    def try_format(self, answer):
        if answer.type != 1:
            return errno.EINVAL
        answer.pixelformat, answer.field = YUYV, FIELD_NONE
        answer.bytesperline = 2 * answer.width
        answer.sizeimage = answer.bytesperline * answer.height
        return 0

    def set_format(self, answer):
        return errno.EBUSY if self.busy else self.try_format(answer)

    def on_ioctl(self, _handler, client):
        request = client.get_request() & 0xffffffff
        kind, answer = self.answers.get(request & 0xff, (None, None))
        if request >> 8 & 0xff != ord("V") or kind is None:
            client.complete(-1, errno.ENOTTY)
            return True
        data = client.get_arg().resolve(0, ctypes.sizeof(kind))
        value = kind.from_buffer_copy(bytes(data.retrieve()))
        failure = answer(value)
        if failure == 0:
            data.update(0, bytes(value))
        client.complete(-1 if failure else 0, failure)
        return True


class V4l2(unittest.TestCase):
    def setUp(self):
        self.bed = UMockdev.Testbed.new()
        self.assertTrue(UMockdev.in_mock_environment(), "start this through umockdev-wrapper")
        self.kept = []

    def tearDown(self):
        # The watch of an element ends a moment after it, and leaves nothing behind.
        stage.wait_until(lambda: stage.threads("slcamera") == 0, 2)

    def plug(self, number, name, busy=False):
        self.bed.add_from_string(
            f"P: /devices/mock{number}/video4linux/video{number}\nN: video{number}\nE: DEVNAME=/dev/video{number}\n"
            f"E: SUBSYSTEM=video4linux\nE: MAJOR=81\nE: MINOR={number}\nE: ID_V4L_PRODUCT={name}\n"
            "E: ID_V4L_CAPABILITIES=:capture:\nE: ID_V4L_VERSION=2\n")
        handler = UMockdev.IoctlBase()
        camera = Camera(name, busy)
        handler.connect("handle-ioctl", camera.on_ioctl)
        self.bed.attach_ioctl(f"/dev/video{number}", handler)
        self.kept += [handler, camera]

    def refused(self, properties, between=""):
        begin = time.monotonic()
        with stage.Run(f"slcamerasrc {properties} ! {between} fakesink") as run:
            run.play()
            error = run.error(2)
            self.assertLess(time.monotonic() - begin, 2 * stage.SLOWNESS)
            return error

    def test_found_by_path_and_name(self):
        self.plug(0, "Front Camera")
        self.plug(1, "Back Camera")
        error = self.refused("device=attic")
        self.assertTrue(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_FOUND))
        for text in ("Front Camera", "/dev/video0", "Back Camera", "/dev/video1", "v4l2"):
            self.assertIn(text, error.message)
        self.assertIn("more than one", self.refused("device=camera").message)

    def test_modes(self):
        self.plug(0, "Front Camera")
        error = self.refused("device=/dev/video0", "video/x-raw,width=123 !")
        self.assertTrue(error.matches(Gst.StreamError.quark(), Gst.StreamError.FORMAT))
        for text in ("Front Camera", "width=(int)640", "width=(int)1280", "30/1"):
            self.assertIn(text, error.message)

    def test_busy(self):
        self.plug(0, "Front Camera", busy=True)
        error = self.refused("device=front")
        self.assertTrue(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.BUSY),
                        error.message)
        self.assertIn("/dev/video0", error.message)


if __name__ == "__main__":
    unittest.main()
