"""Finding a server's tool in the gateway's list, whatever way of naming the gateway has."""

from __future__ import annotations

import msgspec

from tests.scenarios.raw import Peer


def choices(server: str, name: str) -> list[str]:
    """What a gateway may call a server's tool or prompt, the most specific first."""
    return [f"{server}{joint}{name}" for joint in ("__", "_", "-")] + [name]


class Tools:
    """The tools of a gateway, once all are there."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    @classmethod
    async def of(cls, peer: Peer, count: int) -> Tools:
        tools = await cls.at_least(peer, count)
        assert len(tools.names) == count, f"{len(tools.names)} tools, not {count}: {sorted(tools.names)}"
        return tools

    @classmethod
    async def at_least(cls, peer: Peer, count: int) -> Tools:
        return cls({msgspec.json.decode(entry)["name"] for entry in await peer.settled("tools", count)})

    def named(self, server: str, tool: str) -> str:
        found = next((choice for choice in choices(server, tool) if choice in self.names), None)
        assert found is not None, f"{server}'s {tool} is not among {sorted(self.names)}"
        return found
