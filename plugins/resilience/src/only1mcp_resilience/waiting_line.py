"""Middleware `waiting_line`: only so many calls of a server are under way at a time; the others wait in line."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque

from only1mcp_sdk import Exchange, Failure, Next, Outcome, Place

BUSY = -32011
"""The error a call is refused with: a code of our own, from the range that JSON-RPC leaves to implementations."""


class Places:
    """Those before one server, and who waits for one, in order. While anybody waits, none is free."""

    __slots__ = ("free", "waiting")

    def __init__(self, count: int) -> None:
        self.free = count
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Take one when it is left by somebody."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # its turn came in the same moment
                self.leave()
            elif turn in self.waiting:
                self.waiting.remove(turn)
            raise

    def leave(self) -> None:
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1


class WaitingLine:
    """Implements `Middleware`. Stands before each server, where it is known which one is called."""

    place: Place = "server"
    reads_results = False

    def __init__(self, places: int, patience: float) -> None:
        self._patience = patience
        self._places = defaultdict[str, Places](lambda: Places(places))

    async def serve(self, exchange: Exchange, next: Next) -> Outcome:
        if exchange.method != "tools/call":
            return await next(exchange)
        places = self._places[exchange.server]
        if places.free:
            places.free -= 1
        else:
            try:
                async with asyncio.timeout(self._patience):
                    await places.wait()
            except TimeoutError:
                return Failure.of(BUSY, f"Server {exchange.server!r} is busy; try again later")
        try:
            return await next(exchange)
        finally:
            places.leave()
