# SPDX-License-Identifier: LGPL-2.1-or-later
"""Janus with simple-whip-server before it: rooms for VP8 and for H.264, ETags taken strictly, and
where there is one, a Link to a TURN server."""
import asyncio
import json
import os
import pathlib
import shutil
import urllib.request

import aiohttp

import peers

TOKEN = "token-of-the-test"
ROOMS = {"vp8": 1001, "h264": 1002}
CONFIGURATION = {
    "janus.jcfg": """general: {{
  configs_folder = "{folder}"
  plugins_folder = "{plugins}"
  transports_folder = "{transports}"
  admin_secret = "admin"
  protected_folders = []
}}
nat: {{ ice_lite = false }}
plugins: {{ disable = "{unused}" }}
transports: {{ disable = "libjanus_http.so,libjanus_pfunix.so,libjanus_rabbitmq.so,libjanus_mqtt.so,libjanus_nanomsg.so" }}
""",
    "janus.transport.websockets.jcfg": """general: {{ ws = true  ws_port = {port}  ws_ip = "127.0.0.1" }}
admin: {{ admin_ws = true  admin_ws_port = {admin_port}  admin_ws_ip = "127.0.0.1" }}
""",
    "janus.plugin.videoroom.jcfg": """general: {{ string_ids = false }}
room-1001: {{ description = "vp8"  publishers = 6  audiocodec = "opus"  videocodec = "vp8" }}
room-1002: {{ description = "h264"  publishers = 6  audiocodec = "opus"  videocodec = "h264,vp8" }}
""",
}


def whip_server():
    """The folder of simple-whip-server: Debian's, or the one that scripts/whip-server has made."""
    for folder in (os.environ.get("INTEROP_WHIP_SERVER"), "/usr/share/simple-whip-server",
                   pathlib.Path.home() / ".cache/gst-streamlib/simple-whip-server"):
        if folder and pathlib.Path(folder, "src/server.js").exists():
            return pathlib.Path(folder)
    raise peers.Missing("simple-whip-server is missing: run scripts/setup interop")


class Janus(peers.Peer):
    def start(self, codec, coturn=None):
        folder = pathlib.Path(self.folder)
        janus, node = peers.find("janus"), peers.find("node")
        library = next(path for path in pathlib.Path("/usr/lib").glob("*/janus"))
        unused = ",".join(sorted(path.name for path in (library / "plugins").glob("*.so")
                                 if "videoroom" not in path.name))
        port, admin_port, self.port = peers.free_port(), peers.free_port(), peers.free_port()
        self.admin_port = admin_port
        for name, text in CONFIGURATION.items():
            (folder / name).write_text(text.format(
                folder=folder, plugins=library / "plugins", transports=library / "transports",
                unused=unused, port=port, admin_port=admin_port))
        self.run([janus, "-F", folder], "janus")
        peers.wait_for(lambda: peers.is_listening(port), 15, "Janus")
        # Its configuration is a module beside it.
        shutil.copytree(whip_server(), folder / "whip", symlinks=True)
        configuration = folder / "whip/src/config.js"
        configuration.unlink(missing_ok=True)
        configuration.write_text("module.exports = " + json.dumps({
            "janus": {"address": f"ws://127.0.0.1:{port}"}, "port": self.port, "rest": "/whip",
            "allowTrickle": True, "strictETags": True,
            "iceServers": [{"uri": f"turn:127.0.0.1:{coturn.port}?transport=udp",
                            "username": coturn.USER,
                            "credential": coturn.PASSWORD}] if coturn else []}))
        environment = dict(os.environ, DEBUG="whip:*,janus:*", NODE_PATH="/usr/share/nodejs")
        self.run([node, "server.js"], "whip-server", env=environment, cwd=folder / "whip/src")
        peers.wait_for(lambda: peers.is_listening(self.port), 15, "simple-whip-server")
        body = {"id": "ours", "room": ROOMS[codec], "token": TOKEN}
        peers.wait_for(lambda: self._create(body), 5, "the endpoint of simple-whip-server")

    def _create(self, body):
        request = urllib.request.Request(self.url("/whip/create"), json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return reply.status == 200
        except OSError:
            return False

    def stop(self):
        # Janus may hang in its end.
        for program in self.programs:
            program.kill()

    def whip(self):
        return self.url("/whip/endpoint/ours")

    def endpoints(self):
        with urllib.request.urlopen(self.url("/whip/endpoints"), timeout=5) as reply:
            return json.load(reply)

    def _ask(self, requests):
        """Asks Janus's administration, over the websocket that is the only transport here."""
        async def talk():
            async with aiohttp.ClientSession() as client:
                async with client.ws_connect(f"ws://127.0.0.1:{self.admin_port}",
                                             protocols=["janus-admin-protocol"]) as socket:
                    async def ask(**request):
                        await socket.send_json(dict(request, transaction="t", admin_secret="admin"))
                        return await asyncio.wait_for(socket.receive_json(), 3)
                    return await requests(ask)
        return asyncio.run(talk())

    def handles(self):
        async def all_handles(ask):
            found = []
            for session in (await ask(janus="list_sessions"))["sessions"]:
                for handle in (await ask(janus="list_handles", session_id=session))["handles"]:
                    found.append((await ask(janus="handle_info", session_id=session,
                                            handle_id=handle))["info"])
            return found
        return self._ask(all_handles)

    def report(self):
        """Packets, for Janus decodes nothing."""
        endpoint = self.endpoints()[0]
        log = pathlib.Path(self.folder, "whip-server.log").read_text(errors="replace")
        told = {"decodes": False, "deleted": not endpoint.get("enabled", False),
                "patches": log.count("/resource[trickle]/:"), "etag": endpoint.get("latestEtag"),
                "video": {"frames": 0}, "audio": {"frames": 0}}
        for handle in self.handles():
            for media in handle.get("webrtc", {}).get("media", {}).values():
                stats = media.get("stats", {}).get("in", {})
                told[media["type"]] = dict(stats, frames=stats.get("packets", 0),
                                           codec=media.get("codecs", {}).get("codec"))
        return [told]
