#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Chromium as a peer: this program is the endpoint, a page in the browser is the other end of the
media. The page takes offers by /next, and posts answers and what it has seen and heard."""
import array
import asyncio
import base64
import itertools
import pathlib

from aiohttp import web

import endpoint
import pattern

PAGE = pathlib.Path(__file__).with_name("chromium.html")


class Page:
    """What waits for the page, and what the page has said."""

    def __init__(self):
        self.jobs, self.answers, self.sessions = asyncio.Queue(), {}, {}
        self.numbers, self.is_there = itertools.count(), False

    async def next(self, _request):
        self.is_there = True
        try:
            return web.json_response(await asyncio.wait_for(self.jobs.get(), 1))
        except asyncio.TimeoutError:
            return web.json_response({})

    async def answer(self, request):
        said = await request.json()
        self.answers[said["id"]].set_result(said)
        return web.json_response({})

    async def seen(self, request):
        said = await request.json()
        self.sessions[said["id"]].take(said)
        return web.json_response({})

    async def change_codec(self, request):
        """POST /codec?name=NAME: what the last session sends is of this codec from now on."""
        await self.jobs.put({"id": max(self.sessions), "do": "codec", "codec": request.query["name"]})
        return web.json_response({})

    async def ready(self, _request):
        return web.json_response(self.is_there)

    async def page(self, _request):
        return web.FileResponse(PAGE)


class Session:
    def __init__(self, page, plays, query):
        self.page, self.plays, self.codec = page, plays, query.get("codec", "vp8")
        self.id, self.states, self.codecs = next(page.numbers), [], []
        self.picture, self.sound = pattern.PictureCheck(), None
        self.rate = pattern.RATE
        page.sessions[self.id] = self

    async def answer(self, offer):
        answer = asyncio.get_running_loop().create_future()
        self.page.answers[self.id] = answer
        await self.page.jobs.put({"id": self.id, "do": "answer", "offer": offer, "sends": self.plays,
                                  "codec": self.codec})
        said = await asyncio.wait_for(answer, 10)
        if "error" in said:
            raise RuntimeError(said["error"])
        return said["answer"]

    async def close(self):
        await self.page.jobs.put({"id": self.id, "do": "close"})

    def take(self, said):
        self.states = said["states"]
        if said["codec"] and said["codec"] not in self.codecs[-1:]:
            self.codecs.append(said["codec"])
        for picture in said["pictures"]:
            pixels = [pattern.rgb_to_yuv(*pixel) for pixel in picture["pixels"]]
            self.picture.add(pixels, picture["seconds"], picture["size"])
        for sound in said["sounds"]:
            self.sound = self.sound or pattern.SoundCheck(said["rate"], 1)
            self.sound.add(array.array("h", base64.b64decode(sound["samples"])), sound["seconds"])

    def report(self):
        sound = self.sound or pattern.SoundCheck()
        return {"plays": self.plays, "states": self.states, "codecs": self.codecs, "video": self.picture.report(),
                "audio": sound.report(),
                "offset_ms": pattern.offset_ms(self.picture.flashes, sound.bursts)}


def main():
    page = Page()
    server = endpoint.Endpoint(lambda plays, query: Session(page, plays, query))
    # Long lists of pixels and samples.
    server.app._client_max_size = 64 * 2**20  # pylint: disable=protected-access
    server.app.router.add_get("/", page.page)
    server.app.router.add_get("/next", page.next)
    server.app.router.add_get("/ready", page.ready)
    server.app.router.add_post("/codec", page.change_codec)
    server.app.router.add_post("/answer", page.answer)
    server.app.router.add_post("/seen", page.seen)
    asyncio.run(server.serve())


if __name__ == "__main__":
    main()
