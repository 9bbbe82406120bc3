"""Large messages: handed on as they arrive, or counted while they are held whole.

A result of megabytes that nobody has to look at goes from the server's connection to the client's in pieces, and the
slower of the two sets the pace. What must be whole is collected, within one budget for the whole gateway.
"""

from __future__ import annotations

from typing import Protocol

LARGE = 64 * 1024
"""Bytes from which on a message counts as large."""


class Source(Protocol):
    """Where the rest of a message comes from. Every method may be called repeatedly, and after the end."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read on."""

    def abort(self) -> None:
        """Nobody wants the rest. The pipe hears nothing more."""


class Pipe(Protocol):
    """Takes a message in pieces. Every method is ignored after `end` or `fail`."""

    def write(self, piece: bytes | memoryview) -> None:
        """The next piece. It must not change afterwards."""

    def end(self) -> None:
        """That was the last one."""

    def fail(self, problem: str) -> None:
        """There will be no more, and something is missing; why, in words for people."""


class Budget:
    """Bytes that may be held at a time. It counts, and allocates nothing."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def take(self, count: int) -> bool:
        """Whether `count` more bytes may be held; then `give` them back later."""
        if self.held + count > self.limit:
            return False
        self.held += count
        return True

    def give(self, count: int) -> None:
        """They are held no more."""
        self.held -= count
