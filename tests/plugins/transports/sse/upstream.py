"""A server of HTTP+SSE for the connectors to talk to, which does what a test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from multidict import CIMultiDictProxy

from only1mcp_sdk import offer
from only1mcp_sdk.testing import open_alone
from only1mcp_sdk.testing.fakes import RecordingInbox
from only1mcp_transports.sse.config import ConnectorConfig
from only1mcp_transports.sse.connector import open_connector
from tests.plugins.transports.http.upstream import Line

OFFER = offer("sse", ConnectorConfig, open_connector)


def message_event(data: bytes) -> bytes:
    return b"event: message\ndata: " + data + b"\n\n"


class OldServer:
    """Streams by session. Answers each request with its params, unless told otherwise."""

    def __init__(self) -> None:
        self.url = ""
        self.endpoint = "/messages?session_id={id}&a=%2F"
        """What the first event names; without one, there is none."""
        self.head: dict[str, str] = {}
        self.status = 200
        self.type = "text/event-stream"
        self.before = b""
        """Bytes ahead of the first event."""
        self.post_status = 202
        self.post_headers: dict[str, str] = {}
        self.post_delay = 0.0
        self.mute = False
        self.streams: dict[str, web.StreamResponse] = {}
        self.posts: list[bytes] = []
        self.targets: list[str] = []
        self.fields: list[CIMultiDictProxy[str]] = []
        self.gets: list[web.Request] = []
        self.refused_posts = 0
        """POSTs to the stream's own URL."""
        self.came = asyncio.Event()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.gets.append(request)
        if self.status != 200:
            return web.Response(status=self.status, headers=self.head, text="no stream here")
        id = str(len(self.gets))
        response = web.StreamResponse(headers={"Content-Type": self.type, **self.head})
        await response.prepare(request)
        await response.write(self.before)
        if self.endpoint:
            reference = self.endpoint.format(id=id)
            await response.write(f"event: endpoint\ndata: {reference}\n\n".encode())
        self.streams[id] = response
        try:
            await asyncio.sleep(60)
        finally:
            del self.streams[id]
        return response

    async def message(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.posts.append(body)
        self.targets.append(request.raw_path)
        self.fields.append(request.headers)
        self.came.set()
        await asyncio.sleep(self.post_delay)
        if self.post_status != 202:
            return web.Response(status=self.post_status, text="not taken", headers=self.post_headers)
        message = json.loads(body)
        if "method" in message and "id" in message and not self.mute:
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": message.get("params", {})}
            await self.say(json.dumps(answer).encode(), request.query["session_id"])
        return web.Response(status=202, text="Accepted")

    async def say(self, data: bytes, id: str = "1") -> None:
        await self.streams[id].write(message_event(data))

    def tear(self, id: str = "1") -> None:
        transport = self.gets[int(id) - 1].transport
        assert transport is not None
        transport.abort()

    async def refuse(self, request: web.Request) -> web.StreamResponse:
        self.refused_posts += 1
        return web.Response(status=405, text="Method Not Allowed")


@asynccontextmanager
async def serving() -> AsyncIterator[OldServer]:
    server = OldServer()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_get("/sse", server.stream)
    app.router.add_post("/sse", server.refuse)
    app.router.add_post("/messages", server.message)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/sse"
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Line]:
    """A connection that must leave nothing behind when it is closed."""
    async with open_alone(OFFER, url=url, **options) as connector:
        inbox = RecordingInbox()
        connection = await connector.connect(inbox)
        try:
            yield Line(connector, connection, inbox)
        finally:
            async with asyncio.timeout(5):
                await connection.close()
