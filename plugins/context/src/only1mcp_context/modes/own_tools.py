"""What the economy's own tools have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeAlias

from only1mcp_context.results.project import Path
from only1mcp_sdk import Done, Entry, Exchange, Failure, Outcome, Result

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
_CANCELLED = Failure.of(-32603, "Request cancelled")


class OwnTool(Protocol):
    """One of the economy's own tools."""

    @property
    def entry(self) -> Entry:
        """As it is listed."""

    def before(self, exchange: Exchange) -> Outcome | Path | None:
        """As `View.before`; a path, where only that of the result is wanted."""

    def serve(self, exchange: Exchange, done: Done) -> None:
        """As `View.serve`."""


class Answering:
    """An own tool that knows the answer."""

    def __init__(self, entry: Entry, answer: Callable[[Exchange], Result]) -> None:
        self.entry = entry
        self._answer = answer

    def before(self, exchange: Exchange) -> Outcome | Path | None:
        return None

    def serve(self, exchange: Exchange, done: Done) -> None:
        done(self._answer(exchange))


class Working:
    """An own tool whose answer takes time."""

    def __init__(self, entry: Entry, answer: Callable[[Exchange], Awaitable[Result]], spawn: Spawn) -> None:
        self.entry = entry
        self._answer = answer
        self._spawn = spawn

    def before(self, exchange: Exchange) -> Outcome | Path | None:
        return None

    def serve(self, exchange: Exchange, done: Done) -> None:
        async def work() -> None:
            done(await self._answer(exchange))

        task = self._spawn(work())
        # Not in the task itself: one that is cancelled before it began never runs.
        task.add_done_callback(lambda ended: done(_CANCELLED) if _failed(ended) else None)
        exchange.on_cancel = lambda reason: (task.cancel(), None)[1]


def _failed(task: asyncio.Task[None]) -> bool:
    return task.cancelled() or task.exception() is not None
