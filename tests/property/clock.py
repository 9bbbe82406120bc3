"""An event loop whose time passes at once: where nothing is left to do now, it is already later.

Timeouts of ten minutes are tried in microseconds, and the order of events is the same on every run. Only for code that
waits for nothing outside of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class NothingToWaitFor(Exception):
    """Everything waits, and nothing is going to happen."""


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, moves the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise NothingToWaitFor
        self.now += max(timeout, 0)
        return super().select(0)


class FastLoop(asyncio.SelectorEventLoop):
    """Runs code that sleeps without sleeping."""

    def __init__(self) -> None:
        self._fast = _Selector()
        self.unhandled: list[dict[str, Any]] = []
        """What nobody caught: exceptions of callbacks, and tasks whose exception was never looked at."""
        super().__init__(self._fast)
        self.set_exception_handler(lambda loop, context: self.unhandled.append(context))

    def time(self) -> float:
        return self._fast.now

    def settle(self) -> None:
        """Run everything that can happen without time passing."""
        for _ in range(1000):
            self.run_until_complete(asyncio.sleep(0))
            if not self._ready:  # type: ignore[attr-defined]
                return
        raise AssertionError("it never comes to rest")

    def pass_time(self, seconds: float) -> None:
        """Let this much time pass."""
        self.run_until_complete(asyncio.sleep(seconds))
        self.settle()

    def scheduled(self) -> int:
        """Timers that are still to fire."""
        return sum(not handle.cancelled() for handle in self._scheduled)  # type: ignore[attr-defined]

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Tasks that have not ended."""
        return asyncio.all_tasks(self)

    def finish(self) -> None:
        """Cancel what is left, and close."""
        for task in self.tasks():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                self.run_until_complete(asyncio.gather(task, return_exceptions=True))
        self.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop of its own."""
    loop = FastLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.finish()
