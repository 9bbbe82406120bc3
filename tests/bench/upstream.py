"""An MCP server over HTTP that costs next to nothing, so that what is measured is what stands in front of it.

Answers are fixed, apart from the id. It speaks both eras and as much HTTP as the load generator and gateways use:
POST with a Content-Length, kept-alive connections, no streams. Run as `python -m tests.bench.upstream PORT`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

import msgspec
import uvloop
from msgspec import Raw, Struct

TEXT = "The quick brown fox jumps over the lazy dog. " * 21  # with its envelope about 1 KiB
TOOLS = 50
META = "io.modelcontextprotocol/"


class Request(Struct):
    """What is looked at in a message."""

    method: str = ""
    id: Raw = Raw(b"")
    params: Raw = Raw(b"")


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _tool(number: int) -> dict[str, Any]:
    properties = {
        "text": {"type": "string", "description": "What to say. " * 20},
        "times": {"type": "integer"},
    }
    return {
        "name": "echo" if number == 0 else f"tool_{number}",
        "description": "Says what it was told to say, as often as it was told to. " * 3,
        "inputSchema": {"type": "object", "properties": properties, "required": ["text"]},
    }


def _answers(modern: bool) -> dict[str, bytes]:
    head: dict[str, Any] = {"resultType": "complete"} if modern else {}
    cached: dict[str, Any] = {**head, "ttlMs": 60_000, "cacheScope": "public"} if modern else {}
    info = {"name": "bench", "version": "1"}
    return {
        "initialize": _json(
            {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
        ),
        "server/discover": _json(
            {
                **cached,
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}},
                "_meta": {META + "serverInfo": info},
            }
        ),
        "ping": _json(head),
        "tools/list": _json({**cached, "tools": [_tool(number) for number in range(TOOLS)]}),
        "tools/call": _json({**head, "content": [{"type": "text", "text": TEXT}]}),
    }


LEGACY, MODERN = _answers(False), _answers(True)
DECODE = msgspec.json.Decoder(Request).decode
NO_METHOD = b'{"jsonrpc":"2.0","id":%b,"error":{"code":-32601,"message":"no such method"}}'


class Connection(asyncio.Protocol):
    """One client connection."""

    def __init__(self) -> None:
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.buffer = buffer = self.buffer + data if self.buffer else data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head = buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
            if len(buffer) < end + 4 + length:
                break
            body = buffer[end + 4 : end + 4 + length]
            buffer = buffer[end + 4 + length :]
            self.answer(head, body)
        self.buffer = buffer

    def answer(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"post"):
            self.transport.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        request = DECODE(body)
        if not request.id:
            self.transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            return
        modern = b"2026-07-28" in head
        result = (MODERN if modern else LEGACY).get(request.method)
        number = bytes(request.id)
        if result is None:
            text = NO_METHOD % number
        else:
            text = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (number, result)
        session = b"" if modern or request.method != "initialize" else b"Mcp-Session-Id: bench\r\n"
        status = b"404 Not Found" if result is None and modern else b"200 OK"
        self.transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b"
            % (status, session, len(text), text)
        )


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
