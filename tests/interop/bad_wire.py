#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A wire between two network namespaces that loses, delays, reorders and repeats packets, for kernels
without netem: two TUN devices, and this program between them.

usage: bad_wire.py NAMESPACE [--loss PERCENT] [--delay MS] [--jitter MS] [--repeat PERCENT] [--seed N]

One device, `wire`, is in the namespace of the program, the other one of the same name in NAMESPACE. What
is delayed by up to MS of jitter overtakes other packets. The first line of the output says that the
wire is there; the last one, when the standard input ends, is what it has done to each direction.
"""
import argparse
import ctypes
import fcntl
import heapq
import json
import os
import random
import selectors
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000


def open_end():
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH", b"wire", IFF_TUN | IFF_NO_PI))
    return handle


def enter(namespace):
    with open(f"/run/netns/{namespace}", encoding="ascii") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"the namespace {namespace}")


class Wire:
    def __init__(self, given):
        self.given, self.chance = given, random.Random(given.seed)
        self.waiting, self.number = [], 0
        self.counts = {}

    def take(self, source, target, packet):
        count = self.counts.setdefault(source, dict.fromkeys(
            ("taken", "lost", "repeated", "overtaken", "refused"), 0))
        count["taken"] += 1
        if self.chance.uniform(0, 100) < self.given.loss:
            count["lost"] += 1
            return
        copies = 1
        if self.chance.uniform(0, 100) < self.given.repeat:
            count["repeated"] += 1
            copies = 2
        for _ in range(copies):
            self.number += 1
            due = time.monotonic() + (self.given.delay + self.chance.uniform(0, self.given.jitter)) / 1000
            heapq.heappush(self.waiting, (due, self.number, source, target, packet))

    def give(self, last):
        """What is due; how long until the next one is. LAST: the highest number given by direction."""
        while self.waiting:
            due, number, source, target, packet = self.waiting[0]
            left = due - time.monotonic()
            if left > 0:
                return left
            heapq.heappop(self.waiting)
            if number < last.get(source, 0):
                self.counts[source]["overtaken"] += 1
            last[source] = max(number, last.get(source, 0))
            try:
                os.write(target, packet)
            except OSError:
                self.counts[source]["refused"] += 1
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("namespace")
    for name in ("loss", "delay", "jitter", "repeat"):
        parser.add_argument("--" + name, type=float, default=0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    ends = [open_end()]
    enter(given.namespace)
    ends.append(open_end())
    wire, last = Wire(given), {}
    selector = selectors.DefaultSelector()
    for source, target in (ends, ends[::-1]):
        selector.register(source, selectors.EVENT_READ, target)
    selector.register(sys.stdin, selectors.EVENT_READ)
    print("there", flush=True)
    while True:
        for key, _ in selector.select(wire.give(last)):
            if key.fileobj is sys.stdin:
                print(json.dumps([wire.counts.get(end, {}) for end in ends]), flush=True)
                return
            try:
                wire.take(key.fileobj, key.data, os.read(key.fileobj, 65536))
            except BlockingIOError:
                pass


if __name__ == "__main__":
    main()
