"""Compiling middlewares: handlers that wait for something, each exchange in a task of its own."""

from __future__ import annotations

import asyncio

from only1mcp_kernel.gateway.routing.faults import fault
from only1mcp_kernel.gateway.servers.call import CANCELLED
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import Done, Exchange, Handler, Middleware, Outcome


def surrounded(name: str, middleware: Middleware, inner: Handler, tasks: Tasks) -> Handler:
    """`inner` with the middleware around it. `name` is where the configuration names that."""
    whole = getattr(middleware, "reads_results", True)
    loop = asyncio.get_running_loop()

    async def served(exchange: Exchange) -> Outcome:
        outside = exchange.on_cancel
        future: asyncio.Future[Outcome] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        if whole:
            exchange.whole = True
        inner(exchange, settle)
        try:
            return await future
        except asyncio.CancelledError:  # nobody waits for it any more
            if exchange.on_cancel is not None and exchange.on_cancel is not outside:
                exchange.on_cancel("it is not wanted any more")
            raise
        finally:
            exchange.on_cancel = outside

    async def serve(exchange: Exchange) -> Outcome:
        try:
            return await middleware.serve(exchange, served)
        except Exception as error:
            return fault(name, error)

    def handler(exchange: Exchange, done: Done) -> None:
        task = tasks.start(serve(exchange), name)
        exchange.on_cancel = lambda reason: (task.cancel(), None)[1]

        def ended(task: asyncio.Task[Outcome]) -> None:
            exchange.on_cancel = None
            done(CANCELLED if task.cancelled() else task.result())

        task.add_done_callback(ended)

    return handler
