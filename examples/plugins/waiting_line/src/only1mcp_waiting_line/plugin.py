"""Middleware `waiting_line`: only so many calls of a server are under way at a time; the others wait in line."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import Field

from only1mcp_sdk import (
    Context,
    Exchange,
    Failure,
    Middleware,
    Next,
    Offer,
    Outcome,
    Place,
    PluginConfig,
    hookimpl,
    offer,
)

BUSY = -32011
"""A code of our own, from the range that JSON-RPC leaves to implementations."""


class WaitingLineConfig(PluginConfig):
    """Have calls wait for one another."""

    places: int = Field(1, ge=1, description="How many calls of one server may be under way at a time.")
    patience: float = Field(60.0, gt=0, description="Seconds a call waits in line before it is refused.")


class WaitingLine:
    """Implements `Middleware`. Stands before each server, where it is known which one is called."""

    place: Place = "server"
    reads_results = False

    def __init__(self, places: int, patience: float) -> None:
        self._patience = patience
        self._free = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(places))

    async def serve(self, exchange: Exchange, next: Next) -> Outcome:
        if exchange.method != "tools/call":
            return await next(exchange)
        free = self._free[exchange.server]
        if free.locked():
            try:
                async with asyncio.timeout(self._patience):
                    await free.acquire()
            except TimeoutError:
                return Failure.of(BUSY, f"Server {exchange.server!r} is busy; try again later")
        else:
            await free.acquire()  # at once
        try:
            return await next(exchange)
        finally:
            free.release()


@asynccontextmanager
async def open_waiting_line(config: WaitingLineConfig, context: Context) -> AsyncIterator[Middleware]:
    yield WaitingLine(config.places, config.patience)


@hookimpl
def only1mcp_register_middleware() -> list[Offer[Middleware]]:
    return [offer("waiting_line", WaitingLineConfig, open_waiting_line)]
