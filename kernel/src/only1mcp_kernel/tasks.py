"""Background tasks and their owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """Owns background tasks: an exception is logged, and closing cancels and awaits them all."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run work nobody awaits."""
        task = self.start(work, name)
        task.add_done_callback(self._complain)
        return task

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run work whose exception somebody awaits."""
        task = asyncio.create_task(work, name=name)  # noqa: TID251  (this is the owner)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work that never raises and calls `over` at its end: for where there are very many."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        return task

    def over(self, task: asyncio.Task[None]) -> None:
        """A task of `begin` is at its end."""
        self._tasks.discard(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved: whoever awaited it may have been cancelled

    def _complain(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._log.error("%s failed", task.get_name(), exc_info=task.exception())

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
