#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""GStreamer's webrtcbin as a peer."""
import asyncio

import endpoint
import webrtcbin


class Session:
    def __init__(self, plays, query):
        self.plays = plays
        self.inner = webrtcbin.Session(plays, query.get("codec", "vp8"), offers=False)
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
