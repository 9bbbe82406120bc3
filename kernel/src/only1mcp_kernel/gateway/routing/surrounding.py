"""Compiling middlewares: handlers that wait for something, each exchange in a task of its own."""

from __future__ import annotations

import asyncio
from functools import partial

from only1mcp_kernel.gateway.routing.faults import fault
from only1mcp_kernel.gateway.servers.call import CANCELLED
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import Done, Exchange, Handler, Middleware, Outcome


class Surrounding:
    """A middleware around a handler. `name` is where the configuration names it."""

    def __init__(self, name: str, middleware: Middleware, inner: Handler, tasks: Tasks) -> None:
        self._name = name
        self.middleware = middleware
        self.inner = inner
        self.whole = getattr(middleware, "reads_results", True)
        self.loop = asyncio.get_running_loop()
        self.tasks = tasks

    def serve(self, exchange: Exchange, done: Done) -> None:
        """A `Handler`."""
        passage = Passage(self, exchange, done)
        passage.task = self.tasks.begin(passage.run())
        exchange.on_cancel = passage.cancel

    def fault(self, error: Exception) -> Outcome:
        return fault(self._name, error)


class Passage:
    """An exchange that passes a middleware. Called, it is the `Next` of that."""

    __slots__ = ("_begun", "_done", "_exchange", "_inside", "_surrounding", "task")

    def __init__(self, surrounding: Surrounding, exchange: Exchange, done: Done) -> None:
        self._surrounding = surrounding
        self._exchange = exchange
        self._done = done
        self._inside: asyncio.Future[Outcome] | None = None
        """What is served further inside."""
        self._begun = False
        self.task: asyncio.Task[None]

    def __call__(self, exchange: Exchange) -> asyncio.Future[Outcome]:
        if self._inside is not None:
            self._give_up()
        surrounding = self._surrounding
        inside = self._inside = surrounding.loop.create_future()
        if surrounding.whole:
            exchange.whole = True
        surrounding.inner(exchange, partial(self._settle, inside))
        return inside

    def _settle(self, inside: asyncio.Future[Outcome], outcome: Outcome) -> None:
        if inside is self._inside:
            self._inside = None
            self._exchange.on_cancel = self.cancel
            if not inside.done():
                inside.set_result(outcome)

    def _give_up(self) -> None:
        """Nobody waits any more for what is served further inside."""
        self._inside = None
        stop, self._exchange.on_cancel = self._exchange.on_cancel, self.cancel
        if stop is not None:
            stop("it is not wanted any more")

    async def run(self) -> None:
        """Serve it."""
        self._begun = True
        try:
            outcome = await self._surrounding.middleware.serve(self._exchange, self)
        except asyncio.CancelledError:
            outcome = CANCELLED
        except Exception as error:
            outcome = self._surrounding.fault(error)
        if self._inside is not None:
            self._give_up()
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        self._surrounding.tasks.over(self.task)
        self._exchange.on_cancel = None
        self._done(outcome)

    def cancel(self, reason: str) -> None:
        """The client gave up, while what it waits for is not further inside."""
        self.task.cancel()
        if not self._begun:  # then it never will
            self._end(CANCELLED)
