"""Deadlines of many calls with one timer: those of one length end in the order they began.

A timer per call would be armed and disarmed for nothing nearly every time.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Expiring(Protocol):
    """Something with a deadline, told apart by identity."""

    def expired(self) -> None:
        """It is over. Called once for each time it was added, unless it was discarded."""


class Deadlines:
    """Those that lie the same time ahead."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waiting: dict[Expiring, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def add(self, one: Expiring) -> None:
        """It ends that many seconds from now; added again, from now anew."""
        self._waiting.pop(one, None)
        when = self._waiting[one] = self._loop.time() + self.seconds
        if self._timer is None:
            self._timer = self._loop.call_at(when, self._look)

    def discard(self, one: Expiring) -> None:
        """Never mind. Harmless when it has ended, or was never added."""
        self._waiting.pop(one, None)

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
            del self._waiting[one]
        for one in due:
            one.expired()
