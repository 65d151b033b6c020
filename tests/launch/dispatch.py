#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dispatcher under gst-launch-1.0: each call is served by its main thread."""
import os
import subprocess
import sys

BUFFERS = 20
LIMIT_S = 30 * int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))
LINE = f"gst-launch-1.0 -m fakesrc num-buffers={BUFFERS} ! sltestinvoke ! fakesink"


def main():
    result = subprocess.run(LINE.split(), timeout=LIMIT_S, capture_output=True, text=True)
    served = result.stdout.count("invoked, main=(boolean)true")
    if result.returncode != 0 or served != BUFFERS or "main=(boolean)false" in result.stdout:
        sys.exit(f"{served} of {BUFFERS} calls were served, exit code {result.returncode}\n"
                 f"{result.stdout}\n{result.stderr}")


if __name__ == "__main__":
    main()
