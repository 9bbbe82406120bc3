"""What this distribution offers. Each middleware is a file of its own, imported when a configuration names it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import Field

from only1mcp_sdk import Context, Middleware, Offer, PluginConfig, hookimpl, offer


class WaitingLineConfig(PluginConfig):
    """Have calls wait for one another: only so many calls of a server are under way at a time.

    For servers that do badly when much is asked of them at once. Lists and everything else wait in no line.
    """

    places: int = Field(1, ge=1, description="How many calls of one server may be under way at a time.")
    patience: float = Field(60.0, gt=0, description="Seconds a call waits in line before it is refused.")


@asynccontextmanager
async def open_waiting_line(config: WaitingLineConfig, context: Context) -> AsyncIterator[Middleware]:
    from only1mcp_resilience.waiting_line import WaitingLine

    yield WaitingLine(config.places, config.patience)


@hookimpl
def only1mcp_register_middleware() -> list[Offer[Middleware]]:
    return [offer("waiting_line", WaitingLineConfig, open_waiting_line)]
