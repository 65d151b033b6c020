# SPDX-License-Identifier: LGPL-2.1-or-later
"""Display servers, a PipeWire session and cameras of one's own, for tests.

Each is a context manager that starts programs in a folder of its own and ends what it started.
"""
import contextlib
import os
import pathlib
import signal
import struct
import subprocess
import tempfile
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst  # noqa: E402

Gst.init(None)

STAND_IN = os.environ.get("STREAMLIB_CAMERA_STANDIN", "camera-standin")
# Sanitizers and loaded machines are slower.
SLOWNESS = int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))


def wait_until(condition, limit_s=5, every_s=0.02):
    """The first true value of condition(), which must come."""
    end = time.monotonic() + limit_s * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"did not come true within {limit_s * SLOWNESS} s: {condition}")
        time.sleep(every_s)


def threads(name):
    """How many threads of this name the process has."""
    names = []
    for task in pathlib.Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            names.append((task / "comm").read_text().strip())
    return names.count(name)


class Program:
    """A program that runs until its scope ends."""

    def __init__(self, *command, env=None, stdout=subprocess.DEVNULL):
        self.log = tempfile.NamedTemporaryFile(prefix=pathlib.Path(command[0]).name + "-")
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=stdout,
                                        stderr=self.log, text=stdout == subprocess.PIPE)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def said(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def stop(self):
        if self.process.poll() is None:
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.process.stdout:
            self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


@contextlib.contextmanager
def environment(**values):
    """Variables of the environment for a scope; None takes one away."""
    before = {name: os.environ.get(name) for name in values}

    def put(settings):
        for name, value in settings.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    put(values)
    try:
        yield
    finally:
        put(before)


# ---- X

class XServer(Program):
    """Xvfb, whose screen is a file."""

    WIDTH, HEIGHT = 640, 480

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="xvfb-")
        read, write = os.pipe()
        os.set_inheritable(write, True)
        self.log = tempfile.NamedTemporaryFile(prefix="xvfb-")
        # The server picks a free number and says which.
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{self.WIDTH}x{self.HEIGHT}x24",
             "-fbdir", self.folder.name, "-nolisten", "tcp", "-noreset"],
            pass_fds=[write], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise RuntimeError(f"Xvfb did not start: {self.said()}")
        self.display = f":{number}"

    def stop(self):
        super().stop()
        self.folder.cleanup()

    def screen(self):
        """The screen as a function of x and y that gives (red, green, blue)."""
        data = pathlib.Path(self.folder.name, "Xvfb_screen0").read_bytes()
        header = struct.unpack(">25I", data[:100])
        offset, line = header[0] + header[19] * 12, header[12]

        def pixel(x, y):
            at = offset + y * line + x * 4
            return data[at + 2], data[at + 1], data[at]
        return pixel


# ---- Wayland

