"""What every middleware keeps to."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Mapping
from typing import Any

from only1mcp_sdk.kinds import Middleware, Place
from only1mcp_sdk.messages import Exchange, Outcome
from only1mcp_sdk.offer import Offer
from only1mcp_sdk.testing.fakes import make_exchange
from only1mcp_sdk.testing.filter import check_outcome
from only1mcp_sdk.testing.lifecycle import check_lifecycle, checked
from only1mcp_sdk.testing.samples import NAMES, OUTCOMES

PATIENCE = 5.0
"""Seconds an exchange may take to pass where nothing inside takes any time."""


async def check_middleware(offer: Offer[Middleware], options: Mapping[str, Any]) -> None:
    """Assert that the middleware returns a sound outcome whatever comes in and whatever comes back, for many exchanges
    at once, and that it can be cancelled while it waits and serves on afterwards."""
    await check_lifecycle(offer, options)
    async with checked(offer, options) as middleware:
        places = typing.get_args(Place)
        assert middleware.place in places, f"place is {middleware.place!r}, and should be one of {places}"
        for outcome in OUTCOMES:
            for exchange in (
                make_exchange("tools/call", {"name": "search"}),
                make_exchange("tools/list", None),
            ):
                await _serve(middleware, exchange, outcome)
        calls = [make_exchange("tools/call", {"name": name, "arguments": {}}) for name in NAMES]
        await asyncio.gather(*(_serve(middleware, each, OUTCOMES[0]) for each in calls))
        await _give_up(middleware)
        await _serve(middleware, make_exchange("tools/call", {"name": "search"}), OUTCOMES[0])


async def _serve(middleware: Middleware, exchange: Exchange, outcome: Outcome) -> None:
    async def next(exchange: Exchange) -> Outcome:
        await asyncio.sleep(0)
        return outcome

    async with asyncio.timeout(PATIENCE):
        check_outcome(await middleware.serve(exchange, next), "the middleware")


async def _give_up(middleware: Middleware) -> None:
    """Clients give up while what is inside takes for ever."""

    async def next(exchange: Exchange) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    waiting = [
        asyncio.ensure_future(middleware.serve(make_exchange("tools/call", {"name": name}), next))  # noqa: TID251  (awaited below)
        for name in NAMES
    ]
    await asyncio.sleep(0.01)
    for task in waiting:
        task.cancel()
    done, pending = await asyncio.wait(waiting, timeout=PATIENCE)
    assert not pending, "the middleware goes on after it was cancelled"
    for task in done:
        if not task.cancelled():
            check_outcome(task.result(), "the middleware")
