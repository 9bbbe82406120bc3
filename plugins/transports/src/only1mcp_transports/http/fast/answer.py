"""The answer to a plain request: what the gate says is written at once, without a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from only1mcp_sdk import Pipe, Posting, Source
from only1mcp_transports.http.answer import KEEP_ALIVE, sse_event
from only1mcp_transports.http.checks import JSON, error_body
from only1mcp_transports.http.fast.response import JSON_HEAD, STREAM, head, whole

if TYPE_CHECKING:
    from only1mcp_transports.http.fast.connection import Connection
    from only1mcp_transports.http.server import Route

_NOTHING: Mapping[str, str] = {}
LAST_CHUNK = b"0\r\n\r\n"
COPIED = 16 * 1024
"""Bytes up to which it is quicker to put a message behind its head than to write the two as they are."""


SMALL = 2048
"""Bytes of a body in pieces that are not worth a write of their own."""


class Answer(Struct, eq=False):
    """Implements `only1mcp_sdk.Answer`."""

    _connection: Connection
    route: Route
    _cors: Mapping[str, str]
    plain: bool
    """Nothing was said yet, and nothing special is to be said with it."""
    posting: Posting | None = None
    looks: int = 0
    """How often it has been seen to be under way."""
    streaming: bool = False
    over: bool = False
    half_closed: bool = False
    """The client says no more; it may be gone."""
    waited: bool = False
    """It did not come at once."""

    # -- for the gate

    def send(self, message: bytes, event: str = "") -> None:
        if not self.over and (message or event):
            self._stream(sse_event(message, event))

    def finish(self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = _NOTHING) -> None:
        if self.over:
            return
        self.over = True
        self.posting = None  # which knows the answer, too: the collector would have to find them
        self.route.posts.discard(self)
        connection = self._connection
        if not self.plain or status != 200 or headers or not message:
            self._finish(message, status, headers)
        elif len(message) < COPIED:  # nearly every answer
            end = connection.lane.common_fields
            connection.complete(b"%b%d%b%b" % (JSON_HEAD, len(message), end, message))
        else:
            begin = b"%b%d%b" % (JSON_HEAD, len(message), connection.lane.common_fields)
            connection.write_all((begin, message))
            connection.answered()

    def _finish(self, message: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.route.leave(self)
        if self.streaming:
            self._connection.write(_chunk(sse_event(message)) + LAST_CHUNK if message else LAST_CHUNK)
        else:
            self._connection.write(whole(message, status, {**headers, **self._cors}))
        self._connection.answered()

    def pour(self, source: Source, headers: Mapping[str, str] = _NOTHING) -> Pipe | None:
        if self.over or self.streaming:
            return None
        fields = {**headers, **self._cors, "Content-Type": JSON, "Transfer-Encoding": "chunked"}
        self._connection.write(head(200, fields))
        self.over = True
        self.route.leave(self)
        return self._connection.pour(source)

    # -- for the lane

    def open_stream(self) -> None:
        """It is an event stream, whether or not something has been said on it."""
        if not (self.over or self.streaming):
            self._stream(b"")

    def timed_out(self) -> None:
        """It does not come at once: first the gate may say something, such as how to come back for it; later a sign of
        life is due."""
        if self.over:
            return
        if self.waited or self.streaming:
            self._stream(KEEP_ALIVE)
            return
        self.waited = True
        self.plain = False
        self.route.waits(self)
        if self.posting is not None:
            self.posting.waiting()

    def probe(self) -> None:
        """The client sends nothing more. Whether it still reads, only writing tells: as an event stream, that can be
        done before the answer."""
        self.half_closed = self.waited = True
        self.plain = False
        self.timed_out()

    def abandon(self) -> None:
        """The server answers nobody any more: streams end, what has not begun is refused."""
        if self.over:
            return
        self.over = True
        if self.posting is not None:
            self.posting.disconnected()
        body = error_body("Service Unavailable: the gateway is stopping")
        self._connection.write(LAST_CHUNK if self.streaming else whole(body, 503, self._cors))
        self.route.leave(self)
        self._connection.answered()

    def lost(self) -> None:
        """The client is gone."""
        if not self.over:
            self.over = True
            self.route.leave(self)
            posting, self.posting = self.posting, None
            if posting is not None:
                posting.disconnected()

    def fail(self) -> None:
        """The gate raised, which it should not."""
        if self.streaming:
            self._connection.abort()
        else:
            self.finish(error_body("Internal error", -32603), 500)

    # -- inside

    def _stream(self, data: bytes) -> None:
        chunk = _chunk(data) if data else b""
        if self.streaming:
            self._connection.write_bounded(chunk, self.route.buffer_bytes)
        else:
            self.streaming = True
            self.plain = False
            fields = {**STREAM, **self._cors, "Transfer-Encoding": "chunked"}
            self._connection.write(head(200, fields) + chunk)
        if not self.over:
            self.route.waits(self)


class Chunks:
    """A body in pieces, each a chunk (RFC 9112, section 7.1). A `Pipe`. Small pieces go along with the next one."""

    __slots__ = ("_connection", "_small", "over")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._small = b""
        self.over = False

    def write(self, piece: bytes | memoryview) -> None:
        if self.over:
            return
        small = self._small
        size = len(small) + len(piece)
        if size <= SMALL:
            self._small += piece
        else:
            self._small = b""
            self._connection.write_all((b"%x\r\n" % size, small, piece, b"\r\n"))

    def end(self) -> None:
        if not self.over:
            self.over = True
            self._connection.write((_chunk(self._small) if self._small else b"") + LAST_CHUNK)
            self._connection.answered()

    def fail(self, problem: str) -> None:
        if not self.over:
            self.over = True
            self._connection.abort()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
