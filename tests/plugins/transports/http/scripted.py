"""A server that says what bytes it is told to, whatever it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress

from tests.plugins.transports.http.upstream import ANSWER

PIECES = bytes | float
HOLD = 60.0
"""Wait until the other side hangs up."""


def ok(body: bytes = ANSWER, *fields: bytes, type: bytes = b"application/json") -> bytes:
    """A correct answer with a length."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: " + type, b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*chunks: bytes, type: bytes = b"application/json", end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: " + type + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


class Scripted:
    """`answers` holds what is said to one request after another; the last one stays. Numbers are waited for."""

    def __init__(self, answers: Sequence[Sequence[PIECES]]) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        self.connections = 0
        self.gone = asyncio.Event()
        """Somebody hung up."""
        self._answers = list(answers)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
                body = await reader.readexactly(int(length or 0))
                self.requests.append(head + body)
                pieces = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if not await self._say(pieces, reader, writer):
                    break
        self.gone.set()

    async def _say(
        self, pieces: Sequence[PIECES], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether there may be another request."""
        for piece in pieces:
            if piece == HOLD:
                await reader.read(1)
                return False
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            elif not piece:
                return False
            else:
                writer.write(piece)
                await writer.drain()
        return True


@asynccontextmanager
async def saying(*answers: Sequence[PIECES]) -> AsyncIterator[Scripted]:
    """An empty piece hangs up."""
    scripted = Scripted(answers)
    server = await asyncio.start_server(scripted.talk, "127.0.0.1", 0)
    scripted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    async with server:
        yield scripted


def slices(data: bytes, size: int) -> list[PIECES]:
    """So many bytes at a time, each in a segment of its own where the machine is quick."""
    pieces: list[PIECES] = []
    for at in range(0, len(data), size):
        pieces += [data[at : at + size], 0.0]
    return pieces
