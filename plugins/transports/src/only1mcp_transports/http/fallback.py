"""What an `http` connection does when its server refuses the first POST: see whether it speaks HTTP+SSE instead.

MCP 2026-07-28, "Streamable HTTP", Backward Compatibility. A refusal that is JSON-RPC comes from somebody who speaks
Streamable HTTP, and is no reason to look further.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from only1mcp_transports.sse.connection import SseConnection
from only1mcp_transports.sse.server import NoPair, Server

if TYPE_CHECKING:
    from only1mcp_transports.sse.pair import Pair

PATIENCE = 5.0
"""Seconds the server gets to say where messages go. One that opens a stream and says nothing is another kind."""


@dataclass
class Memory:
    """What is known of an endpoint from one connection to the next."""

    speaks_pair: bool = False


class Fallback:
    """Of one connection. `make` takes the pair that was found and makes it the connection's."""

    def __init__(self, server: Server, memory: Memory, make: Callable[[Pair], SseConnection]) -> None:
        self.connection: SseConnection | None = None
        self._server = server
        self._memory = memory
        self._make = make
        self._possible = True
        self._looking = asyncio.Lock()

    def rule_out(self) -> None:
        """The server does speak Streamable HTTP."""
        self._possible = False

    async def find(self) -> SseConnection | None:
        """The way over HTTP+SSE, if there is one. The server is asked once."""
        async with self._looking:
            if self.connection is None and self._possible:
                self._possible = self._memory.speaks_pair = False
                try:
                    async with asyncio.timeout(PATIENCE):
                        pair = await self._server.open()
                except (NoPair, TimeoutError):
                    await self._server.close()
                    return None
                self._memory.speaks_pair = True
                self.connection = self._make(pair)
        return self.connection
