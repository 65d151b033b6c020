#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compiles and links what serves a dispatcher on Windows, with Debian's mingw-w64.

usage: check-windows.py ROOT

It is not run: there is no Windows here. Without the compiler the test is skipped.
"""
import os
import shutil
import subprocess
import sys
import tempfile

COMPILER = "x86_64-w64-mingw32-g++"
SKIPPED = 77


def main():
    if shutil.which(COMPILER) is None:
        print(f"{COMPILER} is missing (Debian: g++-mingw-w64-x86-64)")
        return SKIPPED
    root = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, "loop.dll")
        done = subprocess.run(
            [COMPILER, "-std=c++20", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror",
             "-I", root, "-shared", "-o", library,
             os.path.join(root, "sys", "dispatch", "windows_loop.cpp"), "-luser32"], check=False)
        if done.returncode == 0 and not os.path.getsize(library):
            return 1
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
