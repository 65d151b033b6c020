#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""slwhipsink and slwhepsrc as an application in Python sees them: properties, statistics, states and
messages. The server refuses, or keeps silent."""
import http.server
import threading
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

Gst.init(None)

LIMIT_S = 20
SILENT = 0


class Server:
    """Answers each POST with a status, or not at all."""

    def __init__(self, status):
        released = self.released = threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                server.posts += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                if status == SILENT:
                    released.wait(LIMIT_S)
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        self.posts = 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/live"

    def stop(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


class Elements(unittest.TestCase):
    LINES = {
        "slwhipsink": "slwhipsink name=rtc whip-endpoint={} "
                      "videotestsrc is-live=true ! video/x-raw,width=64,height=48 ! rtc.video_0",
        "slwhepsrc": "slwhepsrc name=rtc whep-endpoint={} rtc. ! fakesink",
    }

    def make(self, name, status):
        server = Server(status)
        self.addCleanup(server.stop)
        pipeline = Gst.parse_launch(self.LINES[name].format(server.url()))
        self.addCleanup(pipeline.set_state, Gst.State.NULL)
        return server, pipeline, pipeline.get_by_name("rtc")

    def each(self, status):
        for name in self.LINES:
            with self.subTest(name):
                yield self.make(name, status)

    def message(self, pipeline, kinds):
        message = pipeline.get_bus().timed_pop_filtered(LIMIT_S * Gst.SECOND, kinds)
        self.assertIsNotNone(message)
        return message

    def wait_until(self, condition):
        end = time.monotonic() + LIMIT_S
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def stop(self, pipeline):
        begin = time.monotonic()
        pipeline.set_state(Gst.State.NULL)
        self.assertLess(time.monotonic() - begin, 2)

    def test_properties(self):
        for _server, _pipeline, element in self.each(401):
            element.set_property("reconnect", "never")
            self.assertEqual(element.get_property("reconnect").value_nick, "never")
            element.props.ice_transport_policy = "relay"
            self.assertEqual(element.props.ice_transport_policy.value_nick, "relay")
            self.assertIsNone(element.props.auth_token)
            element.props.auth_token = "token"
            self.assertEqual(element.props.auth_token, "token")
            self.assertEqual(element.props.state.value_nick, "new")
            self.assertEqual(element.props.stats["state"], "new")

    def test_refusal_is_an_error(self):
        for _server, pipeline, element in self.each(401):
            pipeline.set_state(Gst.State.PLAYING)
            message = self.message(pipeline, Gst.MessageType.ERROR | Gst.MessageType.EOS)
            error, _debug = message.parse_error()
            self.assertTrue(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_AUTHORIZED))
            self.assertIn("auth-token", error.message)
            self.assertEqual(message.src, element)
            self.assertEqual(element.props.state.value_nick, "failed")
            stats = element.props.stats
            self.assertEqual((stats["state"], stats["attempts"], stats["last-error"]),
                             ("failed", 1, error.message))
            # What there was is still to be read when the connection is over.
            self.assertEqual(stats["transport"]["packets-sent"], 0)
            self.assertTrue(stats["session"].n_fields() > 0)
            self.stop(pipeline)
            self.assertEqual(element.props.state.value_nick, "new")

    def test_error_says_what_reconnects(self):
        for values, hint in (({"reconnect": "never"}, "reconnect=on-failure"),
                             ({"reconnect-attempts": 1, "reconnect-delay": 1}, "reconnect-attempts")):
            for _server, pipeline, element in self.each(503):
                for name, value in values.items():
                    element.set_property(name, value)
                pipeline.set_state(Gst.State.PLAYING)
                error, _debug = self.message(pipeline, Gst.MessageType.ERROR).parse_error()
                self.assertIn("status 503", error.message)
                self.assertIn(hint, error.message)
                self.stop(pipeline)

    def test_states_are_notified(self):
        for server, pipeline, element in self.each(503):
            seen = []

            def note(changed, _spec):
                seen.append((changed.props.state.value_nick, threading.get_ident()))

            element.connect("notify::state", note)
            pipeline.set_state(Gst.State.PLAYING)
            self.message(pipeline, Gst.MessageType.WARNING)
            self.wait_until(lambda: len(seen) >= 2)
            self.stop(pipeline)
            self.wait_until(lambda: len(seen) >= 4)
            self.assertEqual([state for state, _thread in seen],
                             ["connecting", "reconnecting", "closed", "new"])
            # All of the connection's come in one thread, which is not that of the application.
            threads = {thread for _state, thread in seen[:3]}
            self.assertEqual(len(threads), 1)
            self.assertNotIn(threading.get_ident(), threads)
            self.assertGreater(server.posts, 0)

    def test_end_of_stream_without_an_answer(self):
        for server, pipeline, element in self.each(SILENT):
            pipeline.set_state(Gst.State.PLAYING)
            self.wait_until(lambda: server.posts == 1)
            begin = time.monotonic()
            pipeline.send_event(Gst.Event.new_eos())
            self.assertEqual(self.message(pipeline, Gst.MessageType.EOS | Gst.MessageType.ERROR).type,
                             Gst.MessageType.EOS)
            self.assertLess(time.monotonic() - begin, 2)
            self.assertEqual(element.props.state.value_nick, "closed")
            self.stop(pipeline)

    def test_again_and_again(self):
        for server, pipeline, element in self.each(503):
            for attempt in range(20):
                pipeline.set_state(Gst.State.PLAYING)
                if attempt % 5 == 0:
                    for state in (Gst.State.PAUSED, Gst.State.PLAYING, Gst.State.PAUSED, Gst.State.PLAYING):
                        self.assertNotEqual(pipeline.set_state(state), Gst.StateChangeReturn.FAILURE)
                self.wait_until(lambda: server.posts > attempt)
                self.stop(pipeline)
                self.assertEqual(element.props.state.value_nick, "new")
            errors = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
            self.assertIsNone(errors)


if __name__ == "__main__":
    unittest.main()
