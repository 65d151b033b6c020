#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network fails, or the peer does, while our elements publish or play; both are in network
namespaces of their own. What must come back is media, with the same pads and a running time that goes
on; how soon is printed.

usage: outages.py publish|play CASE

CASE: pause-SECONDS    nothing passes for so long
      address          the address of this side goes, and another one comes
      crash            the peer is killed, and starts again
      restart          the peer ends in order, and starts again
"""
import contextlib
import os
import sys
import tempfile
import traceback

import network
import peers
import samples
import witness

# Consent (RFC 7675) is lost 4 to 10 s after the way is.
NOTICED_SECONDS = 15


@contextlib.contextmanager
def pion(publishes):
    with tempfile.TemporaryDirectory(prefix="interop-samples-") as folder:
        arguments = [] if publishes else [samples.write(folder, "vp8")]
        with peers.running(network.behind(peers.Pion), *arguments) as peer:
            peer.arguments = arguments
            yield peer


def check_same_streams(watched):
    """One session, one handshake of DTLS, one SSRC of each kind."""
    sessions = watched.sessions()
    assert len(sessions) == 1, sessions
    assert sessions[0]["dtls_handshakes"] == 1, sessions
    if watched.publishes:
        for kind in ("video", "audio"):
            assert len(sessions[0][kind]["ssrcs"]) == 1, sessions
    assert watched.count("attempts") == 1, watched.client.stats().to_string()


def pause(net, watched, seconds):
    before = watched.frames()
    with net.cut_off():
        watched.rest(seconds)
        lost = watched.frames() - before
    back = watched.until_pictures(25, "pictures after the pause")
    print(f"a pause of {seconds:g} s: pictures {back:.1f} s after its end ({lost} in between), "
          f"{watched.count('restarts')} ICE restarts, {watched.count('attempts')} sessions")
    if seconds < 4:
        assert watched.count("restarts") == 0, "a short pause is no reason to restart"
        assert watched.client.state() == "connected", watched.states
    if seconds <= 10:
        check_same_streams(watched)


CASES = {}


def run(publishes, case):
    net = network.Network()
    with pion(publishes) as peer:
        watched = witness.Witness(peer, publishes)
        try:
            watched.until_pictures(15, "pictures")
            if case.startswith("pause-"):
                pause(net, watched, float(case.partition("-")[2]))
            else:
                CASES[case](net, watched)
            watched.rest(1)
            watched.check_pads()
            assert watched.client.state() == "connected", watched.states
        except BaseException:
            watched.tell()
            raise
        watched.stop()
        peers.wait_for(lambda: peer.report()[-1]["deleted"], 3, "the session is deleted")


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("publish", "play"):
        sys.exit(__doc__)
    network.enter()
    try:
        run(sys.argv[1] == "publish", sys.argv[2])
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
