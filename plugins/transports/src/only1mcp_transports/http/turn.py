"""Whose turn it is at the end of the handshake: servers refuse what overtakes the message that completes it.

That is the first message after the session was opened. The others wait until it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 5.0
"""Seconds that other messages wait at most."""
LISTENING = -1
"""Stands for the number of a message where there is none."""


class Turn:
    """Of one connection. `passed` is called when it is over; messages are known by their numbers."""

    def __init__(self, passed: Callable[[], None]) -> None:
        self._passed = passed
        self._due = False
        self._first: int | None = None
        self._waiting: dict[int, Callable[[], None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def pending(self) -> bool:
        return self._due or self._first is not None

    def begin(self) -> None:
        """The next message completes the handshake."""
        self._due = True

    def take(self, number: int, go: Callable[[], None]) -> None:
        """Let a message go: now, or when the first one is through."""
        if self._due and number != LISTENING:
            self._due = False
            self._first = number
            go()
        elif self._first is None:
            go()
        else:
            self._waiting[number] = go
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._end)

    def through(self, number: int) -> None:
        """This one is answered, or given up."""
        self._waiting.pop(number, None)
        if number == self._first:
            self._end()

    def close(self) -> None:
        """Nobody waits any more."""
        self._waiting.clear()
        self._end()

    def _end(self) -> None:
        self._first = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, {}
        self._passed()
        for go in waiting.values():
            go()
