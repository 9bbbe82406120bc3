"""What this distribution offers. Each strategy is a file of its own, imported when a configuration names it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from only1mcp_sdk import Balancer, Context, Offer, PluginConfig, hookimpl, offer


class RoundRobinConfig(PluginConfig):
    """Each replica in turn, as often as its weight says."""


@asynccontextmanager
async def open_round_robin(config: RoundRobinConfig, context: Context) -> AsyncIterator[Balancer]:
    from only1mcp_balancing.round_robin import RoundRobin

    yield RoundRobin()


@hookimpl
def only1mcp_register_balancer() -> list[Offer[Balancer]]:
    return [offer("round_robin", RoundRobinConfig, open_round_robin)]
