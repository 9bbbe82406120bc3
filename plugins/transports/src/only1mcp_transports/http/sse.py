"""Server-sent events: bytes in, events out. Pure; no I/O, and nothing of MCP.

WHATWG HTML, "Server-sent events", sections 9.2.5 and 9.2.6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from only1mcp_sdk import Pipe
from only1mcp_sdk.flow import LARGE
from only1mcp_transports.large import START, Pieces

_BOM = b"\xef\xbb\xbf"
_CR = 13
_MAX_RETRY_DIGITS = 9
_FRAMING = len(b"data: \r\n")


class EventTooLarge(Exception):
    """An event is longer than the parser was told to accept. The stream can't be read any further."""


class Event(NamedTuple):
    """One event. `type` is empty where the stream did not name one (it then means "message")."""

    data: bytes
    type: bytes = b""


class Events:
    """Reads one stream. `last_id` and `retry` (milliseconds) are what it said last, for whoever reconnects.

    Where `arriving` is given, it is asked about every message that grows beyond `LARGE`, with the beginning. If it
    returns a pipe, the rest goes in there, and there is no `Event`.
    """

    def __init__(
        self,
        max_bytes: int,
        last_id: bytes = b"",
        retry: int | None = None,
        arriving: Callable[[bytes], Pipe | None] | None = None,
    ) -> None:
        self.last_id = last_id
        self.retry = retry
        self._max_bytes = max_bytes
        self._arriving = arriving
        self._early: bytes | None = b""
        """What came of a byte order mark, until it is known whether there is one."""
        self._after_cr = False
        self._line = Pieces()
        """What came of a line."""
        self._id = last_id
        self._type = b""
        self._data = Pieces()
        self._lines = 0
        self._asked = False
        self._pipe: Pipe | None = None
        self._poured = 0
        self._pouring_line = False

    @property
    def held(self) -> int:
        """How many bytes of an unfinished event are kept."""
        return self._line.size + self._data.size

    @property
    def pouring(self) -> bool:
        """Whether an event is going into a pipe."""
        return self._pipe is not None

    def stop_pouring(self) -> None:
        """Leave the pipe alone. The stream can't be read any further."""
        self._pipe = None

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that `chunk` completes; go through all of them. Raises `EventTooLarge` after the good ones."""
        if self._early is not None:
            chunk = self._without_mark(chunk)
        start = 0
        if self._after_cr and chunk:
            self._after_cr = False
            start = chunk.startswith(b"\n")
        size = len(chunk)
        cr = lf = -1
        while start < size:
            if cr < start:
                cr = chunk.find(b"\r", start)
                cr = size if cr < 0 else cr
            if lf < start:
                lf = chunk.find(b"\n", start)
                lf = size if lf < 0 else lf
            end = min(cr, lf)
            if end == size:
                self._add(chunk if not start else memoryview(chunk)[start:])
                break
            line = self._complete(chunk, start, end)
            start = end + 1
            if end == cr:
                if start == size:
                    self._after_cr = True
                elif lf == start:
                    start += 1
            if line is None:
                continue
            if line:
                self._field(line)
            else:
                event = self._dispatch()
                if event is not None:
                    yield event

    def _without_mark(self, chunk: bytes) -> bytes:
        assert self._early is not None
        chunk = self._early + chunk
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._early = chunk
            return b""
        self._early = None
        return chunk.removeprefix(_BOM)

    # -- lines

    def _add(self, part: bytes | memoryview) -> None:
        """A part of a line, up to the end of what has come."""
        if self._pouring_line:
            self._pour(part)
            return
        self._bound(len(part))
        self._line.add(part)
        if self._arriving is not None and not self._asked and self._line.size > LARGE:
            self._offer(self._arriving)

    def _complete(self, chunk: bytes, start: int, end: int) -> bytes | None:
        """The line that ends here; none if it is dealt with: it went into the pipe, or was collected."""
        if self._pouring_line:
            self._pour(memoryview(chunk)[start:end])
            self._pouring_line = False
            return None
        if not self._line.size:
            return chunk[start:end]
        self._line.add(memoryview(chunk)[start:end])
        skip = _data_prefix(self._line)
        if skip:
            self._take(self._line.take(skip))
            return None
        return self._line.take()

    def _field(self, line: bytes) -> None:
        colon = line.find(b":")
        name = line if colon < 0 else line[:colon]
        at = len(line) if colon < 0 else colon + 1
        if line[at : at + 1] == b" ":
            at += 1
        if name == b"data":
            self._take(line[at:])
        elif name == b"event":
            self._type = line[at:]
        elif name == b"id":
            if b"\0" not in line:
                self._id = line[at:]
        elif name == b"retry":
            value = line[at:]
            if value.isdigit() and len(value) <= _MAX_RETRY_DIGITS:
                self.retry = int(value)

    def _take(self, value: bytes) -> None:
        """A line of data."""
        if self._pipe is not None:
            self._pour(b"\n" + value)
            return
        self._bound(len(value) + 1)
        if self._lines:
            self._data.add(b"\n")
        self._lines += 1
        self._data.add(value)

    def _dispatch(self) -> Event | None:
        self.last_id = self._id
        event = None
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.end()
        elif self._lines:
            event = Event(self._data.take(), self._type)
        self._lines = self._poured = 0
        self._type = b""
        self._asked = False
        return event

    def _bound(self, more: int) -> None:
        if self.held + more > self._max_bytes + _FRAMING:
            raise EventTooLarge

    # -- large messages

    def _offer(self, arriving: Callable[[bytes], Pipe | None]) -> None:
        """Only in the first line of an event's data does a large message begin."""
        skip = _data_prefix(self._line)
        if self._lines or self._type not in (b"", b"message") or not skip:
            return
        self._asked = True
        start = self._line.peek(skip + START)
        self._pipe = arriving(start[skip:])
        if self._pipe is not None:
            self._pouring_line = True
            self._poured = len(start) - skip
            for piece in self._line.take_apart(len(start)):
                self._pour(piece)

    def _pour(self, part: bytes | memoryview) -> None:
        """A type that is named only now comes too late to matter."""
        self._poured += len(part)
        if self._poured > self._max_bytes:
            raise EventTooLarge
        if self._pipe is not None and part:
            self._pipe.write(part)


def _data_prefix(line: Pieces) -> int:
    """How many bytes of a line come before the data in it; 0 where it is another."""
    start = line.peek(6)
    return 0 if not start.startswith(b"data:") else 6 if start.endswith(b" ") else 5
