"""Newline framing: messages out of a stream of bytes, without copying a long one again and again."""

from __future__ import annotations


class LineTooLong(Exception):
    """A line is longer than the limit."""


class Lines:
    """Cuts what is fed to it into lines of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends. Raises `LineTooLong`; then feed no more."""
        first, *rest = data.split(b"\n")
        self._hold(first)
        if not rest:
            return []
        lines = [b"".join(self._parts), *rest[:-1]]
        self._parts, self._size = [], 0
        self._hold(rest[-1])
        if any(len(line) > self._limit for line in lines):
            raise LineTooLong
        return lines

    def rest(self) -> bytes:
        """What has no end yet."""
        return b"".join(self._parts)

    def _hold(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._size += len(part)
            if self._size > self._limit:
                raise LineTooLong
