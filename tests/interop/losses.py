#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A network that loses, delays, reorders and repeats packets, between our elements and aiortc, which
decodes. The media must stay playable, and the figures are printed.

usage: losses.py publish|play CASE

CASE: loss      5 % are lost on the way, by nftables
      bad       5 % are lost, up to 100 ms of jitter reorder packets, 2 % come twice
      narrow    1,200 kbit/s, which a key picture fills for a while
"""
import contextlib
import json
import sys
import tempfile

import ending
import network
import peers
import witness

SECONDS = 15
LOSS, DELAY_MS, JITTER_MS, REPEAT = 5, 20, 100, 2
NARROW_KBIT = 1200
# Of all that was sent: what comes to us, and what comes to aiortc, whose buffer gives up several packets
# of sound for each that is lost, and seconds of pictures where a retransmission is lost as well. Of the
# pictures, those of other colours.
LEAST_PICTURES = {True: {"loss": 0.5, "bad": 0.5, "narrow": 0.9},
                  False: {"loss": 0.9, "bad": 0.85, "narrow": 0.9}}
LEAST_SOUND = {True: {"loss": 0.5, "bad": 0.5, "narrow": 0.9},
               False: {"loss": 0.9, "bad": 0.9, "narrow": 0.9}}
MOST_BAD = 0.05
# What a round trip takes, so that what is lost can come again in time.
LATENCY = {"bad": {"video_latency": "500", "audio_latency": "200"}}
OURS = ("jitter-pushed", "jitter-lost", "jitter-late", "jitter-duplicates", "rtx-requested",
        "rtx-recovered", "rtx-received", "rtx-associated", "rtx-sent", "rtx-asked-for",
        "keyframe-requests-received", "keyframe-requests-sent", "dropped-no-keyframe")
TRANSPORT = ("consent-renewals", "dropped-replay")


@contextlib.contextmanager
def way(case, folder):
    if case == "bad":
        with network.bad_wire(folder, loss=LOSS, delay=DELAY_MS, jitter=JITTER_MS, repeat=REPEAT) as wire:
            yield wire
        print("the wire, from here and from the peer:", json.dumps(wire.told))
        assert wire.told and all(end["lost"] and end["overtaken"] for end in wire.told), wire.told
        return
    net = network.Network()
    if case == "loss":
        net.cut(f"meta l4proto udp numgen random mod 100 < {LOSS} counter drop")
    elif not net.narrow(NARROW_KBIT):
        network.skip("the kernel has no tbf")
    yield net
    if case == "loss":
        print("the router:", net.nft("list chain inet way forward").split("counter")[1].split("drop")[0])


def figures(watched):
    stats = watched.client.stats()
    session = stats.get_value("session")
    found = {name: session.get_value(name) for name in OURS if session.get_value(name)}
    found.update({name: watched.transport(name) for name in TRANSPORT if watched.transport(name)})
    for kind in ("video", "audio"):
        output, pad = session.get_value(kind + "-output"), stats.get_value(kind + "_0")
        if output:
            found[kind + "-gaps"] = output.get_value("gaps")
            found[kind + "-times-mended"] = [output.get_value("times-mended"), pad.get_value("times-mended")]
    return found


def received(watched):
    """Pictures, those with other colours, and hundredths of a second of sound, of all sessions."""
    reports = watched.sessions() if watched.publishes else [watched.client.report()]
    return [sum(told[kind][what] for told in reports)
            for kind, what in (("video", "frames"), ("video", "bad"), ("audio", "blocks"))]


def measure(watched, case):
    watched.until_pictures(20, "pictures")
    before = received(watched)
    watched.rest(SECONDS)
    pictures, bad, blocks = (after - begin for after, begin in zip(received(watched), before))
    sound = blocks / 100
    told = watched.sessions()[-1] if watched.publishes else watched.client.report()
    print(f"{case}: {pictures} of {SECONDS * 30} pictures, {bad} of them with other colours; {sound:.1f} of "
          f"{SECONDS} s of sound; picture and sound {told['offset_ms']} ms apart; "
          f"{watched.count('attempts')} sessions")
    print(json.dumps(figures(watched)))
    assert pictures >= SECONDS * 30 * LEAST_PICTURES[watched.publishes][case], told
    assert bad <= pictures * MOST_BAD, told
    assert sound >= SECONDS * LEAST_SOUND[watched.publishes][case], told
    assert watched.count("attempts") == 1 and watched.count("restarts") == 0, watched.states


def run(publishes, case):
    options = {} if publishes else LATENCY.get(case, {})
    with tempfile.TemporaryDirectory(prefix="interop-wire-") as folder, way(case, folder), \
            peers.running(network.behind(peers.Aiortc)) as peer:
        watched = witness.Witness(peer, publishes, **options)
        try:
            measure(watched, case)
            watched.check_pads()
        except BaseException:
            watched.tell()
            raise
        watched.stop()


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("publish", "play") or sys.argv[2] not in LEAST_SOUND[True]:
        sys.exit(__doc__)
    network.enter()
    ending.exit_after(run, sys.argv[1] == "publish", sys.argv[2])


if __name__ == "__main__":
    main()
