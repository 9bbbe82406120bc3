"""One TCP connection to a server: a request goes out, its answer comes in, and then the next.

Whatever is not exactly an answer to the request at hand ends the connection: bytes that nobody asked for would be
taken for the answer to somebody else's request.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from only1mcp_sdk.flow import LARGE
from only1mcp_transports.http.lane import Taker
from only1mcp_transports.http.pool.chunks import BadChunks, Chunks, cut, only_chunk
from only1mcp_transports.http.pool.heads import LONGEST, BadHead, WireHead
from only1mcp_transports.http.problems import (
    INCOMPLETE,
    LATE_HEAD,
    LONG_HEAD,
    NO_ANSWER,
    NOT_HTTP,
    broken,
    reason,
)

if TYPE_CHECKING:
    from only1mcp_transports.http.pool.pool import Pool

HEAD_PATIENCE = 10.0
"""Seconds from the first byte of a head to its last."""
_INTERIM = 8
"""Heads of interim answers before the answer."""
_HTTP = b"HTTP/1."

_HEAD, _LENGTH, _CHUNKS, _END = range(4)


class Wire(asyncio.Protocol):
    """Implements `lane.Errand` for the request at hand. Idle when there is none."""

    __slots__ = (
        "_chunks",
        "_deadline",
        "_early",
        "_end",
        "_head",
        "_interim",
        "_known",
        "_left",
        "_loop",
        "_odd",
        "_pausing",
        "_pool",
        "_state",
        "_uploading",
        "opening",
        "rested",
        "taker",
        "transport",
    )

    def __init__(self, pool: Pool, taker: Taker) -> None:
        self.opening: asyncio.Task[None] | None = None
        """What opens it, until it is open."""
        self.rested = 0
        """How often the pool has seen it idle."""
        self._pool = pool
        self._known = pool.heads.known
        self.taker: Taker | None = taker
        """Of the answer that is due; None while it is idle."""
        taker.errand = self
        self.transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._state = _HEAD
        self._early = b""
        """The beginning of a head, or what came of one."""
        self._end = 0
        """Where the last head ended: as a rule it is where the next one does."""
        self._interim = 0
        self._head: WireHead | None = None
        self._left = 0
        self._chunks = Chunks()
        self._deadline = 0.0
        self._pausing = False
        self._uploading = False
        self._odd = False
        """Something of the answer came before, or holds this up: there is more to it than its last bytes."""

    # -- for the pool

    def write(self, request: bytes, body: bytes) -> None:
        """The request. Nothing is sent where the connection was lost in the meantime, as its taker learns."""
        if self.transport is None or self.transport.is_closing():
            return
        self._uploading = self._odd = len(body) > LARGE
        self.transport.writelines((request, body))

    def look(self, now: float, patience: int) -> None:
        """Called every now and then: give up what lasts too long, and be dropped after so many times idle."""
        taker = self.taker
        if taker is None:
            self.rested += 1
            if self.rested > patience:
                self.close()
        elif self._deadline and now >= self._deadline:
            self._deadline = 0.0
            if self._state == _HEAD:
                self.fail(LATE_HEAD)
            else:
                taker.overdue()

    def fail(self, why: str) -> None:
        """End it, and say so to whoever waits for an answer."""
        self._report(broken(self._pool.url, why))

    def refuse(self, problem: str) -> None:
        """The request was not sent."""
        self._report(problem)

    def close(self) -> None:
        """End it when all is written. Nobody waits for an answer."""
        self._forget()
        if self.transport is not None:
            self.transport.close()

    # -- lane.Errand

    def pause(self) -> None:
        if self.transport is not None and not self._pausing:
            self._pausing = self._odd = True
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.transport is not None and self._pausing:
            self._pausing = False
            self.transport.resume_reading()

    def abort(self) -> None:
        self._forget()
        if self.opening is not None:
            self.opening.cancel()
            self.opening = None
        if self.transport is not None:
            self.transport.abort()

    def limit(self, seconds: float) -> None:
        self._odd = True
        self._deadline = self._loop.time() + seconds

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        taker = self.taker
        if taker is None:
            self.abort()
            return
        if self._state != _HEAD:
            self._read_body(data)
            return
        end = self._end
        head = self._known.get(data[:end])
        if head is None:
            end = self._end = data.find(b"\r\n\r\n") + 4
            head = self._known.get(data[:end])
        if head is None or head.length != len(data) - end or not head.simple or self._odd:
            self._read_head(data)
            return
        # A whole answer like one before, after which the connection is idle: nearly every one is. What else there is to
        # do for an answer could be done for this one, too, in more steps.
        self.taker = taker.errand = None
        self.rested = 0
        self._pool.idle.append(self)
        taker.whole(head, data[end:])

    def eof_received(self) -> None:
        if self.taker is not None and self._state == _END:
            self._finish(keep=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        if self.taker is None:
            return
        if self._state != _HEAD:
            why = INCOMPLETE
        elif self._early:
            why = INCOMPLETE if self._early.startswith(_HTTP) else NOT_HTTP
        else:
            why = reason(exc) if isinstance(exc, OSError) and exc.errno else NO_ANSWER
        self.fail(why)

    # -- reading

    def _read_head(self, data: bytes) -> None:
        if self._early:
            known = max(0, len(self._early) - 3)
            data = self._early + data
            self._early = b""
            end = data.find(b"\r\n\r\n", known) + 4
        else:
            end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            self._wait_for_head(data)
            return
        if end > LONGEST:
            self.fail(LONG_HEAD)
            return
        try:
            head = self._pool.heads.read(data[:end])
        except BadHead:
            self.fail(NOT_HTTP)
            return
        size = len(data) - end
        if head.length >= 0 and size >= head.length and head.status >= 200:
            self._take_whole(head, data[end : end + head.length], size == head.length)
            return
        if head.chunked and size:
            only = only_chunk(data, end)
            if only is not None:
                self._take_whole(head, only, True)
                return
        self._begin(head, data, end)

    def _wait_for_head(self, data: bytes) -> None:
        if len(data) > LONGEST or not data.startswith(_HTTP[: len(data)]):
            self.fail(LONG_HEAD if data.startswith(_HTTP) else NOT_HTTP)
            return
        self._early = data
        self._odd = True
        if not self._deadline:
            self.limit(HEAD_PATIENCE)

    def _take_whole(self, head: WireHead, body: bytes, exact: bool) -> None:
        taker = self.taker
        assert taker is not None
        self._rest(head.keep and exact)
        taker.errand = None
        taker.whole(head, body)

    def _begin(self, head: WireHead, data: bytes, at: int) -> None:
        taker = self.taker
        assert taker is not None
        self._deadline = 0.0
        if head.status < 200:
            self._interim += 1
            self._odd = True
            if self._interim > _INTERIM:
                self.fail(NOT_HTTP)
            elif at < len(data):
                self._read_head(data[at:])
            return
        self._head = head
        self._left = head.length
        self._state = _CHUNKS if head.chunked else _LENGTH if head.length >= 0 else _END
        if head.chunked:
            self._chunks = Chunks()
        taker.begun(head)
        if at < len(data) and self.taker is taker:
            self._read_body(data, at)

    def _read_body(self, data: bytes, at: int = 0) -> None:
        taker = self.taker
        assert taker is not None
        if self._state == _CHUNKS:
            self._read_chunks(taker, data, at)
            return
        end = len(data)
        if self._state == _LENGTH:
            end = min(end, at + self._left)
            self._left -= end - at
        taker.took(cut(data, at, end))
        if self._state == _LENGTH and not self._left and self.taker is taker:
            self._finish(keep=end == len(data))

    def _read_chunks(self, taker: Taker, data: bytes, at: int) -> None:
        chunks = self._chunks
        try:
            pieces = chunks.feed(data, at)
        except BadChunks:
            self.fail(NOT_HTTP)
            return
        for piece in pieces:
            taker.took(piece)
            if self.taker is not taker:
                return
        if chunks.done:
            self._finish(keep=not chunks.rest)

    def _finish(self, keep: bool) -> None:
        taker = self.taker
        assert taker is not None
        assert self._head is not None
        self._rest(keep and self._head.keep)
        taker.errand = None
        taker.ended()

    # -- ending

    def _rest(self, keep: bool) -> None:
        """The answer is complete: become idle if that is possible."""
        self._forget()
        transport = self.transport
        assert transport is not None
        if self._uploading:
            self._uploading = False
            if transport.get_write_buffer_size():  # the server has heard enough
                transport.abort()
                return
        if keep and not transport.is_closing():
            self.resume()
            self._pool.idle.append(self)
        else:
            transport.close()

    def _forget(self) -> None:
        self.taker = None
        self._odd = False
        self._state = _HEAD
        self._early = b""
        self._interim = 0
        self._head = None
        self._deadline = 0.0
        self.rested = 0

    def _report(self, problem: str) -> None:
        taker = self.taker
        self.abort()
        if taker is not None:
            taker.errand = None
            taker.broke(problem)
