#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Installs a build into an empty folder and uses what is there, as a system that builds on it would.

usage: check-install.py BUILD COMPILER...

Looks for the plugins, the library, the headers and the introspection files, compiles a program
against the installed pkg-config file and runs it with the installed library and plugins.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PROGRAM = r"""
#include <gst/streamlib/streamlib.h>
int main(int argc, char **argv)
{
  gst_init(&argc, &argv);
  GstElement *link = gst_element_factory_make("sllink", NULL);
  if (!link || !GST_IS_SL_PROCESSOR(link))
    return 1;
  gst_object_unref(link);
  GstSlRuntime *runtime = gst_sl_runtime_new();
  GstContext *context = gst_sl_runtime_to_context(runtime, TRUE);
  gst_context_unref(context);
  gst_object_unref(runtime);
  return 0;
}
"""


SCRIPT = """
import sys, gi
gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import Gst, GstStreamlib
Gst.init(None)
print(sys.modules[GstStreamlib.Processor.__module__].__file__)
assert GstStreamlib.Dispatcher.new_with_thread().invoke("add", lambda a, b: a + b, 1, 2) == 3
"""


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}exit code {done.returncode}")
    return done.stdout


def has_pygobject():
    return subprocess.run(["/usr/bin/python3", "-c", "import gi"], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


def one(root, pattern):
    """The file that matches; there must be exactly one."""
    found = sorted(root.rglob(pattern))
    if len(found) != 1:
        sys.exit(f"{pattern}: {len(found)} files were installed: {found}")
    return found[0]


def expect_in(path, folder):
    if not str(path.parent).endswith(folder):
        sys.exit(f"{path} is not in {folder}")


def check_files(root, has_introspection):
    expect_in(one(root, "libgstslcore.so"), "/gstreamer-1.0")
    expect_in(one(root, "streamlib.h"), "/include/gstreamer-1.0/gst/streamlib")
    headers = {path.name for path in one(root, "streamlib.h").parent.iterdir()}
    for text in one(root, "streamlib.h").read_text().splitlines():
        if text.startswith("#include <gst/streamlib/"):
            name = text.split("/")[-1].rstrip(">")
            if name not in headers:
                sys.exit(f"streamlib.h includes {name}, which is not installed")
    private = [name for name in headers if not name.startswith("gstsl") and name != "streamlib.h"]
    if private:
        sys.exit(f"private headers are installed: {private}")
    if has_introspection:
        expect_in(one(root, "GstStreamlib-1.0.gir"), "/share/gir-1.0")
        expect_in(one(root, "GstStreamlib-1.0.typelib"), "/girepository-1.0")
        expect_in(one(root, "GstStreamlib.py"), "/gi/overrides")


def check_program(root, prefix, compiler, scratch):
    # As it is found on a system that has the files at their place.
    installed = one(root, "gststreamlib-1.0.pc").read_text()
    moved = re.sub("^prefix=.*$", f"prefix={root / prefix}", installed, flags=re.MULTILINE)
    (scratch / "gststreamlib-1.0.pc").write_text(moved)
    env = dict(os.environ, PKG_CONFIG_PATH=f"{scratch}:{os.environ.get('PKG_CONFIG_PATH', '')}")
    flags = run(["pkg-config", "--cflags", "--libs", "gststreamlib-1.0"], env=env).split()
    source = scratch / "program.c"
    source.write_text(PROGRAM)
    run([*compiler, "-Wall", "-Werror", "-o", scratch / "program", source, *flags])
    library = one(root, "libgststreamlib-1.0.so").parent
    plugins = one(root, "libgstslcore.so").parent
    env = dict(os.environ, LD_LIBRARY_PATH=f"{library}:{os.environ.get('LD_LIBRARY_PATH', '')}",
               GST_PLUGIN_PATH_1_0=str(plugins), GST_REGISTRY_1_0=str(scratch / "registry.bin"))
    run([scratch / "program"], env=env)


def check_python(root):
    """A script that is told of the installed folders finds the overrides, and runs with them."""
    library = one(root, "libgststreamlib-1.0.so").parent
    overrides = one(root, "GstStreamlib.py").parents[2]
    env = dict(os.environ, LD_LIBRARY_PATH=str(library), PYTHONPATH=str(overrides),
               GI_TYPELIB_PATH=str(one(root, "GstStreamlib-1.0.typelib").parent))
    found = run(["/usr/bin/python3", "-c", SCRIPT], env=env)
    if str(overrides) not in found:
        sys.exit(f"the overrides that are installed were not used: {found}")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    build, compiler = sys.argv[1], sys.argv[2:]
    options = run(["meson", "introspect", "--buildoptions", build])
    values = {option["name"]: option["value"] for option in json.loads(options)}
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder, "root")
        run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", root])
        has_gir = pathlib.Path(build, "gst", "streamlib", "GstStreamlib-1.0.gir").exists()
        check_files(root, has_gir)
        check_program(root, values["prefix"].lstrip("/"), compiler, pathlib.Path(folder))
        if has_gir and has_pygobject():
            check_python(root)


if __name__ == "__main__":
    main()