class Compositor(Program):
    """Weston without a screen, which lets a client take pictures of it."""

    WIDTH, HEIGHT = 640, 480

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="weston-")
        config = pathlib.Path(self.folder.name, "weston.ini")
        config.write_text("[shell]\npanel-position=none\nlocking=false\n")
        env = dict(os.environ, XDG_RUNTIME_DIR=self.folder.name)
        super().__init__("weston", "--backend=headless-backend.so", "--use-pixman", "--debug",
                         "--shell=desktop-shell.so", f"--width={self.WIDTH}",
                         f"--height={self.HEIGHT}", "--socket=stage", "--idle-time=0",
                         f"--config={config}", env=env)
        self.display = os.path.join(self.folder.name, "stage")
        wait_until(lambda: os.path.exists(self.display))
        # Windows that come before the shell's background are behind it.
        wait_until(lambda: self.screen()(320, 240) != (0, 0, 0))

    def stop(self):
        super().stop()
        self.folder.cleanup()

    def screen(self):
        """The screen as a function of x and y that gives (red, green, blue)."""
        with tempfile.TemporaryDirectory() as folder:
            env = dict(os.environ, XDG_RUNTIME_DIR=self.folder.name, WAYLAND_DISPLAY="stage")
            subprocess.run(["weston-screenshooter"], cwd=folder, env=env, check=True, timeout=10,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            picture, = pathlib.Path(folder).glob("*.png")
            return read_png(picture)


def read_png(path):
    """The pixels of a PNG file as a function of x and y that gives (red, green, blue).

    Weston writes the unused byte of a pixel as its opacity: what is not 255 there comes out dark.
    """
    pipeline = Gst.parse_launch(
        f"filesrc location={path} ! pngdec ! videoconvert ! video/x-raw,format=RGB ! "
        "appsink name=sink sync=false")
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    sample = sink.emit("try-pull-sample", 5 * Gst.SECOND)
    data = sample.get_buffer().extract_dup(0, sample.get_buffer().get_size())
    width = sample.get_caps().get_structure(0).get_value("width")
    pipeline.set_state(Gst.State.NULL)
    line = (width * 3 + 3) // 4 * 4

    def pixel(x, y):
        return tuple(data[y * line + x * 3:y * line + x * 3 + 3])
    return pixel


# ---- PipeWire

class PipeWireSession:
    """PipeWire, its session manager and a message bus, in a folder of their own."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="pipewire-")
        self.stack = contextlib.ExitStack()
        path = self.folder.name
        self.env = {"XDG_RUNTIME_DIR": path, "PIPEWIRE_RUNTIME_DIR": path,
                    "XDG_CONFIG_HOME": path, "XDG_STATE_HOME": path, "HOME": path,
                    "DBUS_SESSION_BUS_ADDRESS": f"unix:path={path}/bus"}
        self.stack.enter_context(environment(**self.env))
        # Without the services of the machine, which would be started when they are called.
        config = pathlib.Path(path, "bus.conf")
        config.write_text(f"""<busconfig><type>session</type><listen>unix:path={path}/bus</listen>
            <auth>EXTERNAL</auth><policy context="default"><allow send_destination="*"/>
            <allow receive_sender="*"/><allow own="*"/></policy></busconfig>""")
        self.stack.enter_context(Program("dbus-daemon", "--nofork", "--nopidfile",
                                         f"--config-file={config}"))
        wait_until(lambda: os.path.exists(f"{path}/bus"))
        self.start_server()
        return self

    def start_server(self):
        path = self.folder.name
        self.daemon = self.stack.enter_context(Program("pipewire"))
        wait_until(lambda: os.path.exists(f"{path}/pipewire-0"))
        self.manager = self.stack.enter_context(Program("wireplumber"))
        wait_until(lambda: "WirePlumber" in self.run("pw-cli", "ls", "Client"))

    def kill_server(self):
        """PipeWire ends, with its session manager; the bus stays."""
        self.daemon.kill()
        self.manager.kill()
        pathlib.Path(self.folder.name, "pipewire-0").unlink(missing_ok=True)

    def run(self, *command):
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout

    def __exit__(self, *error):
        self.stack.__exit__(*error)
        self.folder.cleanup()


class Portal(Program):
    """A camera portal on the session's bus; the options are those of portal.py."""

    def __init__(self, *options):
        super().__init__("/usr/bin/python3", str(pathlib.Path(__file__).with_name("portal.py")),
                         *options, stdout=subprocess.PIPE)
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the portal did not start: {self.said()}")

    def wait_until_asked(self):
        assert self.process.stdout.readline().strip() == "asked"


class Camera(Program):
    """A camera stand-in: a program that plays a film as a PipeWire video source."""

    def __init__(self, node, description, *options):
        super().__init__(STAND_IN, node, description, *options, stdout=subprocess.PIPE)
        # When the first frame is captured and how long a frame lasts, in ns of CLOCK_MONOTONIC.
        line = self.process.stdout.readline().split()
        if len(line) != 2:
            raise RuntimeError(f"the stand-in did not start: {self.said()}")
        self.start_ns, self.frame_ns = map(int, line)


# ---- Pipelines

class Run:
    """A pipeline in launch syntax; its elements by name as attributes."""

    def __init__(self, launch):
        self.pipeline = Gst.parse_launch(launch)
        self.bus = self.pipeline.get_bus()

    def __getattr__(self, name):
        element = self.pipeline.get_by_name(name)
        if element is None:
            raise AttributeError(name)
        return element

    def play(self):
        return self.pipeline.set_state(Gst.State.PLAYING)

    def wait_for(self, types, limit_s=5):
        return self.bus.timed_pop_filtered(int(limit_s * SLOWNESS * Gst.SECOND), types)

    def wait_for_element_message(self, name, limit_s=5):
        end = time.monotonic() + limit_s * SLOWNESS
        while time.monotonic() < end:
            message = self.wait_for(Gst.MessageType.ELEMENT | Gst.MessageType.ERROR, limit_s)
            if message is None:
                break
            if message.type == Gst.MessageType.ERROR:
                raise AssertionError(message.parse_error())
            if message.get_structure().get_name() == name:
                return message.get_structure()
        raise AssertionError(f"no message {name}")

    def error(self, limit_s=5):
        """The text and code of the error message that must come."""
        message = self.wait_for(Gst.MessageType.ERROR, limit_s)
        if message is None:
            raise AssertionError("no error message")
        return message.parse_error()[0]

    def stop(self):
        begin = time.monotonic()
        self.pipeline.set_state(Gst.State.NULL)
        took = time.monotonic() - begin
        assert took < 2 * SLOWNESS, f"NULL took {took:.1f} s"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
