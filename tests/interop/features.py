#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is more than media: candidates that follow, ICE restarts, servers that a Link names, a peer
that is another one than its description says, codecs that change, and H.264 as it is on the wire.

usage: features.py pion-trickle|pion-restart|pion-restart-late|pion-restart-play|janus-link|
                   fingerprint-publish|fingerprint-play|h264-parameter-sets|h264-refusals|
                   codec-chromium-publish|codec-aiortc-publish|codec-aiortc-refused|
                   codec-chromium-play|codec-chromium-play-encoded
"""
import sys
import tempfile
import time

import clients
import ending
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


def check_good(video):
    assert video["bad"] <= video["frames"] // 50, video


def codec_publish(kind):
    """Encoded video becomes H.264 and then VP8 again: the peer shows all of it, in one stream."""
    with peers.running(kind) as peer:
        client = clients.Ours(peer.whip(), "vp8", True, encoded=True, later="h264")
        client.start()
        peers.wait_for(lambda: peer.report() and frames(peer) > 30, 15, "pictures at the peer")
        for index in (1, 0):
            before = frames(peer)
            begin = time.monotonic()
            client.choose(index)
            peers.wait_for(lambda: frames(peer) > before + 75, 10, "pictures of the other codec")
            print(f"75 pictures {time.monotonic() - begin:.1f} s after the change")
        told = peer.report()[-1]
        print(told)
        check_good(told["video"])
        assert told["codecs"] == ["video/VP8", "video/H264", "video/VP8"], told["codecs"]
        assert client.stats().get_uint("connections")[1] == 1
        client.stop()
        wait_until_deleted(peer)


def codec_refused():
    """VP8 and VP9 are offered, the peer takes VP8: what becomes VP9 is an error that names both."""
    with peers.running(peers.Aiortc) as peer:
        client = clients.Ours(peer.whip(), "vp8", True, encoded=True, later="vp9")
        client.start()
        peers.wait_for(lambda: peer.report() and frames(peer) > 30, 15, "pictures at the peer")
        client.choose(1)
        text = client.wait_for_error(5)
        print(text)
        assert "VP9" in text and "has accepted VP8." in text, text
        client.stop()
        wait_until_deleted(peer)
        assert peer.report()[-1]["codecs"] == ["video/VP8"], peer.report()


def codec_play(encoded):
    """The same where we play: the page sends another codec, and our pads give it."""
    with peers.running(peers.Chromium) as peer:
        client = clients.Ours(peer.whep("vp8,h264"), "vp8", False, encoded=encoded, later="h264")
        client.start()
        received = lambda: client.report()["video"]["frames"]  # noqa: E731
        peers.wait_for(lambda: received() > 30, 15, "pictures")
        for codec in ("h264", "vp8"):
            begin = time.monotonic()
            peer.ask(f"/codec?name={codec}")
            peers.wait_for(lambda: client.codec_now() == codec, 5, codec)
            before = received()
            peers.wait_for(lambda: received() > before + 60, 10, f"pictures of {codec}")
            print(f"60 pictures of {codec} {time.monotonic() - begin:.1f} s after the change")
        told = client.report()
        print(told, "longest pause", client.receiver.longest_pause(), "s")
        check_good(told["video"])
        assert client.receiver.longest_pause() < 1, client.receiver.longest_pause()
        assert client.stats().get_uint("connections")[1] == 1
        client.stop()
        wait_until_deleted(peer)


X264 = "x264enc speed-preset=ultrafast key-int-max=15 bitrate=800 threads=2"
PROFILE = "video/x-h264,alignment=au,stream-format="


def h264_of(peer):
    return peer.report()[-1]["video"]["h264"]


def h264_parameter_sets():
    """SPS and PPS are on the wire before each IDR picture, also of a stream that has them elsewhere,
    and of one that says them once."""
    with peers.running(peers.Pion) as peer:
        for tail in (f"{X264} tune=zerolatency ! {PROFILE}avc,profile=constrained-baseline",
                     f"{X264} tune=zerolatency ! {PROFILE}byte-stream,profile=constrained-baseline ! "
                     "h264parse config-interval=0 ! "
                     f"{PROFILE}avc", None):
            client = clients.Ours(peer.whip(), "h264", True, encoded=tail is not None, encoder=tail)
            known = len(peer.report())
            client.start()
            peers.wait_for(lambda: len(peer.report()) > known and h264_of(peer)["slices"] > 80, 15,
                           "slices at the peer")
            # Raw video has one in two seconds, and when it is asked for.
            peers.wait_for(lambda: h264_of(peer)["idrs"] >= (4 if tail else 2), 10, "IDR pictures")
            print(h264_of(peer))
            assert h264_of(peer)["bare"] == 0, h264_of(peer)
            assert h264_of(peer)["b_slices"] == 0, h264_of(peer)
            client.stop()
            wait_until_deleted(peer)


def h264_refusals():
    """B-frames, and a profile that the peer has not accepted, are an error, and nothing of it is sent."""
    for kind, tail, words, most in (
            (peers.Pion, f"{X264} bframes=2 b-adapt=false ! {PROFILE}avc,profile=main",
             ("B-frames", "bframes=0"), 2),
            (peers.Aiortc, f"{X264} tune=zerolatency speed-preset=veryfast ! {PROFILE}avc,profile=high",
             ("profile high", "accepted"), 0)):
        with peers.running(kind) as peer:
            client = clients.Ours(peer.whip(), "h264", True, encoded=True, encoder=tail)
            client.start()
            text = client.wait_for_error(15)
            print(text)
            assert all(word in text for word in words), text
            time.sleep(0.5)
            video = peer.report()[-1]["video"]
            print(video)
            assert video["frames"] <= most, video
            assert video.get("h264", {}).get("b_slices", 0) == 0, video
            client.stop()
            wait_until_deleted(peer)


FEATURES = {
    "h264-parameter-sets": h264_parameter_sets,
    "h264-refusals": h264_refusals,
    "codec-chromium-publish": lambda: codec_publish(peers.Chromium),
    "codec-aiortc-publish": lambda: codec_publish(peers.Aiortc),
    "codec-aiortc-refused": codec_refused,
    "codec-chromium-play": lambda: codec_play(False),
    "codec-chromium-play-encoded": lambda: codec_play(True),
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
    ending.exit_after(FEATURES[sys.argv[1]])


if __name__ == "__main__":
    main()
