"""Server-sent events: bytes in, events out. Pure; no I/O, and nothing of MCP.

WHATWG HTML, "Server-sent events", sections 9.2.5 and 9.2.6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n?|\n")
_MAX_RETRY_DIGITS = 9


class EventTooLarge(Exception):
    """An event is longer than the parser was told to accept. The stream can't be read any further."""


class Event(NamedTuple):
    """One event. `type` is empty where the stream did not name one (it then means "message")."""

    data: bytes
    type: bytes = b""


class Events:
    """Reads one stream. `last_id` and `retry` (milliseconds) are what it said last, for whoever reconnects."""

    def __init__(self, max_bytes: int, last_id: bytes = b"", retry: int | None = None) -> None:
        self.last_id = last_id
        self.retry = retry
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._scanned = 0
        """No line ends before this offset of the buffer."""
        self._at_start = True
        self._after_cr = False
        self._id = last_id
        self._type = b""
        self._data = bytearray()
        """The event's lines, each with a line feed. In one piece: as a list, short ones take many times their size."""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that `chunk` completes; go through all of them. Raises `EventTooLarge` after the good ones."""
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        self._buffer += chunk
        if self._at_start and not self._skip_bom():
            return
        start = 0
        while end := _LINE_END.search(self._buffer, max(start, self._scanned)):
            line = bytes(self._buffer[start : end.start()])
            start = end.end()
            if line:
                self._field(line)
            else:
                yield from self._dispatch()
        self._after_cr = start == len(self._buffer) and self._buffer[-1:] == b"\r"
        del self._buffer[:start]
        self._scanned = len(self._buffer)
        self._bound(len(self._buffer))

    def _skip_bom(self) -> bool:
        """Whether enough has come to know that no byte order mark is in the way."""
        if len(self._buffer) < len(_BOM) and _BOM.startswith(self._buffer):
            return False
        self._at_start = False
        if self._buffer.startswith(_BOM):
            del self._buffer[: len(_BOM)]
        return True

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._bound(len(value) + 1)
            self._data += value
            self._data += b"\n"
        elif name == b"event":
            self._type = value
        elif name == b"id":
            if b"\0" not in value:
                self._id = value
        elif name == b"retry" and value.isdigit() and len(value) <= _MAX_RETRY_DIGITS:
            self.retry = int(value)

    def _dispatch(self) -> Iterator[Event]:
        self.last_id = self._id
        if self._data:
            yield Event(bytes(memoryview(self._data)[:-1]), self._type)
        self._data = bytearray()
        self._type = b""

    def _bound(self, more: int) -> None:
        if len(self._data) + more > self._max_bytes + len(b"data: \r\n"):
            raise EventTooLarge
