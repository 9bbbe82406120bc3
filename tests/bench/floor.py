"""The least that an aggregating gateway in Python can cost: the yardstick.

Protocols on both sides, llhttp, pooled connections, envelopes whose params and results stay raw, names and ids
rewritten, a list that is encoded once; no task for a request. Of a client's request the content type, the origin and
the session are checked, of an answer the status, the content type, the id, and that it is a result: no gateway can do
without. And nothing else: no time-outs, no limits, no plugins, and nothing is said of errors.

Run as `python -m tests.bench.floor PORT UPSTREAM_URL...`.
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

from tests.bench.client import MODERN, Client

NONE = Raw(b"")
MODERN_REVISION = MODERN.encode()
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
    error: Raw = NONE


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
        session = f"mcp-session-id: {greeted.session}\r\n" if greeted.session else ""
        self.head = (
            f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
            f"accept: application/json, text/event-stream\r\n{session}content-length: "
        ).encode()


class Wire(asyncio.Protocol):
    """A connection to a server: one request at a time."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.client: Front
        self.id, self.number = b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpResponseParser(self)
        self.fields: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []

    def ask(self, client: Front, id: bytes, number: int, message: bytes) -> None:
        self.client, self.id, self.number = client, id, number
        self.transport.write(b"%b%d\r\n\r\n%b" % (self.upstream.head, len(message), message))

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.upstream.idle:
            self.upstream.idle.remove(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_body(self, part: bytes) -> None:
        self.body.append(part)

    def on_message_complete(self) -> None:
        fields, self.fields = dict(self.fields), []
        parts, self.body = self.body, []
        message = parts[0] if len(parts) == 1 else b"".join(parts)
        self.upstream.idle.append(self)
        if (
            self.parser.get_status_code() != 200
            or not fields.get(b"content-type", b"").startswith(b"application/json")
            or (response := read_response(message)).id != self.number
            or response.error
        ):
            self.client.answer(502, b"")
        else:
            self.client.answer(200, RESULT % (self.id, response.result))


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
        self.fields: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.waiting: list[tuple[dict[bytes, bytes], bytes]] = []
        self.busy = False

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.fields, self.body = [], []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_body(self, part: bytes) -> None:
        self.body.append(part)

    def on_message_complete(self) -> None:
        if self.parser.get_method() != b"POST":
            self.transport.write(ANSWER % (405, 0, b"", b""))
            return
        parts, fields = self.body, dict(self.fields)
        message = parts[0] if len(parts) == 1 else b"".join(parts)
        if fields.get(b"content-type") != b"application/json" or b"origin" in fields:
            self.answer(415, b"")
        elif self.busy:
            self.waiting.append((fields, message))
        else:
            self.serve(fields, message)

    def serve(self, fields: dict[bytes, bytes], message: bytes) -> None:
        floor, request = self.floor, read_request(message)
        method, id = request.method, bytes(request.id)
        if method == "tools/call":
            if (
                fields.get(b"mcp-session-id") not in floor.sessions
                and fields.get(b"mcp-protocol-version") != MODERN_REVISION
            ):
                self.answer(404, b"")
                return
            params = read_params(request.params)
            name, _, params.name = params.name.partition("__")
            self.busy = True
            number = next(floor.ids)
            self.forward(floor.upstreams[name], id, number, CALL % (number, write_params(params)))
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

    def forward(self, upstream: Upstream, id: bytes, number: int, message: bytes) -> None:
        if upstream.idle:
            upstream.idle.pop().ask(self, id, number, message)
        else:
            self.task = asyncio.get_running_loop().create_task(self.connect(upstream, id, number, message))

    async def connect(self, upstream: Upstream, id: bytes, number: int, message: bytes) -> None:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: Wire(upstream), upstream.host, upstream.port)
        wire.ask(self, id, number, message)

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
