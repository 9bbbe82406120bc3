"""Servers in this process, good and bad."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from only1mcp_sdk.testing.fakes import echo

Receive = Callable[[], Awaitable[bytes]]
Send = Callable[[bytes], Awaitable[None]]

number = 42


async def echoes(receive: Receive, send: Send) -> None:
    while message := await receive():
        answer = echo(message)
        if answer is not None:
            await send(answer)


class Holder:
    serve = staticmethod(echoes)


class Greeter:
    """Made for each connection."""

    made = 0

    def __init__(self, greeting: str, loud: bool = False) -> None:
        if not greeting:
            raise ValueError("an empty\ngreeting")
        Greeter.made += 1
        self.greeting = greeting.upper() if loud else greeting

    async def __call__(self, receive: Receive, send: Send) -> None:
        while await receive():
            await send(f'{{"said":"{self.greeting}"}}'.encode())


async def make(greeting: str) -> Greeter:
    return Greeter(greeting)


def makes_nothing() -> int:
    return 7


async def ends(receive: Receive, send: Send) -> None:
    await receive()


async def fails(receive: Receive, send: Send) -> None:
    await receive()
    raise LookupError("no\nluck")


async def fails_in_a_group(receive: Receive, send: Send) -> None:
    await receive()
    raise ExceptionGroup("several", [ExceptionGroup("", [ValueError("inside")])])


async def exits(receive: Receive, send: Send) -> None:
    await receive()
    raise SystemExit(3)


async def cancels_itself(receive: Receive, send: Send) -> None:
    await receive()
    raise asyncio.CancelledError


async def sends_text(receive: Receive, send: Any) -> None:
    await receive()
    await send("{}")


def blocks(receive: Receive, send: Send) -> None:
    """Not even asynchronous."""


async def talks(receive: Receive, send: Send) -> None:
    while True:
        await send(b"{}")


class Lingering:
    ended: list[str] = []  # noqa: RUF012

    async def __call__(self, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            self.ended.append("cancelled")


lingers = Lingering()
release = asyncio.Event()


async def stubborn(receive: Receive, send: Send) -> None:
    while not release.is_set():
        try:
            await release.wait()
        except asyncio.CancelledError:
            continue


async def says_goodbye(receive: Receive, send: Send) -> None:
    while await receive():
        pass
    await asyncio.sleep(0.05)
    lingers.ended.append("by itself")


class LooksLikeOne:
    def create_initialization_options(self) -> dict[str, Any]:
        return {"options": 1}

    async def run(self, read: Any, write: Any, options: Any) -> None:
        assert options == {"options": 1}
        async for line in read:
            answer = echo(line.encode())
            if answer is not None:
                await write.write(answer.decode() + "\n")
                await write.flush()


class HighLevel:
    """As the SDK's high-level servers are: with one inside that speaks."""

    def __init__(self) -> None:
        self._mcp_server = LooksLikeOne()


low = LooksLikeOne()
high = HighLevel()
