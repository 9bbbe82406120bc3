"""Many time-outs of one length with one timer: they end in the order they began."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Waiting(Protocol):
    """Whoever has time until then; told apart by identity."""

    def timed_out(self) -> None:
        """The time is over. Called once for each time it was added, unless it was discarded."""


class Timeouts:
    """Those of one length, in seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Waiting, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, one: Waiting) -> None:
        """Its time begins now; anew, if it had begun."""
        self._waiting.pop(one, None)
        when = self._waiting[one] = self._loop.time() + self.seconds
        if self._timer is None:
            self._timer = self._loop.call_at(when, self._look)

    def discard(self, one: Waiting) -> None:
        """Harmless when it was not added, or has ended."""
        self._waiting.pop(one, None)

    def close(self) -> None:
        """Nobody waits any more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        due = []
        for one, when in self._waiting.items():
            if when > now:
                self._timer = self._loop.call_at(when, self._look)
                break
            due.append(one)
        for one in due:
            if self._waiting.pop(one, None) is not None:
                one.timed_out()
