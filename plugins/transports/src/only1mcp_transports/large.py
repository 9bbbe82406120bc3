"""Messages that come in pieces: how they are kept, and what they are counted on."""

from __future__ import annotations

from only1mcp_sdk.flow import LARGE, Budget

START = 4096
"""Bytes of a large message by which the inbox decides how to take it."""
_SMALL = 4096
"""Bytes up to which a piece is copied rather than kept: by itself it would take many times its size."""


class Pieces:
    """Bytes that come one after another. Each is copied once, or twice where it is small."""

    __slots__ = ("_large", "_small", "size")

    def __init__(self) -> None:
        self.size = 0
        self._large: list[bytes | memoryview] = []
        self._small = bytearray()

    def add(self, piece: bytes | memoryview) -> None:
        self.size += len(piece)
        if len(piece) < _SMALL:
            self._small += piece
        else:
            self._settle()
            self._large.append(piece)

    def take(self, skip: int = 0) -> bytes:
        """All of them but the first few bytes; none are left."""
        large = self.take_apart(skip)
        if len(large) == 1 and isinstance(large[0], bytes):
            return large[0]
        return b"".join(large)

    def take_apart(self, skip: int = 0) -> list[bytes | memoryview]:
        """As `take`, in pieces."""
        self._settle()
        large, self._large = self._large, []
        self.size = 0
        while skip and large:
            first = large[0]
            if len(first) > skip:
                large[0] = memoryview(first)[skip:]
                break
            skip -= len(first)
            del large[0]
        return large

    def peek(self, count: int) -> bytes:
        """The first bytes, so many if there are."""
        found = b""
        for piece in (*self._large, self._small):
            found += bytes(memoryview(piece)[: count - len(found)])
            if len(found) == count:
                break
        return found

    def _settle(self) -> None:
        if self._small:
            self._large.append(bytes(self._small))
            self._small = bytearray()


class Share:
    """What one stream of messages takes of the gateway's budget, for what it holds beyond `LARGE`."""

    __slots__ = ("_budget", "_taken")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._taken = 0

    def cover(self, size: int) -> bool:
        """So many bytes are held now. False when there is no room for them; they must be let go then."""
        wanted = size - LARGE if size > LARGE else 0
        if wanted < self._taken:
            self._budget.give(self._taken - wanted)
        elif wanted > self._taken and not self._budget.take(wanted - self._taken):
            return False
        self._taken = wanted
        return True

    def release(self) -> None:
        """Nothing is held any more."""
        self.cover(0)
