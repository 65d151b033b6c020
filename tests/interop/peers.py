# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts and ends the programs that are the peers. Each has its own folder, whose logs are shown when
a test fails, and free ports of the loopback interface."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent


class Missing(Exception):
    """A program that scripts/setup interop installs is not there."""


def free_port(kind=socket.SOCK_STREAM):
    with contextlib.closing(socket.socket(socket.AF_INET, kind)) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def outward_address():
    """What other machines would reach this one by; some peers take no loopback addresses."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # Sends nothing.
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def is_listening(port):
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def find(program):
    path = shutil.which(program)
    if path is None:
        raise Missing(f"{program} is missing: run scripts/setup interop")
    return path


class Program:
    """A child with its log; it ends within seconds, by force where it has to."""

    def __init__(self, arguments, folder, name, speaks=False, **options):
        self.name, self.log = name, pathlib.Path(folder, name + ".log")
        with self.log.open("wb") as log:
            self.child = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE if speaks else log, stderr=log,
                                          start_new_session=True, **dict({"cwd": folder}, **options))

    def first_line(self, seconds=20):
        """What the program says when it is ready."""
        found = []
        reader = threading.Thread(target=lambda: found.append(self.child.stdout.readline()), daemon=True)
        reader.start()
        reader.join(seconds)
        if not found or not found[0]:
            raise AssertionError(f"{self.name} has not started:\n{self.log.read_text()[-4000:]}")
        return found[0].decode().strip()

    def stop(self, seconds=4):
        if self.child.poll() is None:
            with contextlib.suppress(OSError):
                self.child.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(seconds)
        self.kill()

    def kill(self):
        """The program and what it has started, which is a session of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, 9)
        self.child.wait()


class Peer:
    """A peer with its endpoints over HTTP."""
    host = "127.0.0.1"

    def __init__(self, folder):
        self.folder, self.port, self.programs = folder, None, []

    def run(self, arguments, name, speaks=False, **options):
        program = Program(arguments, self.folder, name, speaks, **options)
        self.programs.append(program)
        return program

    def url(self, path):
        return f"http://{self.host}:{self.port}{path}"

    def whip(self):
        return self.url("/whip")

    def whep(self, codec):
        return self.url(f"/whep?codec={codec}")

    def report(self):
        with urllib.request.urlopen(self.url("/report"), timeout=5) as reply:
            return json.load(reply)

    def ask(self, path):
        """A POST, which makes a peer do something that a test is about."""
        request = urllib.request.Request(self.url(path), method="POST")
        urllib.request.urlopen(request, timeout=5).close()

    def stop(self):
        for program in reversed(self.programs):
            program.stop()

    def logs(self):
        return "".join(f"--- {path.name}\n{path.read_text(errors='replace')[-6000:]}\n"
                       for path in sorted(pathlib.Path(self.folder).glob("*.log")))


class PythonPeer(Peer):
    SCRIPT = None

    def start(self, *arguments):
        program = self.run([sys.executable, HERE / self.SCRIPT, *arguments], self.SCRIPT[:-3], True)
        self.port = int(program.first_line().split()[1])


class Aiortc(PythonPeer):
    SCRIPT = "aiortc_peer.py"


class WebRtcBin(PythonPeer):
    SCRIPT = "gst_peer.py"


class Chromium(PythonPeer):
    SCRIPT = "chromium_peer.py"

    def start(self, *arguments):
        super().start(*arguments)
        browser = [find("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                   f"--user-data-dir={self.folder}/profile", "--disable-extensions",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync",
                   "--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage",
                   "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
                   "--disable-features=WebRtcHideLocalIpsWithMdns,Translate,OptimizationHints",
                   "--enable-logging=stderr", self.url("/")]
        self.run(browser, "chromium")
        wait_for(self._is_there, 30, "the page of Chromium")

    def _is_there(self):
        with urllib.request.urlopen(self.url("/ready"), timeout=5) as reply:
            return json.load(reply)

    def stop(self):
        self.programs[-1].kill()
        super().stop()


class Pion(Peer):
    PROGRAM = None  # Where meson has it built.

    def start(self, samples=""):
        binary = os.environ.get("INTEROP_PION") or "pion-peer"
        if not shutil.which(binary):
            raise Missing(f"{binary} has not been built: run scripts/setup interop")
        program = self.run([binary, samples], "pion", True)
        self.port = int(program.first_line().split()[1])


@contextlib.contextmanager
def running(kind, *arguments):
    """A peer that has started; its logs are shown where the block fails."""
    folder = tempfile.mkdtemp(prefix="interop-")
    peer = kind(folder)
    try:
        peer.start(*arguments)
        yield peer
    except BaseException:
        print(peer.logs(), file=sys.stderr)
        raise
    finally:
        peer.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Coturn(Peer):
    """A TURN server, whose log says what has been relayed."""
    USER, PASSWORD = "user", "secret-word"

    def start(self, relay_address="127.0.0.1"):
        self.port = free_port()
        arguments = [find("turnserver"), "-n", "--listening-ip=127.0.0.1", f"--relay-ip={relay_address}",
                     f"--listening-port={self.port}", "--no-tls", "--no-dtls", "--no-cli",
                     "--lt-cred-mech", f"--user={self.USER}:{self.PASSWORD}", "--realm=test",
                     "--allow-loopback-peers", f"--pidfile={self.folder}/pid",
                     f"--userdb={self.folder}/db", "--log-file=stdout", "--simple-log", "--verbose"]
        self.run(arguments, "coturn")
        wait_for(lambda: is_listening(self.port), 10, "coturn")

    def turn_server(self):
        return f"turn://{self.USER}:{self.PASSWORD}@127.0.0.1:{self.port}"

    def channels(self):
        """How many peers the relay has been opened to."""
        log = pathlib.Path(self.folder, "coturn.log").read_text(errors="replace")
        return log.count("CREATE_PERMISSION processed, success") + log.count("CHANNEL_BIND processed, success")

    def stop(self):
        for program in self.programs:
            program.kill()
