#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the folder below a prefix in which PyGObject looks for overrides.

usage: overrides-dir.py PREFIX
"""
import os
import site
import sys
import sysconfig


def is_below(path, prefix):
    # What belongs to the system and what was put beside it by hand are two prefixes.
    if prefix == "/usr" and is_below(path, "/usr/local"):
        return False
    return os.path.commonpath([path, prefix]) == prefix


def main():
    prefix = os.path.normpath(sys.argv[1])
    folders = site.getsitepackages()
    try:
        import gi
        folders.insert(0, os.path.dirname(os.path.dirname(gi.__file__)))
    except ImportError:
        pass
    # In a prefix that Python does not search, PYTHONPATH has to name this folder.
    folders.append(sysconfig.get_path("purelib", "posix_prefix",
                                      {"base": prefix, "platbase": prefix}))
    found = next(folder for folder in folders if is_below(folder, prefix))
    print(os.path.join(found, "gi", "overrides"))


if __name__ == "__main__":
    main()
