"""Middleware `waiting_line`: only so many calls of a server are under way at a time; the others wait in line."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from only1mcp_sdk import Exchange, Failure, Next, Outcome, Place

BUSY = -32011
"""The error a call is refused with: a code of our own, from the range that JSON-RPC leaves to implementations."""


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
