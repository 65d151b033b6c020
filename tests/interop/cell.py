#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One cell of the table of peers: we publish to a peer, or play from it, for some seconds.

usage: cell.py [--client ours|webrtcbin] [--encoded] PEER publish|play CODEC

The known pattern has to arrive as it was sent: colours, the order of frames, the tone, and how far
sound and picture are apart. Where that fails with our elements, the same is done by webrtcbin, which
tells whether the peer is at fault.
"""
import argparse
import contextlib
import json
import sys
import tempfile

import clients
import ending
import janus_peer
import peers

PEERS = {"aiortc": peers.Aiortc, "webrtcbin": peers.WebRtcBin, "chromium": peers.Chromium,
         "pion": peers.Pion, "janus": janus_peer.Janus,
         "coturn": peers.Aiortc}  # Through a relay.
SECONDS = 6
# At 30 pictures and 100 blocks of sound in a second; a key picture and the start take their time.
LEAST_FRAMES, LEAST_BLOCKS = 60, 200
# What offset of picture and sound is in order, in milliseconds, by the clock of the sender.
# A page learns that clock less exactly.
OFFSET_LIMIT_MS, PAGE_OFFSET_LIMIT_MS = 40, 60


def check(received, limit_ms, decodes=True):
    """What is wrong with a report, as a list of sentences."""
    video, audio, wrong = received["video"], received["audio"], []
    if not decodes:
        for kind, least in (("video", LEAST_FRAMES), ("audio", LEAST_BLOCKS // 2)):
            if received[kind]["frames"] < least:
                wrong.append(f"{received[kind]['frames']} frames of {kind}, not {least}")
        return wrong
    if video["frames"] < LEAST_FRAMES:
        wrong.append(f"{video['frames']} pictures, not {LEAST_FRAMES}")
    if video["bad"] > video["frames"] // 50:
        wrong.append(f"{video['bad']} pictures have other colours: {video['last_bad']}")
    if audio["blocks"] < LEAST_BLOCKS:
        wrong.append(f"{audio['blocks'] / 100} s of sound, not {LEAST_BLOCKS / 100} s")
    if audio["tone_hz"] is None or abs(audio["tone_hz"] - 1000) > 60:
        wrong.append(f"the tone is of {audio['tone_hz']} Hz, not 1000 Hz")
    if received["offset_ms"] is None or abs(received["offset_ms"]) > limit_ms:
        wrong.append(f"picture and sound are {received['offset_ms']} ms apart, not {limit_ms} ms at most")
    return wrong


def run(peer, client_name, direction, codec, limit_ms, **connection):
    """Runs a client against a peer that is there; what arrived, and what is wrong."""
    publishes = direction == "publish"
    url = peer.whip() if publishes else peer.whep(codec)
    client = clients.CLIENTS[client_name](url, codec, publishes, **connection)
    try:
        client.start()
        client.wait(SECONDS)
        sessions = peer.report()
        if not sessions:
            raise AssertionError(f"the peer has no session; the client is {client.state()}")
        received = sessions[-1] if publishes else client.report()
        wrong = check(received, limit_ms, received.get("decodes", True))
        received["client_state"] = client.state()
        if client_name == "ours" and wrong:
            print(client.stats().to_string(), file=sys.stderr)
    finally:
        client.stop()
    if not peer.report()[-1]["deleted"]:
        wrong.append("the session was not deleted")
    print(json.dumps(received))
    return wrong


def with_peer(name, client_name, direction, codec, relay=False, **options):
    with contextlib.ExitStack() as stack:
        if relay:
            coturn = stack.enter_context(peers.running(peers.Coturn))
            options = dict(options, turn_server=coturn.turn_server())
        arguments = []
        if name == "pion" and direction == "play":
            import samples  # pylint: disable=import-outside-toplevel
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="interop-samples-"))
            arguments = [samples.write(folder, codec)]
        if name == "janus":
            arguments, options = [codec], dict(options, token=janus_peer.TOKEN)
        peer = stack.enter_context(peers.running(PEERS[name], *arguments))
        is_page = name == "chromium" and direction == "publish"
        limit_ms = PAGE_OFFSET_LIMIT_MS if is_page else OFFSET_LIMIT_MS
        wrong = run(peer, client_name, direction, codec, limit_ms, **options)
        if relay and not coturn.channels():
            wrong.append("nothing went through the relay")
        if wrong:
            raise AssertionError("; ".join(wrong))


def run_cell(given, own, options):
    try:
        with_peer(given.peer, given.client, given.direction, given.codec, **own, **options)
    except Exception:
        if given.client == "ours":
            try:
                with_peer(given.peer, "webrtcbin", given.direction, given.codec, **options)
                print("The same with webrtcbin works: the fault is ours.", file=sys.stderr)
            except Exception as error:  # pylint: disable=broad-except
                print(f"The same with webrtcbin fails too: {error}", file=sys.stderr)
        raise


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", default="ours", choices=clients.CLIENTS)
    parser.add_argument("--encoded", action="store_true")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("direction", choices=["publish", "play"])
    parser.add_argument("codec", choices=["vp8", "vp9", "h264"])
    given = parser.parse_args()
    options = {"relay": given.peer == "coturn"}
    own = {"encoded": True} if given.encoded else {}
    ending.exit_after(run_cell, given, own, options)


if __name__ == "__main__":
    main()
