"""Writes of many connections, one after the other, once everything that came in at one time has been looked at.

Reading, thinking and writing in turns for each message would have each drive the others out of the processor's caches,
and wake whoever is written to for each message anew. Nothing waits longer than for what has come already.
"""

from __future__ import annotations

import asyncio


class Outbox:
    """Of one lane."""

    __slots__ = ("_loop", "waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.waiting: list[tuple[asyncio.Transport, bytes]] = []
        """What is to be written to whom. Whoever finds it empty and puts something in calls `flush_soon`; whoever wants
        to write to a transport in another way flushes first."""

    def flush_soon(self) -> None:
        """Once everything that came in has been looked at."""
        self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write everything now."""
        waiting, self.waiting = self.waiting, []
        for transport, data in waiting:
            try:
                transport.write(data)
            except Exception:  # it was closed; whose it is hears of that in another way
                transport.abort()
