#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network fails, or the peer does, while our elements publish or play; both are in network
namespaces of their own. What must come back is media, with the same pads and a running time that goes
on; how soon is printed. Pion can restart ICE; aiortc and webrtcbin get a new session, and see that
the pictures and the sound are right.

usage: outages.py publish|play CASE [pion|aiortc|webrtcbin [vp8|h264]]

CASE: pause-SECONDS    nothing passes for so long
      udp-SECONDS      HTTP passes, and nothing else does
      address          the address of this side goes, and another one comes
      crash            the peer is killed, and starts again
      restart          the peer ends in order, and starts again
      quiet            the peer sends no media for a while (play)
      away             nothing passes, and we stop
      consent          checks of ICE do not pass for a while, and media do
      revoked          they do not pass any more
      silent           it sends neither media nor reports any more
"""
import contextlib
import sys
import tempfile
import time

import ending
import network
import peers
import samples
import witness

# Consent (RFC 7675) is lost 4 to 10 s after the way is.
NOTICED_SECONDS = 15
# What a restart that is begun in vain takes from one that is not.
UDP_BACK_SECONDS = 8


PEERS = {"pion": peers.Pion, "aiortc": peers.Aiortc, "webrtcbin": peers.WebRtcBin}


@contextlib.contextmanager
def running(kind, publishes, codec):
    with tempfile.TemporaryDirectory(prefix="interop-samples-") as folder:
        arguments = [samples.write(folder, codec)] if kind == peers.Pion and not publishes else []
        with peers.running(network.behind(kind), *arguments) as peer:
            peer.arguments, peer.restarts_ice = arguments, kind == peers.Pion
            yield peer


def check_session(watched, restarts=None):
    """The same session, where the peer can restart ICE, and one new one where it cannot."""
    if watched.peer.restarts_ice:
        check_same_streams(watched, restarts)
        return
    sessions = watched.sessions()
    assert len(sessions) == 2 and sessions[0]["deleted"], sessions
    assert watched.count("connections") == 2, watched.client.stats().to_string()


def check_same_streams(watched, restarts=None):
    """One session, one handshake of DTLS, one SSRC of each kind; RESTARTS of ICE, or how many there
    were, with other credentials each time."""
    sessions = watched.sessions()
    assert len(sessions) == 1, sessions
    told, own = sessions[0], watched.count("restarts")
    assert restarts is None or own >= restarts, (own, told)
    assert told["dtls_handshakes"] == 1, told
    # One that came too late is one at the peer alone.
    assert told["restarts"] >= own, (own, told)
    ufrags = told["ufrags"]
    assert len(set(ufrags)) == len(ufrags) == told["restarts"] + 1, told
    assert watched.transport("local-ufrag") == ufrags[-1], (watched.transport("local-ufrag"), told)
    if watched.publishes:
        for kind in ("video", "audio"):
            assert len(told[kind]["ssrcs"]) == 1, told
    assert watched.count("attempts") == 1, watched.client.stats().to_string()


def pause(net, watched, seconds):
    before = watched.frames()
    with net.cut_off():
        watched.rest(seconds)
        lost = watched.frames() - before
    back = watched.until_pictures(25, "pictures after the pause")
    print(f"a pause of {seconds:g} s: 30 pictures {back:.1f} s after its end ({lost} in between), "
          f"{watched.count('restarts')} ICE restarts, {watched.count('attempts')} sessions")
    if seconds < 4:
        assert watched.count("restarts") == 0, "a short pause is no reason to restart"
        assert [state for _, state in watched.states] == ["connecting", "connected"], watched.states
    elif seconds <= 10:
        check_session(watched)
    else:
        assert watched.said("ICE restart") and watched.said("tried again"), watched.warnings
        assert "reconnecting" in [state for _, state in watched.states], watched.states
        assert watched.sessions()[0]["deleted"], "the session of before is still at the server"


def address(net, watched):
    old = watched.transport("local-address")
    assert network.HERE in old, old
    net.change_address()
    back = watched.until_pictures(NOTICED_SECONDS, "pictures over the new address")
    print(f"another address: 30 pictures after {back:.1f} s")
    new = watched.transport("local-address")
    assert network.OTHER_HERE in new, new
    assert watched.said("address", "gone"), watched.warnings
    check_session(watched, restarts=1)


def crash(_net, watched):
    """Nobody says a word: consent has to notice, and the new peer knows of no session."""
    watched.peer.crash()
    begin = time.monotonic()
    noticed = watched.until(lambda: watched.client.state() == "reconnecting", NOTICED_SECONDS,
                            "a look for another way")
    watched.peer.start(*watched.peer.arguments)
    watched.until_pictures(NOTICED_SECONDS, "pictures of the new peer")
    print(f"killed: noticed after {noticed:.1f} s, 30 pictures after {time.monotonic() - begin:.1f} s, "
          f"{watched.count('attempts')} attempts")
    assert watched.count("connections") == 2, watched.client.stats().to_string()


def away(net, watched):
    """Who is stopped while a way is looked for stops at once, which the client checks."""
    net.cut()
    watched.until(lambda: watched.client.state() == "reconnecting", NOTICED_SECONDS, "a look for another way")
    watched.rest(1)
    watched.check_pads()
    watched.client.stop()
    net.mend()


def restart(_net, watched):
    """close_notify says at once that the session is over."""
    watched.peer.stop()
    watched.peer.programs.clear()
    begin = time.monotonic()
    noticed = watched.until(lambda: watched.client.state() == "reconnecting", NOTICED_SECONDS,
                            "a look for another way")
    watched.rest(2)
    watched.peer.start(*watched.peer.arguments)
    watched.until_pictures(NOTICED_SECONDS, "pictures of the new peer")
    print(f"ended: noticed after {noticed:.1f} s, 30 pictures after {time.monotonic() - begin:.1f} s, "
          f"{watched.count('attempts')} attempts")
    assert noticed < 3, f"the end was noticed after {noticed:.1f} s"
    assert watched.count("connections") == 2, watched.client.stats().to_string()


def udp(net, watched, seconds):
    """The server answers to every ICE restart, and none can succeed until the way is there again."""
    net.cut("meta l4proto udp drop")
    watched.rest(seconds)
    assert watched.client.state() == "reconnecting", watched.states
    net.mend()
    back = watched.until_pictures(UDP_BACK_SECONDS, "pictures after the pause")
    print(f"{seconds:g} s without UDP: 30 pictures {back:.1f} s after their end, "
          f"{watched.sessions()[0]['restarts']} ICE restarts at the peer")
    check_same_streams(watched, restarts=1)


def quiet(_net, watched):
    """The server pauses, its reports go on: that is said each time, and the session stays."""
    for number in (1, 2):
        watched.peer.ask("/pause?on=1")
        told = watched.until(lambda: sum("no media" in text for _, text, _ in watched.warnings) == number,
                             10, "a warning that nothing comes")
        watched.rest(2)
        watched.peer.ask("/pause?on=0")
        watched.until_pictures(5, "pictures after the pause")
    print(f"a sender that pauses: said after {told:.1f} s")
    assert len(watched.warnings) == 2, watched.warnings
    assert watched.count("attempts") == 1 and len(watched.sessions()) == 1, watched.sessions()


def silent(net, watched):
    """Neither media nor reports come from the peer, which consents: a new session, and where that does
    no better, it stays and says so."""
    # What begins with these two bits is RTP or RTCP (RFC 7983).
    net.cut(f"ip saddr {network.PEER} meta l4proto udp @th,64,2 2 drop")
    noticed = watched.until(lambda: watched.count("connections") == 2, 25, "a new session")
    assert watched.said("neither media nor reports"), watched.warnings
    words = ("not reported",) if watched.publishes else ("no media",)
    watched.warnings.clear()
    watched.until(lambda: watched.said(*words), 20, "a warning that nothing comes")
    watched.rest(5)
    assert watched.count("attempts") == 2, watched.client.stats().to_string()
    net.mend()
    watched.until_pictures(5, "pictures of the second session")
    print(f"a peer that only consents: a new session after {noticed:.1f} s")


# What begins with a byte below 4 is STUN (RFC 7983).
STUN_DROPPED = "meta l4proto udp @th,64,8 < 4 drop"


def consent(net, watched):
    """Some checks are lost, the peer lives: nothing happens."""
    net.cut(STUN_DROPPED)
    gaps = []
    for _ in range(13):
        before = watched.frames()
        watched.rest(1)
        gaps.append(watched.frames() - before)
    net.mend()
    watched.rest(8)
    watched.until_pictures(2, "pictures")
    print(f"13 s without checks of ICE: {watched.transport('consent-renewals')} renewals, "
          f"at least {min(gaps)} pictures in each second")
    assert min(gaps) >= 10, f"media stopped: {gaps}"
    assert watched.transport("consent-renewals") == 1, watched.client.stats().to_string()
    assert [state for _, state in watched.states] == ["connecting", "connected"], watched.states
    check_same_streams(watched)
    assert watched.count("restarts") == 0, watched.states


def revoked(net, watched):
    """Nobody may send to a peer that has not consented for 30 s, whatever it sends (RFC 7675)."""
    net.cut(STUN_DROPPED)
    noticed = watched.until(lambda: watched.client.state() == "reconnecting", 32, "the end of consent")
    print(f"no check of ICE is answered: noticed after {noticed:.1f} s")
    assert noticed > 10, noticed
    net.mend()
    watched.until_pictures(NOTICED_SECONDS, "pictures after the restart")
    check_same_streams(watched, restarts=1)


CASES = {"away": away, "consent": consent, "revoked": revoked, "quiet": quiet, "silent": silent,
         "address": address, "crash": crash, "restart": restart}


def run(publishes, case, kind="pion", codec="vp8"):
    net = network.Network()
    with running(PEERS[kind], publishes, codec) as peer:
        watched = witness.Witness(peer, publishes, codec)
        try:
            watched.until_pictures(15, "pictures")
            name, _, seconds = case.partition("-")
            if seconds:
                {"pause": pause, "udp": udp}[name](net, watched, float(seconds))
            else:
                CASES[case](net, watched)
            if case == "away":
                return
            watched.rest(1)
            watched.check_pattern()
            watched.check_pads()
            assert watched.client.state() == "connected", watched.states
        except BaseException:
            watched.tell()
            raise
        watched.stop()
        peers.wait_for(lambda: peer.report()[-1]["deleted"], 3, "the session is deleted")


def main():
    if not 3 <= len(sys.argv) <= 5 or sys.argv[1] not in ("publish", "play"):
        sys.exit(__doc__)
    network.enter()
    ending.exit_after(run, sys.argv[1] == "publish", *sys.argv[2:])


if __name__ == "__main__":
    main()
