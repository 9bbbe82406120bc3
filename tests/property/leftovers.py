"""What is still there when all is over, and should not be."""

from __future__ import annotations

from collections.abc import Iterable

from only1mcp_kernel.gateway.servers.call import Call
from tests.kernel.gateway.world import World
from tests.property.gossip import Gossip, GossipConnection


def left_behind(world: World) -> list[str]:
    """What the gateway still holds of requests that are over."""
    gateway = world.gateway
    left = [f"parked: {ticket}" for ticket in gateway._parking._calls]
    for name, server in gateway._in_force().servers.items():
        left += [f"{name}: {each.in_flight} in flight" for each in server.endpoints if each.in_flight]
        for link in server.links:
            left += [f"{name} waits: {each}" for each in link.waiting.values() if isinstance(each, Call)]
            left += [f"{name} asked: {id!r}" for id in link.asked]
    return left


def open_connections(servers: Iterable[Gossip]) -> list[str]:
    """The connections that nobody closed."""
    return [
        f"{server.name}: {connection.guests}"
        for server in servers
        for connection in server.connections
        if isinstance(connection, GossipConnection) and connection.open
    ]
