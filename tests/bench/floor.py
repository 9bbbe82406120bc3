"""The least that an aggregating gateway in Python can cost: the yardstick.

Protocols on both sides, llhttp, pooled connections, envelopes whose params and results stay raw, names and ids
rewritten, a table of sessions, a list that is encoded once; no task for a request. And nothing else: no checks, no
time-outs, no limits, no errors, no plugins. Run as `python -m tests.bench.floor PORT UPSTREAM_URL...`.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import sys
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop
from msgspec import Raw, Struct

from tests.bench.client import Client

NONE = Raw(b"")
ANSWER = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n%b"
RESULT = b'{"jsonrpc":"2.0","id":%b,"result":%b}'
CALL = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":%b}'


class Request(Struct):
    method: str = ""
    id: Raw = NONE
    params: Raw = NONE


class Params(Struct, omit_defaults=True, rename={"meta": "_meta"}):
    name: str
    arguments: Raw = NONE
    meta: Raw = NONE


class Response(Struct):
    id: int | None = None
    result: Raw = NONE


read_request = msgspec.json.Decoder(Request).decode
read_params = msgspec.json.Decoder(Params).decode
read_response = msgspec.json.Decoder(Response).decode
write_params = msgspec.json.Encoder().encode


class Upstream:
    """One server, and the connections to it that are idle."""

    def __init__(self, name: str, url: str) -> None:
        parts = urlsplit(url)
        self.name = name
        self.host, self.port = parts.hostname or "", parts.port or 80
        greeted = Client(url, "legacy")
        self.hello = greeted.greet()
        self.tools = greeted.ask("tools/list")["tools"]
        greeted.close()
        self.idle: list[Wire] = []
        self.head = (
            f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
            f"accept: application/json, text/event-stream\r\nmcp-session-id: {greeted.session}\r\ncontent-length: "
        ).encode()


class Wire(asyncio.Protocol):
    """A connection to a server: one request at a time."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.client: Front
        self.id = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpResponseParser(self)
        self.body: list[bytes] = []

    def ask(self, client: Front, id: bytes, message: bytes) -> None:
        self.client, self.id = client, id
        self.transport.write(b"%b%d\r\n\r\n%b" % (self.upstream.head, len(message), message))

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.upstream.idle:
            self.upstream.idle.remove(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self.body.append(part)

    def on_message_complete(self) -> None:
        parts, self.body = self.body, []
        message = parts[0] if len(parts) == 1 else b"".join(parts)
        self.upstream.idle.append(self)
        self.client.answer(200, RESULT % (self.id, read_response(message).result))


class Floor:
    """What all clients share."""

    def __init__(self, urls: list[str]) -> None:
        self.upstreams = {f"up{number}": Upstream(f"up{number}", url) for number, url in enumerate(urls)}
        self.ids = itertools.count(1)
        self.sessions: set[bytes] = set()
        tools = [
            {**tool, "name": f"{name}__{tool['name']}"}
            for name, upstream in self.upstreams.items()
            for tool in upstream.tools
        ]
        self.list = msgspec.json.encode({"tools": tools})
        self.hello = msgspec.json.encode(next(iter(self.upstreams.values())).hello)


class Front(asyncio.Protocol):
    """A connection of a client."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpRequestParser(self)
        self.session = b""
        self.body: list[bytes] = []
        self.waiting: list[tuple[bytes, bytes]] = []
        self.busy = False

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.session, self.body = b"", []

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 14 and name.lower() == b"mcp-session-id":
            self.session = value

    def on_body(self, part: bytes) -> None:
        self.body.append(part)

    def on_message_complete(self) -> None:
        if self.parser.get_method() != b"POST":
            self.transport.write(ANSWER % (405, 0, b"", b""))
            return
        parts = self.body
        message = parts[0] if len(parts) == 1 else b"".join(parts)
        if self.busy:
            self.waiting.append((message, self.session))
        else:
            self.serve(message, self.session)

    def serve(self, message: bytes, session: bytes) -> None:
        floor, request = self.floor, read_request(message)
        method, id = request.method, bytes(request.id)
        if method == "tools/call":
            if session not in floor.sessions and b"2026-07-28" not in message:
                self.answer(404, b"")
                return
            params = read_params(request.params)
            name, _, params.name = params.name.partition("__")
            self.busy = True
            self.forward(floor.upstreams[name], id, CALL % (next(floor.ids), write_params(params)))
        elif not id:
            self.answer(202, b"")
        elif method == "tools/list":
            self.answer(200, RESULT % (id, floor.list))
        elif method == "initialize":
            made = secrets.token_hex(16).encode()
            floor.sessions.add(made)
            self.answer(200, RESULT % (id, floor.hello), b"mcp-session-id: %b\r\n" % made)
        else:
            self.answer(200, RESULT % (id, b"{}"))

    def forward(self, upstream: Upstream, id: bytes, message: bytes) -> None:
        if upstream.idle:
            upstream.idle.pop().ask(self, id, message)
        else:
            self.task = asyncio.get_running_loop().create_task(self.connect(upstream, id, message))

    async def connect(self, upstream: Upstream, id: bytes, message: bytes) -> None:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: Wire(upstream), upstream.host, upstream.port)
        wire.ask(self, id, message)

    def answer(self, status: int, message: bytes, fields: bytes = b"") -> None:
        if self.transport.is_closing():
            return
        self.transport.write(ANSWER % (status, len(message), fields, message))
        self.busy = False
        if self.waiting:
            self.serve(*self.waiting.pop(0))


async def main(port: int, urls: list[str]) -> None:
    floor: Any = Floor(urls)
    server = await asyncio.get_running_loop().create_server(
        lambda: Front(floor), "127.0.0.1", port, backlog=1024
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2:]))
