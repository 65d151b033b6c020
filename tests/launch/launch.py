#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every launch line in the documentation blocks of a source file.

usage: launch.py SOURCE

A line has to end by itself, and well. Where it has the address http://localhost:8000/, a server
answers there: pictures for names that end in .png, a value that changes each time for .json, a
megabyte for .bin.
"""
import base64
import http.server
import itertools
import os
import pathlib
import re
import shlex
import subprocess
import sys
import threading

ADDRESS = "http://localhost:8000/"
# One red point.
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElF"
                       "TkSuQmCC")
LIMIT_S = 30 * int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the end of the path."""
    numbers = itertools.count()

    def do_GET(self):
        kinds = {".png": ("image/png", PNG), ".bin": ("application/octet-stream", bytes(1000000)),
                 ".json": ("application/json", b'{"value": %d}' % next(self.numbers))}
        kind, body = kinds[pathlib.Path(self.path).suffix]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def serve():
    """The address of a server that lives as long as this program."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def launch_lines(source):
    """What stands between |[ and ]| and starts with gst-launch-1.0, on one line each."""
    comment = re.sub(r"^\s*\* ?", "", source, flags=re.MULTILINE)
    for block in re.findall(r"\|\[(.*?)\]\|", comment, flags=re.DOTALL):
        text = " ".join(block.split())
        if text.startswith("gst-launch-1.0 "):
            yield text


def main():
    lines = list(launch_lines(pathlib.Path(sys.argv[1]).read_text()))
    if not lines:
        sys.exit(f"{sys.argv[1]} has no launch line")
    # Nothing of this machine's is to be used.
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"):
        os.environ.pop(name, None)
    if any(ADDRESS in line for line in lines):
        here = serve()
        lines = [line.replace(ADDRESS, here) for line in lines]
    for line in lines:
        print(line, flush=True)
        result = subprocess.run(shlex.split(line), timeout=LIMIT_S, capture_output=True, text=True)
        if result.returncode != 0 or "ERROR" in result.stdout + result.stderr:
            sys.exit(f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}")


if __name__ == "__main__":
    main()
