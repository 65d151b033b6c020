#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every launch line in the documentation blocks of a source file.

usage: launch.py SOURCE

A line has to end by itself, and well.
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys

LIMIT_S = 30 * int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))


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
    for line in lines:
        print(line, flush=True)
        result = subprocess.run(shlex.split(line), timeout=LIMIT_S, capture_output=True, text=True)
        if result.returncode != 0 or "ERROR" in result.stdout + result.stderr:
            sys.exit(f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}")


if __name__ == "__main__":
    main()
