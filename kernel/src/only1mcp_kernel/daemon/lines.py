"""Messages on a byte stream, one to a line."""

from __future__ import annotations


class TooLong(Exception):
    """A line is longer than allowed. Nothing after it can be trusted to be where a line begins."""


class Lines:
    """Cuts what arrives into lines. Blank lines are skipped. `limit` is in bytes and may be changed at any time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> None:
        """Take in what arrived."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole line without its end, or None when more has to arrive first. Raises `TooLong`."""
        while (end := self._buffer.find(b"\n", self._searched)) >= 0:
            if end > self.limit:
                raise TooLong
            line = bytes(self._buffer[:end]).strip(b" \t\r")
            del self._buffer[: end + 1]
            self._searched = 0
            if line:
                return line
        self._searched = len(self._buffer)
        if self._searched > self.limit:
            raise TooLong
        return None


def frame(message: bytes) -> bytes:
    """A JSON message as one line. Line ends in JSON are always white space: within strings they are escaped."""
    return message.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
