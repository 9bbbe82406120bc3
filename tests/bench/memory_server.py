"""A legacy MCP server over HTTP with two tools: `echo` answers 1 KiB, `large` 1 MiB. No sessions, no streams.

Run as `python -m tests.bench.memory_server PORT`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import msgspec
import uvloop
from msgspec import Raw, Struct

SIZES = {"echo": 1 << 10, "large": 1 << 20}


class Params(Struct, frozen=True):
    """Of a call."""

    name: str = ""


class Request(Struct):
    """What is looked at in a message."""

    method: str = ""
    id: Raw = Raw(b"")
    params: Params = Params()


def _text(size: int) -> bytes:
    return msgspec.json.encode({"content": [{"type": "text", "text": "x" * size}]})


RESULTS = {
    "initialize": msgspec.json.encode(
        {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "bench", "version": "1"},
        }
    ),
    "tools/list": msgspec.json.encode(
        {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in SIZES]}
    ),
    "ping": b"{}",
}
CALLS = {name: _text(size) for name, size in SIZES.items()}
DECODE = msgspec.json.Decoder(Request).decode


class Connection(asyncio.Protocol):
    """One client connection."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
            body = self._buffer[end + 4 : end + 4 + length]
            if len(body) < length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"post"):
            self._say(b"405 Method Not Allowed", b"")
            return
        request = DECODE(body)
        id = bytes(request.id)
        result = (
            CALLS.get(request.params.name) if request.method == "tools/call" else RESULTS.get(request.method)
        )
        if not id:
            self._say(b"202 Accepted", b"")
        elif result is None:
            error = b'{"code":-32601,"message":"no such method"}'
            self._say(b"200 OK", b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (id, error))
        else:
            self._say(b"200 OK", b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (id, result))

    def _say(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, len(body)) + body)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
