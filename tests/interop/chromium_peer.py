#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Chromium as a peer: this program is the endpoint, a page in the browser is the other end of the
media. The page takes offers by /next, and posts answers and what it has seen and heard."""
import array
import asyncio
import base64
import itertools
import pathlib
import statistics

from aiohttp import web

import endpoint
import pattern

VIDEO_RATE = 90000
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
        self.clocks, self.rtp = [], None
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
        clock = said["clock"]
        self.clocks.append(clock)
        if "codec" in clock and clock["codec"] not in self.codecs[-1:]:
            self.codecs.append(clock["codec"])
        for picture in said["pictures"]:
            pixels = [pattern.rgb_to_yuv(*pixel) for pixel in picture["pixels"]]
            self.picture.add(pixels, self.unwrapped(picture["rtp"]) / VIDEO_RATE, picture["size"])
        for sound in said["sounds"]:
            self.sound = self.sound or pattern.SoundCheck(sound["rate"], 1)
            self.sound.add(array.array("h", base64.b64decode(sound["samples"])), sound["seconds"])

    def unwrapped(self, rtp):
        """The time stamps have 32 bits."""
        if self.rtp is None:
            self.rtp = rtp
        self.rtp += (rtp - self.rtp + 2**31) % 2**32 - 2**31
        return self.rtp

    def offset(self):
        """By the clock of the sender, as the page has learned it from the sender's reports; how long
        the page takes to show and to play does not matter."""
        shifts = [clock["video"]["played"] - (clock["video"]["now"] - clock["shown"]["at"]) -
                  self.unwrapped(clock["shown"]["rtp"]) / VIDEO_RATE
                  for clock in self.clocks if "shown" in clock]
        looks = [clock for clock in self.clocks if "audio" in clock]
        if not shifts or not looks or not self.sound:
            return None
        # The first reports say less than those that follow.
        shift, bursts = statistics.median(shifts[len(shifts) // 2:]), []
        for burst in self.sound.bursts:
            look = min(looks, key=lambda one: abs(one["audio"]["now"] - burst))
            bursts.append(look["audio"]["played"] + burst - look["audio"]["now"] + look["delay"])
        return pattern.offset_ms([flash + shift for flash in self.picture.flashes], bursts)

    def skew(self):
        """How much later than the sound the page shows the picture, by its own reckoning."""
        both = [clock for clock in self.clocks if "audio" in clock and "video" in clock]
        apart = [1000 * (clock["audio"]["played"] - clock["video"]["played"]) for clock in both]
        return round(statistics.median(apart[len(apart) // 2:]), 1) if apart else None

    def report(self):
        sound = self.sound or pattern.SoundCheck()
        return {"plays": self.plays, "states": self.states, "codecs": self.codecs, "video": self.picture.report(),
                "audio": sound.report(),
                "offset_ms": self.offset(), "skew_of_page_ms": self.skew()}


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
