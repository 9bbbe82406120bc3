"""Filter `hello`: tools that are not on the list are not called, and whoever asks is told so in a friendly way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase

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
        self._allow = tuple(allow)
        self._greeting = greeting

    def before(self, exchange: Exchange) -> Outcome | None:
        name = exchange.name
        if exchange.method != "tools/call" or any(fnmatchcase(name, pattern) for pattern in self._allow):
            return None
        return Failure.of(NOT_ALLOWED, f"{self._greeting} The tool {name!r} is not open to calls here.")

    def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
        return outcome


@asynccontextmanager
async def open_hello(config: HelloConfig, context: Context) -> AsyncIterator[Filter]:
    context.logger.info("open to calls: %s", ", ".join(config.allow) or "nothing")
    yield Hello(config.allow, config.greeting)


@hookimpl
def only1mcp_register_filter() -> list[Offer[Filter]]:
    return [offer("hello", HelloConfig, open_hello)]
