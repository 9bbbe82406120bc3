"""One connection of the `sse` connector. Implements `only1mcp_sdk.Connection`.

One task reads the stream; each message is a POST, and a task. The connection ends with the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from only1mcp_sdk import Context, Inbox
from only1mcp_transports.sse.server import Server

if TYPE_CHECKING:
    from only1mcp_transports.sse.pair import Pair

GREETING = 4
"""Messages at the beginning that are sent one after another; servers refuse what overtakes the handshake."""
_PATIENCE = 5.0
"""Seconds a message waits for the one before to be accepted."""


class SseConnection:
    """An open pair. `over` is called when it is closed or has ended."""

    duplex = True

    def __init__(
        self, inbox: Inbox, context: Context, server: Server, pair: Pair, over: Callable[[], None]
    ) -> None:
        self._inbox = inbox
        self._context = context
        self._server = server
        self._pair = pair
        self._report = over
        self._over = False
        self._posts: set[asyncio.Task[None]] = set()
        self._sent = 0
        self._turn: asyncio.Event | None = None
        self._closing: asyncio.Task[None] | None = None
        self._reading = context.spawn(self._read(), name="HTTP+SSE stream")

    # -- only1mcp_sdk.Connection

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        if self._over:
            return
        self._sent += 1
        before = self._turn
        if self._sent <= GREETING:
            self._turn = asyncio.Event()
        turn = self._turn if self._sent <= GREETING else None
        task = self._context.spawn(
            self._post(message, headers, stream, before), name=f"POST of message {stream}"
        )
        self._posts.add(task)

        def done(_: asyncio.Task[None]) -> None:
            self._posts.discard(task)
            if turn is not None:
                turn.set()

        task.add_done_callback(done)

    def abandon(self, stream: int) -> None:
        """Nothing to do: all answers share one stream."""

    def listen(self, headers: Mapping[str, str]) -> None:
        """Nothing to do: the stream is always open."""

    async def close(self) -> None:
        self._over = True
        if self._closing is None:
            self._closing = self._context.spawn(self._shut(), name="closing the HTTP+SSE connection")
        await asyncio.shield(self._closing)

    # -- at work

    async def _post(
        self, message: bytes, headers: Mapping[str, str], stream: int, before: asyncio.Event | None
    ) -> None:
        if before is not None and not before.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await before.wait()
        problem = await self._pair.post(message, headers)
        if problem and not self._over:
            self._inbox.ended(stream, problem)

    async def _read(self) -> None:
        problem = "the connector failed; see the gateway's log"
        try:
            problem = await self._pair.read(self._received)
        finally:
            if not self._over:
                self._over = True
                await self._end()
                self._inbox.closed(problem)

    def _received(self, message: bytes) -> None:
        if not self._over:
            self._inbox.received(message, None)

    async def _shut(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._end()

    async def _end(self) -> None:
        """Whatever ended it: leave nothing behind."""
        try:
            posts = list(self._posts)
            for task in posts:
                task.cancel()
            await asyncio.gather(*posts, return_exceptions=True)
        finally:
            self._pair.close()
            await self._server.close()
            self._report()
