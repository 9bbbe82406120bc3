"""A server for the connector to talk to, which does what a test says and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import uvloop
from aiohttp import web
from multidict import CIMultiDictProxy

from only1mcp_sdk import Connection, Connector, offer
from only1mcp_sdk.testing import nothing_left, open_alone
from only1mcp_sdk.testing.fakes import RecordingInbox
from only1mcp_transports.http.connector import open_connector
from only1mcp_transports.http.connector_config import ConnectorConfig

OFFER = offer("http", ConnectorConfig, open_connector)
HEADERS = {"MCP-Protocol-Version": "2025-11-25"}
REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}'
NOTE = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}'


class Lane:
    """By which of its lanes the connector is to speak."""

    fast = True

    @classmethod
    def is_pool(cls) -> asyncio.AbstractEventLoop:
        cls.fast = True
        return asyncio.new_event_loop()

    @classmethod
    def is_pool_on_uvloop(cls) -> asyncio.AbstractEventLoop:
        cls.fast = True
        return uvloop.new_event_loop()

    @classmethod
    def is_aiohttp(cls) -> asyncio.AbstractEventLoop:
        cls.fast = False
        return asyncio.new_event_loop()


BOTH = {"pool": Lane.is_pool, "aiohttp": Lane.is_aiohttp}
LANES = {**BOTH, "uvloop": Lane.is_pool_on_uvloop}
"""For `LOOPS` of a module: each of its tests makes a loop, and that says by which lane it is to run."""

Act = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Asked(NamedTuple):
    method: str
    headers: CIMultiDictProxy[str]
    body: bytes
    path: str


class Upstream:
    """`acts` holds what to do for each HTTP method; when a list is left with one entry, that one stays."""

    def __init__(self) -> None:
        self.acts: dict[str, list[Act]] = {}
        self.asked: list[Asked] = []
        self.left = asyncio.Event()
        """Somebody went away before the answer was complete."""
        self.url = ""
        self._came = asyncio.Event()

    def of(self, method: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == method]

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the requests so far fulfil a condition."""
        async with asyncio.timeout(10):
            while not condition():
                self._came.clear()
                await self._came.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(Asked(request.method, request.headers, body, request.path_qs))
        self._came.set()
        acts = self.acts.get(request.method)
        if not acts:
            return web.Response(status=405)
        act = acts.pop(0) if len(acts) > 1 else acts[0]
        try:
            return await act(request)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise


@asynccontextmanager
async def serving(
    *post: Act, get: list[Act] | None = None, delete: list[Act] | None = None
) -> AsyncIterator[Upstream]:
    upstream = Upstream()
    upstream.acts = {"POST": list(post), "GET": get or [], "DELETE": delete or []}
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", upstream.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
        yield upstream
    finally:
        await runner.cleanup()


class Line:
    """A connection and its inbox."""

    def __init__(self, connector: Connector, connection: Connection, inbox: RecordingInbox) -> None:
        self.connector = connector
        self.connection = connection
        self.inbox = inbox

    async def ask(self, message: bytes = REQUEST, stream: int = 1, headers: dict[str, str] = HEADERS) -> str:
        """Send a message; returns with what its stream ended."""
        self.connection.send(message, headers, stream)
        return await self.ending(stream)

    async def ending(self, stream: int = 1) -> str:
        await self.inbox.wait_for(lambda: any(number == stream for number, _ in self.inbox.endings))
        endings = [problem for number, problem in self.inbox.endings if number == stream]
        assert len(endings) == 1, "a stream ended twice"
        return endings[0]

    def messages(self, stream: int | None = 1) -> list[bytes]:
        return [message for message, number in self.inbox.messages if number == stream]


@asynccontextmanager
async def connected(url: str, inbox: RecordingInbox | None = None, **options: Any) -> AsyncIterator[Line]:
    """A connection that must leave nothing behind when it is closed."""
    inbox = inbox or RecordingInbox()
    async with open_alone(OFFER, **{"url": url, "fast_lane": Lane.fast, **options}) as connector:
        connection = await connector.connect(inbox)
        try:
            yield Line(connector, connection, inbox)
        finally:
            async with asyncio.timeout(5):
                await connection.close()


@asynccontextmanager
async def clean() -> AsyncIterator[None]:
    # A uvloop that has ever listened keeps a descriptor in reserve.
    async with await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0):
        pass
    async with nothing_left("the test"):
        yield


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


# -- what a server may do


def says(
    body: bytes = ANSWER,
    *,
    status: int = 200,
    type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Act:
    async def act(request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={"Content-Type": type, **(headers or {})})

    return act


async def echoes(request: web.Request) -> web.Response:
    message = json.loads(await request.read())
    return web.json_response(
        {"jsonrpc": "2.0", "id": message["id"], "result": {"path": message.get("params", {})}}
    )


async def hangs(request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


def streams(
    *pieces: bytes | float,
    hold: bool = False,
    tear: bool = False,
    session: str = "",
) -> Act:
    """An event stream: bytes are sent, numbers are waited for. At the end it is held open, or torn apart."""

    async def act(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        if session:
            response.headers["Mcp-Session-Id"] = session
        await response.prepare(request)
        for piece in pieces:
            if isinstance(piece, bytes):
                await response.write(piece)
            else:
                await asyncio.sleep(piece)
        if hold:
            await asyncio.sleep(60)
        if tear:
            assert request.transport is not None
            request.transport.abort()
        return response

    return act


def event(data: bytes, id: bytes = b"") -> bytes:
    return (b"id: " + id + b"\n" if id else b"") + b"data: " + data + b"\n\n"
