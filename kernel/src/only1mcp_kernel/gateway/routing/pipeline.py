"""Compiling handlers: what stands around a handler becomes one callable, once per generation.

What is not configured costs nothing: with nothing around it the handler itself comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

from only1mcp_kernel.gateway.routing.faults import fault
from only1mcp_kernel.gateway.routing.surrounding import Surrounding
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import Done, Exchange, Filter, Handler, Middleware, Outcome, Place

T = TypeVar("T")
Named: TypeAlias = tuple[str, T]
"""A filter or a middleware, and where the configuration names it."""


class Chains:
    """What one configuration puts around handlers."""

    def __init__(
        self, filters: Sequence[Named[Filter]], middlewares: Sequence[Named[Middleware]], tasks: Tasks
    ) -> None:
        """`tasks` owns those of the middlewares."""
        self._filters = filters
        self._middlewares = middlewares
        self._tasks = tasks

    def around(self, place: Place, terminal: Handler) -> Handler:
        """What stands at one place around `terminal`: the filters, within them the middlewares, the first of each
        outermost."""
        handler = terminal
        for name, middleware in reversed(self._middlewares):
            if middleware.place == place:
                handler = Surrounding(name, middleware, handler, self._tasks).serve
        for name, each in reversed(self._filters):
            if each.place == place:
                handler = _around(name, each, handler)
        return handler


def _around(name: str, each: Filter, inner: Handler) -> Handler:
    before, after = each.before, each.after
    whole = getattr(each, "reads_results", True)

    def guarded(exchange: Exchange, done: Done) -> None:
        def leave(outcome: Outcome) -> None:
            if not exchange.cancelled:
                try:
                    outcome = after(exchange, outcome)
                except Exception as error:
                    outcome = fault(name, error)
            done(outcome)

        try:
            outcome = before(exchange)
        except Exception as error:
            outcome = fault(name, error)
        if outcome is not None:
            done(outcome)
            return
        if whole:
            exchange.whole = True
        inner(exchange, leave)

    return guarded
