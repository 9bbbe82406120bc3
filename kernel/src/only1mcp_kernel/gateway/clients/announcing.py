"""Telling clients that lists changed: at once, then at most every quarter of a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PAUSE = 0.25
LIST_CHANGED = {
    "tool": "notifications/tools/list_changed",
    "prompt": "notifications/prompts/list_changed",
    "resource": "notifications/resources/list_changed",
    "template": "notifications/resources/list_changed",
}


class Announcer:
    """Debounces on the leading edge, per profile and kind of list."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._pending: dict[tuple[str, str], tuple[asyncio.TimerHandle, bool]] = {}

    def announce(self, profile: str, method: str) -> None:
        """Tell the clients of a profile, now or when the pause since the last time is over."""
        key = (profile, method)
        if key in self._pending:
            timer, _ = self._pending[key]
            self._pending[key] = (timer, True)
            return
        self._start(key)
        self._tell(profile, method)

    def _start(self, key: tuple[str, str]) -> None:
        timer = asyncio.get_running_loop().call_later(PAUSE, self._over, key)
        self._pending[key] = (timer, False)

    def _over(self, key: tuple[str, str]) -> None:
        _, again = self._pending.pop(key)
        if again:
            self._start(key)
            self._tell(*key)

    def close(self) -> None:
        for timer, _ in self._pending.values():
            timer.cancel()
        self._pending.clear()
