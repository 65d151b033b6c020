# SPDX-License-Identifier: LGPL-2.1-or-later
"""The HTTP side that the peers in Python share: WHIP at /whip, WHEP at /whep, sessions below
/session/, and what has arrived at /report. INTEROP_LISTEN is the address and port where it is not one
of the loopback interface.

A session is an object with `async answer(offer)`, `async close()` and `report()`; the codec that a
player is sent is asked for by ?codec=. The program writes its port as its first line and ends with
its standard input.
"""
import asyncio
import os
import secrets
import sys

from aiohttp import web

SDP = "application/sdp"


class Endpoint:
    def __init__(self, make_session, token=None):
        self.make_session, self.token = make_session, token
        self.sessions, self.deleted = {}, []
        self.app = web.Application()
        self.app.router.add_post("/{kind:whip|whep}", self.post)
        self.app.router.add_delete("/session/{id}", self.delete)
        self.app.router.add_get("/report", self.report)

    async def post(self, request):
        if request.content_type != SDP:
            return web.Response(status=415, text=f"the type is {request.content_type}")
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401)
        session = self.make_session(request.match_info["kind"] == "whep", dict(request.query))
        try:
            answer = await session.answer(await request.text())
        except Exception as error:  # pylint: disable=broad-except
            print(f"no answer: {error!r}", file=sys.stderr, flush=True)
            await session.close()
            return web.Response(status=400, text=str(error))
        name = secrets.token_hex(8)
        self.sessions[name] = session
        return web.Response(status=201, text=answer, content_type=SDP,
                            headers={"Location": f"/session/{name}"})

    async def delete(self, request):
        name = request.match_info["id"]
        session = self.sessions.get(name)
        if session is None or name in self.deleted:
            return web.Response(status=404)
        self.deleted.append(name)
        await session.close()
        return web.Response()

    async def report(self, _request):
        return web.json_response([dict(session.report(), deleted=name in self.deleted)
                                  for name, session in self.sessions.items()])

    async def serve(self):
        runner = web.AppRunner(self.app)
        await runner.setup()
        host, _, port = os.environ.get("INTEROP_LISTEN", "127.0.0.1:0").rpartition(":")
        site = web.TCPSite(runner, host, int(port))
        await site.start()
        bound = site._server.sockets[0].getsockname()[1]  # pylint: disable=protected-access
        print(f"port {bound}", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for session in self.sessions.values():
            await asyncio.wait_for(session.close(), 2)
        await runner.cleanup()
