#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a folder with links to the GStreamer plugins that a list names.

usage: plugin-folder.py LIST FROM TO

LIST has one plugin on a line (the file name without "libgst" and ".so") and the Debian package it
is in. FROM is GStreamer's plugin folder, TO the folder of links. Plugins that FROM has not are left
out and named on standard output.
"""
import pathlib
import sys


def read_list(path):
    lines = (line.split("#")[0].split() for line in path.read_text().splitlines())
    return {fields[0]: fields[1] for fields in lines if fields}


def make_links(names, source, target):
    target.mkdir(parents=True, exist_ok=True)
    wanted = {f"libgst{name}.so": source / f"libgst{name}.so" for name in names}
    for link in target.iterdir():
        if link.name not in wanted or not link.is_symlink() or link.readlink() != wanted[link.name]:
            link.unlink()
    for name, plugin in wanted.items():
        if plugin.exists() and not (target / name).is_symlink():
            (target / name).symlink_to(plugin)


def report(packages, source):
    missing = {}
    for name, package in packages.items():
        if not (source / f"libgst{name}.so").exists():
            missing.setdefault(package, []).append(name)
    for package, names in missing.items():
        print(f"{' '.join(names)} (Debian: {package})")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    packages = read_list(pathlib.Path(sys.argv[1]))
    make_links(packages, pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    report(packages, pathlib.Path(sys.argv[2]))


if __name__ == "__main__":
    main()
