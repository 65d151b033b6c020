#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is more than media: candidates that follow, ICE restarts, servers that a Link names, and a
peer that is another one than its description says.

usage: features.py pion-trickle|pion-restart|pion-restart-late|pion-restart-play|janus-link|
                   fingerprint-publish|fingerprint-play
"""
import os
import sys
import tempfile
import time
import traceback

import clients
import janus_peer
import peers


def frames(peer):
    return peer.report()[-1]["video"]["frames"]


def publishing(peer, **options):
    client = clients.Ours(peer.whip(), "vp8", True, **options)
    client.start()
    return client


def wait_until_deleted(peer):
    peers.wait_for(lambda: peer.report()[-1]["deleted"], 3, "the session is deleted")


def pion_trickle():
    """The offer goes without candidates, which follow by PATCH with the ETag."""
    with peers.running(peers.Pion) as peer:
        client = publishing(peer, use_link_headers="true")
        peers.wait_for(lambda: peer.report() and frames(peer) > 30, 10, "pictures at the peer")
        assert peer.report()[-1]["trickled"] > 0, peer.report()
        client.stop()
        wait_until_deleted(peer)


def silence(peer, seconds):
    query = f"seconds={seconds}" if seconds else "seconds=40&until=restart"
    peer.ask(f"/silence?{query}")


# Consent is lost after six seconds of silence or a few more. A restart that is begun during the
# silence fails, and the next one follows when its limit has passed.
UNTIL_RESTART, LONG_SECONDS, RETURN_SECONDS = None, 12, 30


def pion_restart(silent_seconds=UNTIL_RESTART):
    """After a silence, the same streams go on over the same DTLS session with new ICE credentials."""
    with peers.running(peers.Pion) as peer:
        client = publishing(peer)
        peers.wait_for(lambda: peer.report() and frames(peer) > 30, 10, "pictures at the peer")
        silence(peer, silent_seconds)
        begin = time.monotonic()
        peers.wait_for(lambda: peer.report()[-1]["restarts"] > 0, RETURN_SECONDS, "a restart")
        before = frames(peer)
        peers.wait_for(lambda: frames(peer) > before + 60, RETURN_SECONDS, "pictures after the restart")
        print(f"back {time.monotonic() - begin:.1f} s after the silence began")
        time.sleep(3)
        sessions = peer.report()
        assert len(sessions) == 1, sessions
        assert client.state() == "connected", client.state()
        assert len(sessions[0]["video"]["ssrcs"]) == 1, sessions
        assert sessions[0]["dtls_handshakes"] == 1, sessions
        # One that was begun during the silence may have failed.
        assert 1 <= client.stats().get_uint("restarts")[1] <= sessions[0]["restarts"], sessions
        client.stop()
        wait_until_deleted(peer)


def pion_restart_play():
    """The same where we play; the pads stay and their time goes on."""
    import samples  # pylint: disable=import-outside-toplevel
    with tempfile.TemporaryDirectory(prefix="interop-samples-") as folder:
        with peers.running(peers.Pion, samples.write(folder, "vp8")) as peer:
            client = clients.Ours(peer.whep("vp8"), "vp8", False)
            client.start()
            peers.wait_for(lambda: client.report()["video"]["frames"] > 30, 10, "pictures")
            silence(peer, UNTIL_RESTART)
            peers.wait_for(lambda: peer.report()[-1]["restarts"] > 0, RETURN_SECONDS, "a restart")
            before = client.report()["video"]["frames"]
            peers.wait_for(lambda: client.report()["video"]["frames"] > before + 60, RETURN_SECONDS,
                           "pictures after the restart")
            sessions = peer.report()
            assert len(sessions) == 1 and sessions[0]["dtls_handshakes"] == 1, sessions
            client.stop()
            wait_until_deleted(peer)


def janus_link():
    """The TURN server of the Link is the only way; what it gives follows by PATCH, with the ETag, at
    a server that is strict about it."""
    with peers.running(peers.Coturn, peers.outward_address()) as coturn, \
            peers.running(janus_peer.Janus, "vp8", coturn) as peer:
        client = publishing(peer, use_link_headers="true", ice_transport_policy="relay",
                            token=janus_peer.TOKEN)
        peers.wait_for(lambda: frames(peer) > 30, 15, "packets at Janus")
        assert coturn.channels() > 0, "nothing went through the relay"
        told = peer.report()[-1]
        assert told["patches"] > 0, told
        client.stop()
        wait_until_deleted(peer)


def wrong_fingerprint(publishes):
    """Not a packet of media goes either way, it is said why, and the session is deleted."""
    with peers.running(peers.Aiortc, "--wrong-fingerprint") as peer:
        url = peer.whip() if publishes else peer.whep("vp8")
        client = clients.Ours(url, "vp8", publishes)
        client.start()
        text = client.wait_for_error(15)
        print(text)
        assert "fingerprint" in text or "certificate" in text, text
        wait_until_deleted(peer)
        time.sleep(1)
        for told in peer.report():
            counted = told["datagrams"]
            # Something has come, or nothing was tried.
            assert counted.get("received_dtls", 0) > 0, counted
            assert counted.get("received_media", 0) == 0, counted
            assert counted.get("sent_media", 0) == 0, counted
        client.stop()


FEATURES = {
    "pion-trickle": pion_trickle,
    "pion-restart": pion_restart,
    "pion-restart-late": lambda: pion_restart(LONG_SECONDS),
    "pion-restart-play": pion_restart_play,
    "janus-link": janus_link,
    "fingerprint-publish": lambda: wrong_fingerprint(True),
    "fingerprint-play": lambda: wrong_fingerprint(False),
}


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in FEATURES:
        sys.exit(__doc__)
    try:
        FEATURES[sys.argv[1]]()
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
