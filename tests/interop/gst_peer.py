#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""GStreamer's webrtcbin as a peer.

usage: gst_peer.py [LATENCY [BANDWIDTH]]

LATENCY is that of its jitter buffers in milliseconds. BANDWIDTH is that of its session in bit/s, on which
RFC 4585 makes depend how often it may ask for what is lost: 64,000 where nobody sets it.
"""
import asyncio
import sys

import endpoint
import webrtcbin


class Session:
    def __init__(self, plays, query):
        self.plays = plays
        self.inner = webrtcbin.Session(plays, query.get("codec", "vp8"), offers=False,
                                       latency=int((sys.argv[1:] or [100])[0]),
                                       feedback_bandwidth=float((sys.argv[2:] or [0])[0]))
        self.last_state = "new"

    async def _in_thread(self, call, *arguments):
        return await asyncio.get_running_loop().run_in_executor(None, call, *arguments)

    async def answer(self, offer):
        return await self._in_thread(self.inner.answer, offer)

    async def close(self):
        self.last_state = self.inner.state()
        await self._in_thread(self.inner.close)

    def report(self):
        return dict(self.inner.report(), plays=self.plays, states=[self.last_state])


if __name__ == "__main__":
    asyncio.run(endpoint.Endpoint(Session).serve())
