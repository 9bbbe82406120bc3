"""A large result on its way: from the server's connection into the client's answer, in pieces."""

from __future__ import annotations

from collections.abc import Callable

from only1mcp_kernel.wire.splice import HELD, Malformed, Splice
from only1mcp_sdk import Pipe, Source


class Pouring:
    """Takes the response from a connection, and gives the result on. A `Pipe`.

    `ended` is called once: with the size of the result, or with why it is incomplete.
    """

    __slots__ = ("_ended", "_held", "_over", "_pipe", "_size", "_source", "_splice")

    def __init__(self, splice: Splice, source: Source, pipe: Pipe, ended: Callable[[int, str], None]) -> None:
        self._splice = splice
        self._source = source
        self._pipe = pipe
        self._ended = ended
        self._held = b""
        self._size = 0
        self._over = False

    def write(self, piece: bytes | memoryview) -> None:
        if self._over:
            return
        if len(piece) < HELD:
            piece = self._held + bytes(piece)
        else:
            self._give(self._held, len(self._held))
        piece = bytes(piece)
        cut = max(0, len(piece) - HELD)
        if not self._over:
            self._held = piece[cut:]
            self._give(piece, cut)

    def end(self) -> None:
        if self._over:
            return
        try:
            last = self._held[: self._splice.finish(self._held)]
        except Malformed as error:
            self._break(str(error))
            return
        self._over = True
        self._pipe.write(last)
        self._pipe.end()
        self._ended(self._size + len(last), "")

    def fail(self, problem: str) -> None:
        if not self._over:
            self._over = True
            self._pipe.fail(problem)
            self._ended(self._size, problem)

    def stop(self) -> None:
        """Nobody wants the rest; whoever says so knows."""
        if not self._over:
            self._over = True
            self._pipe.fail("cancelled")
            self._source.abort()

    def _give(self, piece: bytes, end: int) -> None:
        """The piece up to there."""
        if not end:
            return
        try:
            self._splice.advance(piece, end)
        except Malformed as error:
            self._break(str(error))
            return
        self._size += end
        self._pipe.write(memoryview(piece)[:end])

    def _break(self, problem: str) -> None:
        self._source.abort()
        self.fail(problem)
