"""Deadlines of many calls with one timer: those of one length end in the order they began.

A timer per call would be armed and disarmed for nothing nearly every time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadlines:
    """Those that lie the same time ahead."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waiting: dict[Callable[[], None], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, expired: Callable[[], None]) -> None:
        """Call `expired` once, that many seconds from now; added again, from now anew."""
        self._waiting.pop(expired, None)
        loop = asyncio.get_running_loop()
        when = self._waiting[expired] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(when, self._look)

    def discard(self, expired: Callable[[], None]) -> None:
        """Never mind. Harmless when it was called, or never added."""
        self._waiting.pop(expired, None)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = []
        for expired, when in self._waiting.items():
            if when > now:
                self._timer = loop.call_at(when, self._look)
                break
            due.append(expired)
        for expired in due:
            del self._waiting[expired]
        for expired in due:
            expired()
