"""A WebSocket server for the connector to talk to, which does what a test says; and one that works byte by byte."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import WSMsgType, web

from only1mcp_sdk import Connection, Connector, offer
from only1mcp_sdk.testing import nothing_left, open_alone
from only1mcp_sdk.testing.fakes import RecordingInbox, echo
from only1mcp_transports.websocket.config import ConnectorConfig
from only1mcp_transports.websocket.connector import open_connector
from tests.plugins.transports.websocket.clients import Bytes

OFFER = offer("websocket", ConnectorConfig, open_connector)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Act = Callable[[web.WebSocketResponse], Awaitable[None]]


class Upstream:
    def __init__(self, act: Act, **options: Any) -> None:
        self.url = ""
        self.requests: list[web.Request] = []
        self.closed_with: list[int | None] = []
        self._act = act
        self._options = options

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        socket = web.WebSocketResponse(protocols=("mcp",), max_msg_size=0, **self._options)
        await socket.prepare(request)
        try:
            await self._act(socket)
        finally:
            self.closed_with.append(socket.close_code)
        return socket


@asynccontextmanager
async def serving(act: Act, **options: Any) -> AsyncIterator[Upstream]:
    upstream = Upstream(act, **options)
    async with http(upstream.handle) as address:
        upstream.url = f"ws://{address}/mcp"
        yield upstream


@asynccontextmanager
async def http(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def bytewise(act: Callable[[Bytes], Awaitable[None]], *, shake: bool = True) -> AsyncIterator[str]:
    """A server that writes its frames byte by byte, and its URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await reader.readuntil(b"\r\n\r\n")
            if shake:
                key = asked.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
                accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
                writer.write(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
                )
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await act(Bytes(reader, writer))
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    finally:
        server.close()


async def echoes(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            answer = echo(message.data.encode())
            if answer is not None:
                await socket.send_str(answer.decode())


class Line:
    """A connection and its inbox."""

    def __init__(self, connection: Connection, inbox: RecordingInbox) -> None:
        self.connection = connection
        self.inbox = inbox

    def send(self, message: bytes) -> None:
        self.connection.send(message, {"MCP-Protocol-Version": "2025-11-25"}, 1)

    async def received(self, count: int = 1) -> list[bytes]:
        await self.inbox.wait_for(lambda: len(self.inbox.messages) >= count)
        assert {stream for _, stream in self.inbox.messages} <= {None}
        return [message for message, _ in self.inbox.messages]

    async def closing(self) -> str:
        await self.inbox.wait_for(lambda: bool(self.inbox.closings))
        [problem] = self.inbox.closings
        return problem


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Line]:
    async with nothing_left("the connection"), opened(url, **options) as connector:
        inbox = RecordingInbox()
        connection = await connector.connect(inbox)
        try:
            yield Line(connection, inbox)
        finally:
            await connection.close()


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Connector]:
    async with open_alone(OFFER, url=url, **options) as connector:
        yield connector
