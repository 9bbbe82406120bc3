"""The answer to one HTTP request, between the gate that speaks and the connection that writes. No aiohttp in here:
the gate's calls only take note; `listener` writes what was noted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping

from only1mcp_sdk import Pipe, Posting, Source

KEEP_ALIVE = b": keep-alive\n\n"
PROBE_SECONDS = 0.25
"""Seconds between signs of life to a client that may have left."""
RETRY = b"retry: 1000\n"
"""When a client that lost the stream is to come back, in milliseconds; said where a stream begins."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_NOTHING: Mapping[str, str] = {}


class PendingAnswer:
    """Implements `Answer`. `cut_off` closes the connection at once; called when more than `limit` bytes wait."""

    __slots__ = (
        "_chunks",
        "_cut_off",
        "_limit",
        "_overflowed",
        "_size",
        "_waiter",
        "connection",
        "finished",
        "gone",
        "half_closed",
        "headers",
        "message",
        "posting",
        "status",
        "streaming",
    )

    def __init__(self, limit: int, cut_off: Callable[[], None], connection: object = None) -> None:
        self.posting: Posting | None = None
        self.connection = connection
        """By which the client that waits for it is told apart."""
        self.half_closed = False
        self.streaming = False
        """It is, or has to become, an event stream."""
        self.finished = False
        self.gone = False
        """The client left, or was sent away, before the end."""
        self.message = b""
        self.status = 200
        self.headers = _NOTHING
        self._limit = limit
        self._cut_off = cut_off
        self._overflowed = False
        self._chunks: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None

    # -- for the gate

    def pour(self, source: Source, headers: Mapping[str, str] = {}) -> Pipe | None:
        return None

    def send(self, message: bytes, event: str = "") -> None:
        if self._over or not (message or event):
            return
        self.streaming = True
        self._put(sse_event(message, event))

    def finish(self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = _NOTHING) -> None:
        if self._over:
            return
        self.finished = True
        if not self.streaming:
            self.message, self.status, self.headers = message, status, headers
            self._wake()
        elif message:
            self._put(sse_event(message))
        else:
            self._wake()

    # -- for the connection

    def write(self, chunk: bytes) -> None:
        """Bytes of an event stream, as they are. Ignored after the end."""
        if not self._over:
            self.streaming = True
            self._put(chunk)

    @property
    def unwritten(self) -> bool:
        """Whether something waits for `next`."""
        return bool(self._chunks)

    def abandon(self) -> None:
        """There is nobody left to answer. Tells the gate, unless it had finished; once."""
        if self.finished or self.gone:
            return
        self.gone = True
        if self.posting is not None:
            self.posting.disconnected()
        self._wake()

    def take_time(self) -> None:
        """It does not come at once: the gate may say something first, such as how to come back for it."""
        if self.posting is not None:
            self.posting.waiting()

    def keep_alive(self) -> None:
        """Make it an event stream, with a sign of life."""
        self.streaming = True
        self._put(KEEP_ALIVE)

    def probe(self) -> None:
        """The client sends nothing more. Whether it still reads, only writing tells, which is done often from now
        on."""
        self.half_closed = True
        self._wake()

    async def next(self, keepalive: float) -> bytes:
        """What is to be written to the stream next; a comment after `keepalive` seconds of silence; nothing at the
        end."""
        if not self._chunks and not self._over:
            await self.wait(keepalive)
            if not self._chunks and not self._over:
                return KEEP_ALIVE
        chunks, self._chunks, self._size = self._chunks, [], 0
        return b"".join(chunks)

    async def wait(self, seconds: float) -> None:
        """Return when the gate has said something, the client is gone, or `seconds` are over. Not to be called when
        that is so already."""
        loop = asyncio.get_running_loop()
        if self.half_closed:
            seconds = min(seconds, PROBE_SECONDS)
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    @property
    def _over(self) -> bool:
        return self.finished or self.gone or self._overflowed

    def _put(self, chunk: bytes) -> None:
        if self._chunks and self._size + len(chunk) > self._limit:
            # The gate hears of it from the connection's end, not here, where it is in the middle of something.
            self._overflowed = True
            self._chunks.clear()
            self._cut_off()
            return
        self._chunks.append(chunk)
        self._size += len(chunk)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def sse_event(message: bytes, event: str = "") -> bytes:
    """One event of an event stream (HTML standard, section 9.2). Line ends within the message, of whatever kind,
    become further `data` fields; between JSON tokens any of them is the same white space."""
    head = f"id: {event}\n".encode() if event else b""
    if not message:
        head += RETRY
    if message.find(b"\n") >= 0 or message.find(b"\r") >= 0:
        message = b"\ndata: ".join(_LINE_END.split(message))
    return b"%sdata: %s\n\n" % (head, message)
