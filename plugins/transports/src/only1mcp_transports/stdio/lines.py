"""Newline framing: messages out of a stream of bytes, in time linear to their length."""

from __future__ import annotations

from only1mcp_transports.large import Pieces


class Lines:
    """Cuts what is fed to it into lines. Each byte is copied once, or twice where a line comes in pieces.

    Of a line over `limit` bytes only the first `limit + 1` come out, as soon as they are there; the rest of it is
    skipped. So whoever gets a line longer than the limit knows, and no more than that is ever held. `limit` may be
    changed between lines.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held = Pieces()
        self._skipping = False

    @property
    def held(self) -> int:
        """Bytes of a line that has no end yet."""
        return self._held.size

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends."""
        lines: list[bytes] = []
        if self._held.size or self._skipping:
            end = data.find(b"\n")
            if end < 0:
                self._take(data, lines)
                return lines
            self._take(memoryview(data)[:end], lines)
            self._end(lines)
            data = data[end + 1 :]
        if len(data) <= self.limit:
            lines += data.split(b"\n")
            begin = lines.pop()
            if begin:
                self._held.add(begin)
            return lines
        *ends, begin = data.split(b"\n")
        for each in ends:
            self._take(each, lines)
            self._end(lines)
        self._take(begin, lines)
        return lines

    def rest(self) -> bytes:
        """What is there of a line that has no end yet. It is not held any longer."""
        return self._held.take()

    def skip(self) -> None:
        """Let go of the line that has no end yet, and of the rest of it."""
        self._held.take()
        self._skipping = True

    def _end(self, lines: list[bytes]) -> None:
        if not self._skipping:
            lines.append(self.rest())
        self._skipping = False

    def _take(self, part: bytes | memoryview, lines: list[bytes]) -> None:
        if self._skipping:
            return
        room = self.limit + 1 - self._held.size
        self._held.add(part if len(part) <= room else part[:room])
        if self._held.size > self.limit:
            lines.append(self.rest())
            self._skipping = True
