"""Kind `middleware`: surround exchanges with something that has to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from only1mcp_sdk.kinds.filter import Place
from only1mcp_sdk.messages import Exchange, Outcome

Next: TypeAlias = Callable[[Exchange], Awaitable[Outcome]]
"""Serves an exchange further inside, and returns what came of it. Raises nothing but `asyncio.CancelledError`; what it
waits for is then given up, too."""


class Middleware(Protocol):
    """Surrounds exchanges, for what must await: a check made elsewhere, a line to wait in, another attempt. What need
    not is a `Filter`, which costs a fraction: each exchange that passes a middleware is a task.

    Those of one place stand within its filters, in the order of the configuration, the first one outermost. An
    exception becomes an internal error for this exchange, logged with the plugin's name.

    A middleware whose class says `reads_results = False` looks at no result's bytes: large ones then go to the client
    while they arrive, and `Poured` comes back in their place.
    """

    @property
    def place(self) -> Place: ...

    async def serve(self, exchange: Exchange, next: Next) -> Outcome:
        """Called once for an exchange. Return what `next` returned, or another outcome, with or without having called
        it. It may be called again after it has returned; with `exchange.endpoint` set to "" before that, at the place
        `server`, another replica may be picked.

        When the client gives up, `next` returns soon; whatever else is awaited is cancelled. What is returned then
        goes nowhere.
        """
