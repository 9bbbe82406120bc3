"""Filter `hello`: tools that are not on the list are not called, and whoever asks is told so in a friendly way."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from fnmatch import translate

from pydantic import Field

from only1mcp_sdk import (
    Context,
    Exchange,
    Failure,
    Filter,
    Offer,
    Outcome,
    Place,
    PluginConfig,
    hookimpl,
    offer,
)

NOT_ALLOWED = -32010
"""A code of our own, from the range that JSON-RPC leaves to implementations."""


class HelloConfig(PluginConfig):
    """Call only these tools."""

    allow: list[str] = Field(
        description="Tools that may be called, by the names clients use; `*` stands for anything."
    )
    greeting: str = Field("Hello!", description="How a refusal begins.")


class Hello:
    """Implements `Filter`. Stands before each server, where the router has found out what is called."""

    place: Place = "server"

    def __init__(self, allow: Sequence[str], greeting: str) -> None:
        # Calls are many, and the list is one: what it means is worked out here.
        self._allows = re.compile("|".join(map(translate, allow)) or "(?!)").match
        self._greeting = greeting

    def before(self, exchange: Exchange) -> Outcome | None:
        if exchange.method != "tools/call" or self._allows(exchange.name):
            return None
        problem = f"{self._greeting} The tool {exchange.name!r} is not open to calls here."
        return Failure.of(NOT_ALLOWED, problem)

    def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
        return outcome


@asynccontextmanager
async def open_hello(config: HelloConfig, context: Context) -> AsyncIterator[Filter]:
    context.logger.info("open to calls: %s", ", ".join(config.allow) or "nothing")
    yield Hello(config.allow, config.greeting)


@hookimpl
def only1mcp_register_filter() -> list[Offer[Filter]]:
    return [offer("hello", HelloConfig, open_hello)]
