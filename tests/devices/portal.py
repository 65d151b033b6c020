#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A camera portal for tests: a service on the session bus that hands out connections to PipeWire.

usage: portal.py [--answer CODE] [--delay SECONDS] [--deny] [--die] [--no-remote]

CODE is that of the response: 0 granted, 1 cancelled by the user, 2 ended otherwise. --deny refuses
the question itself, --die ends the service once it was asked, --no-remote grants and then fails.
Prints a line for each question.
"""
import argparse
import os
import socket

from gi.repository import Gio, GLib

NAME, PATH = "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop"
INTERFACE = """
<node>
  <interface name="org.freedesktop.portal.Camera">
    <method name="AccessCamera">
      <arg type="a{sv}" name="options" direction="in"/>
      <arg type="o" name="handle" direction="out"/>
    </method>
    <method name="OpenPipeWireRemote">
      <arg type="a{sv}" name="options" direction="in"/>
      <arg type="h" name="fd" direction="out"/>
    </method>
    <property name="IsCameraPresent" type="b" access="read"/>
    <property name="version" type="u" access="read"/>
  </interface>
</node>
"""

parser = argparse.ArgumentParser()
parser.add_argument("--answer", type=int, default=0)
parser.add_argument("--delay", type=float, default=0)
for flag in ("--deny", "--die", "--no-remote"):
    parser.add_argument(flag, action="store_true")
options = parser.parse_args()
loop = GLib.MainLoop()


def respond(bus, caller, handle):
    if options.die:
        loop.quit()
    else:
        bus.emit_signal(caller, handle, "org.freedesktop.portal.Request", "Response",
                        GLib.Variant("(ua{sv})", (options.answer, {})))
    return GLib.SOURCE_REMOVE


def access_camera(bus, caller, asked, invocation):
    print("asked", flush=True)
    if options.deny:
        invocation.return_dbus_error("org.freedesktop.portal.Error.NotAllowed", "not in this place")
        return
    token = asked.get("handle_token", "none")
    handle = f"{PATH}/request/{caller[1:].replace('.', '_')}/{token}"
    invocation.return_value(GLib.Variant("(o)", (handle,)))
    GLib.timeout_add(int(options.delay * 1000), respond, bus, caller, handle)


def open_remote(invocation):
    if options.no_remote:
        invocation.return_dbus_error("org.freedesktop.portal.Error.Failed", "no PipeWire here")
        return
    server = socket.socket(socket.AF_UNIX)
    server.connect(os.path.join(os.environ["PIPEWIRE_RUNTIME_DIR"], "pipewire-0"))
    fds = Gio.UnixFDList.new()
    index = fds.append(server.fileno())
    invocation.return_value_with_unix_fd_list(GLib.Variant("(h)", (index,)), fds)
    server.close()


def on_call(bus, caller, _path, _interface, method, parameters, invocation):
    if method == "AccessCamera":
        access_camera(bus, caller, parameters.unpack()[0], invocation)
    else:
        open_remote(invocation)


def on_get(_bus, _caller, _path, _interface, name):
    return GLib.Variant("b", True) if name == "IsCameraPresent" else GLib.Variant("u", 1)


def on_bus(bus, _name):
    interface = Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0]
    bus.register_object(PATH, interface, on_call, on_get, None)


Gio.bus_own_name(Gio.BusType.SESSION, NAME, Gio.BusNameOwnerFlags.NONE, on_bus,
                 lambda *_: print("ready", flush=True), None)
loop.run()
