# SPDX-License-Identifier: LGPL-2.1-or-later
"""A network of three namespaces that a test can disturb: here, a router, and the peer.

    here 10.77.1.2 ──┐
                     router ── 10.77.2.2 peer
    here 10.77.3.2 ──┘

The second way is there from the beginning but has no address: change_address() takes it. The program
runs anew in namespaces of its own (enter()), which go with it, however it ends.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import peers

SKIPPED = 77
HERE, ROUTER, PEER = "10.77.1.2", "10.77.1.1", "10.77.2.2"
OTHER_HERE, OTHER_ROUTER = "10.77.3.2", "10.77.3.1"
INSIDE = "INTEROP_NAMESPACES"
CLONE_NEWNET = 0x40000000


def skip(reason):
    print(f"skipped: {reason}", file=sys.stderr)
    sys.exit(SKIPPED)


def enter():
    """Runs this program again in a network and a mount namespace of its own, as its root, unless that
    has been done. Where the machine does not allow it the program ends as a skipped test."""
    if os.environ.get(INSIDE):
        return
    for program in ("unshare", "ip", "nft"):
        if shutil.which(program) is None and not pathlib.Path("/usr/sbin", program).exists():
            raise peers.Missing(f"{program} is missing: run scripts/setup interop")
    command = ["unshare", "--net", "--mount"]
    if os.geteuid() != 0:
        command += ["--user", "--map-root-user"]
    tried = subprocess.run([*command, "true"], stderr=subprocess.PIPE, text=True)
    if tried.returncode != 0:
        skip(f"no network namespaces here: {tried.stderr.strip()}")
    environment = dict(os.environ, **{INSIDE: "1"})
    environment["PATH"] += ":/usr/sbin:/sbin"
    os.execvpe(command[0], [*command, sys.executable, *sys.argv], environment)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout


def within(namespace, call):
    """The result of CALL, made by a thread that is in the namespace. Its sockets belong there."""
    result, failed = [], []

    def work():
        with open(f"/run/netns/{namespace}", encoding="ascii") as handle:
            if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET) != 0:
                failed.append(OSError(ctypes.get_errno(), "setns"))
                return
        try:
            result.append(call())
        except Exception as error:  # pylint: disable=broad-except
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return result[0]


def make_namespaces(*names):
    # Names of namespaces are files, which only this program is to see.
    run("mount", "-t", "tmpfs", "none", "/run")
    run("mkdir", "/run/netns")
    for name in names:
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
    run("ip", "link", "set", "lo", "up")


class Network:
    """The three namespaces; here is where the program runs."""

    def __init__(self):
        make_namespaces("router", "peer")
        self._connect(None, "one", HERE, ROUTER)
        self._connect("peer", "one", PEER, "10.77.2.1")
        self._link(None, "two")
        run("ip", "-n", "router", "addr", "add", OTHER_ROUTER + "/24", "dev", "here-two")
        try:
            within("router", lambda: pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
            self.nft("add table inet way; add chain inet way forward "
                     "{ type filter hook forward priority 0; }")
        except (OSError, AssertionError) as error:
            skip(f"no router can be made here: {error}")

    @staticmethod
    def _at(namespace):
        return ["ip"] if namespace is None else ["ip", "-n", namespace]

    def _link(self, namespace, name):
        far = f"{namespace or 'here'}-{name}"
        at = self._at(namespace)
        run("ip", "-n", "router", "link", "add", far, "type", "veth", "peer", "name", "tmp-" + name)
        run("ip", "-n", "router", "link", "set", "tmp-" + name, "netns", namespace or str(os.getpid()))
        run(*at, "link", "set", "tmp-" + name, "name", name)
        run("ip", "-n", "router", "link", "set", far, "up")
        run(*at, "link", "set", name, "up")

    def _connect(self, namespace, name, address, router):
        self._link(namespace, name)
        run("ip", "-n", "router", "addr", "add", router + "/24", "dev", f"{namespace or 'here'}-{name}")
        run(*self._at(namespace), "addr", "add", address + "/24", "dev", name)
        run(*self._at(namespace), "route", "add", "default", "via", router)

    @staticmethod
    def nft(text):
        return run("ip", "netns", "exec", "router", "nft", text)

    def cut(self, rule="drop"):
        """From now on the router drops everything without a word, or what `rule` says."""
        self.nft(f"add rule inet way forward {rule}")

    def mend(self):
        self.nft("flush chain inet way forward")

    @contextlib.contextmanager
    def cut_off(self):
        self.cut()
        try:
            yield
        finally:
            self.mend()

    @staticmethod
    def change_address():
        """The first way goes with its address, and the second one comes."""
        run("ip", "addr", "del", HERE + "/24", "dev", "one")
        run("ip", "addr", "add", OTHER_HERE + "/24", "dev", "two")
        run("ip", "route", "add", "default", "via", OTHER_ROUTER)


    def narrow(self, kilobits):
        """Both directions, with room for half a second; false where the kernel cannot."""
        for link in ("here-one", "peer-one"):
            try:
                run("ip", "netns", "exec", "router", "tc", "qdisc", "replace", "dev", link, "root", "tbf",
                    "rate", f"{kilobits}kbit", "burst", "4kb", "latency", "500ms")
            except AssertionError as error:
                print(error, file=sys.stderr)
                return False
        return True


@contextlib.contextmanager
def bad_wire(folder, **does):
    """Here and the peer, with bad_wire.py between them; what it has done is in `told` afterwards."""
    make_namespaces("peer")
    options = [f"--{name}={value}" for name, value in does.items()]
    try:
        wire = peers.Program([sys.executable, peers.HERE / "bad_wire.py", "peer", *options], folder, "wire",
                             True)
        wire.first_line(5)
    except AssertionError as error:
        skip(f"no TUN devices here: {error}")
    for at, own, other in ((["ip"], HERE, PEER), (["ip", "-n", "peer"], PEER, HERE)):
        run(*at, "addr", "add", own, "peer", other, "dev", "wire")
        run(*at, "link", "set", "wire", "up")
    wire.told = None
    try:
        yield wire
    finally:
        wire.child.stdin.close()
        wire.told = json.loads(wire.child.stdout.readline() or "null")
        wire.stop()


def behind(kind):
    """The kind of peer, in the peer's namespace, at one port that it also has when it starts again."""

    class Behind(kind):
        host, listen = PEER, PEER + ":8080"

        def run(self, arguments, name, speaks=False, **options):
            options["env"] = dict(os.environ, INTEROP_LISTEN=self.listen)
            return super().run(["ip", "netns", "exec", "peer", *arguments], name, speaks, **options)

        def report(self):
            return within("peer", super().report)

        def ask(self, path):
            return within("peer", lambda: super(Behind, self).ask(path))

        def crash(self):
            """SIGKILL: nobody hears of it."""
            self.programs.pop().kill()

    return Behind
