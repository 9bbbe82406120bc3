"""Chunked bodies, taken apart. Pure; strict about every byte of the framing.

RFC 9112, section 7.1. Extensions and trailers are read over, and bounded.
"""

from __future__ import annotations

LAST = b"\r\n0\r\n\r\n"
"""How a body ends whose last chunk with data is complete, without trailers."""
_LONGEST_LINE = 4096
_TRAILERS = 8192
_DIGITS = 15
_HEX = b"0123456789abcdefABCDEF"
_VIEW = 4096
"""Bytes from which on a piece is not copied."""

_SIZE, _DATA, _AFTER, _TRAILER = range(4)


class BadChunks(Exception):
    """The framing is broken: where the answer ends is not known."""


class Chunks:
    """Reads one body. `done` once its end has come; `rest` bytes of what was fed last are then behind it."""

    __slots__ = ("_left", "_line", "_state", "_trailers", "done", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = 0
        self._state = _SIZE
        self._left = 0
        self._line = b""
        self._trailers = 0

    def feed(self, data: bytes, at: int = 0) -> list[bytes | memoryview]:
        """The pieces of the body in `data`, from an offset on. Raises `BadChunks`."""
        pieces: list[bytes | memoryview] = []
        end = len(data)
        while at < end and not self.done:
            if self._state == _DATA:
                count = min(self._left, end - at)
                pieces.append(cut(data, at, at + count))
                at += count
                self._left -= count
                if not self._left:
                    self._state = _AFTER
            else:
                stop = data.find(b"\n", at) + 1 or end
                self._line += data[at:stop]
                if len(self._line) > _LONGEST_LINE:
                    raise BadChunks
                at = stop
                if self._line.endswith(b"\n"):
                    line, self._line = self._line, b""
                    self._take(line)
        self.rest = end - at
        return pieces

    def _take(self, line: bytes) -> None:
        """A line that is not data, with its end."""
        if not line.endswith(b"\r\n") or line.find(b"\r") != len(line) - 2:
            raise BadChunks
        if self._state == _SIZE:
            self._left = size(line[:-2].partition(b";")[0])
            self._state = _DATA if self._left else _TRAILER
        elif self._state == _AFTER:
            if line != b"\r\n":
                raise BadChunks
            self._state = _SIZE
        elif line == b"\r\n":
            self.done = True
        else:
            self._trailers += len(line)
            if self._trailers > _TRAILERS:
                raise BadChunks


def size(digits: bytes) -> int:
    """The size of a chunk. Raises `BadChunks`."""
    if not digits or len(digits) > _DIGITS or digits.strip(_HEX):
        raise BadChunks
    return int(digits, 16)


def only_chunk(data: bytes, at: int) -> bytes | None:
    """The body, if it is all of `data` from an offset on, and in one chunk."""
    if not data.endswith(LAST):
        return None
    start = data.find(b"\r\n", at, at + _DIGITS + 2) + 2
    digits = data[at : start - 2]
    if start < 2 or not digits or digits.strip(_HEX):
        return None
    return data[start : -len(LAST)] if start + int(digits, 16) + len(LAST) == len(data) else None


def cut(data: bytes, start: int, end: int) -> bytes | memoryview:
    """A part of `data`; a large one is not copied."""
    if end - start < _VIEW:
        return data[start:end]
    if end - start == len(data):
        return data
    return memoryview(data)[start:end]
