"""The DELETE that ends a session."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from only1mcp_transports.http.lane import Head, Lane, Taker

FAREWELL = 2.0
"""Seconds the server gets to acknowledge the end of its session."""


async def say_farewell(lane: Lane, headers: Mapping[str, str]) -> None:
    """Whatever the server answers, that was it."""
    answer = _Acknowledgement()
    try:
        async with asyncio.timeout(FAREWELL):
            lane.delete(headers, answer)
            await answer.came.wait()
    except TimeoutError:
        pass
    finally:
        answer.stop()


class _Acknowledgement(Taker):
    """The head is enough."""

    __slots__ = ("came",)

    def __init__(self) -> None:
        super().__init__()
        self.came = asyncio.Event()

    def begun(self, head: Head) -> None:
        self.came.set()

    def took(self, piece: bytes | memoryview) -> None:
        """Nobody looks at it."""

    def ended(self) -> None:
        self.came.set()

    def broke(self, problem: str) -> None:
        self.came.set()
