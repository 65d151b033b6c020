#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a folder with links to the GStreamer plugins that a list names.

usage: plugin-folder.py LIST TO FROM...

LIST has one plugin on a line (the file name without "libgst" and ".so") and the Debian package it
is in. TO is the folder of links, FROM a folder of GStreamer's plugins; the first that has a plugin
is taken. Plugins that none has are left out and named on standard output.
"""
import pathlib
import sys


def read_list(path):
    lines = (line.split("#")[0].split() for line in path.read_text().splitlines())
    return {fields[0]: fields[1] for fields in lines if fields}


def find(name, folders):
    """The file of a plugin in the first of the folders that has it, or None."""
    candidates = (folder / f"libgst{name}.so" for folder in folders)
    return next((file for file in candidates if file.exists()), None)


def make_links(plugins, target):
    target.mkdir(parents=True, exist_ok=True)
    wanted = {plugin.name: plugin for plugin in plugins}
    for link in target.iterdir():
        if not link.is_symlink() or wanted.get(link.name) != link.readlink():
            link.unlink()
    for name, plugin in wanted.items():
        if not (target / name).is_symlink():
            (target / name).symlink_to(plugin)


def report(missing, packages):
    by_package = {}
    for name in missing:
        by_package.setdefault(packages[name], []).append(name)
    for package, names in by_package.items():
        print(f"{' '.join(names)} (Debian: {package})")


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    packages = read_list(pathlib.Path(sys.argv[1]))
    folders = [pathlib.Path(folder) for folder in sys.argv[3:]]
    found = {name: find(name, folders) for name in packages}
    make_links([file for file in found.values() if file], pathlib.Path(sys.argv[2]))
    report([name for name, file in found.items() if not file], packages)


if __name__ == "__main__":
    main()
