"""WebSocket clients of a listener: one of aiohttp, and one that writes its frames byte by byte."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp

from only1mcp_sdk import Listener
from tests.plugins.transports.http.listening import Fields, Reply, head

HANDSHAKE: Fields = [
    ("Host", "127.0.0.1:8080"),
    ("Connection", "keep-alive, Upgrade"),
    ("Upgrade", "WebSocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", "mcp"),
]
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PATIENCE = 5


def ws(address: str) -> str:
    return address.replace("http://", "ws://")


async def ask(address: str, message: bytes) -> bytes:
    """For `check_listener`."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(ws(address), protocols=("mcp",), max_msg_size=0) as socket,
    ):
        await socket.send_str(message.decode())
        return (await socket.receive_str()).encode()


class Bytes:
    """One connection, as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def shake(self, fields: Fields = HANDSHAKE, target: str = "/mcp") -> Reply:
        self.writer.write(head("GET", target, fields))
        async with asyncio.timeout(PATIENCE):
            return Reply((await self.reader.readuntil(b"\r\n\r\n"))[:-4], self.reader)

    def send(self, payload: bytes, opcode: int = TEXT, final: bool = True, masked: bool = True) -> None:
        """One frame (RFC 6455, section 5.2)."""
        start = bytes([opcode | (0x80 if final else 0)])
        bit = 0x80 if masked else 0
        if len(payload) < 126:
            start += bytes([bit | len(payload)])
        elif len(payload) < 1 << 16:
            start += bytes([bit | 126]) + struct.pack("!H", len(payload))
        else:
            start += bytes([bit | 127]) + struct.pack("!Q", len(payload))
        # A mask of zeros leaves the payload as it is.
        self.writer.write(start + (bytes(4) if masked else b"") + payload)

    async def frame(self) -> tuple[int, bytes]:
        """The next frame's opcode and payload."""
        async with asyncio.timeout(PATIENCE):
            first, length = await self.reader.readexactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 15, await self.reader.readexactly(length)

    async def closed(self) -> int:
        """The code that it is closed with, once everything before was read."""
        while True:
            opcode, payload = await self.frame()
            if opcode == CLOSE:
                code: int = struct.unpack("!H", payload[:2])[0]
                return code

    async def gone(self) -> None:
        """Wait until the connection ends, however it does."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while await self.reader.read(1 << 16):
                    pass


@asynccontextmanager
async def connection(listener: Listener) -> AsyncIterator[Bytes]:
    port = int(listener.address.rpartition(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Bytes(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()
