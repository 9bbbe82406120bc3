"""What a gateway says about itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from only1mcp_sdk import Entry
from tests.kernel.gateway.servers import FakeServer
from tests.kernel.gateway.world import World, started

ECHO = {"name": "echo", "inputSchema": {"type": "object"}}


class Hide:
    """A transform that leaves nothing, or breaks."""

    broken = False

    def apply(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        if self.broken:
            raise RuntimeError("a bug")
        return []


async def test_it_counts_what_clients_are_shown(tmp_path: Path) -> None:
    hide = Hide()
    it = World(tmp_path, {"a": FakeServer(tools=[ECHO]), "b": FakeServer(tools=[ECHO])})
    it.transforms = {"hide": hide}
    it.server_options = {"b": {"transforms": ["hide"]}}
    async with started(it):
        await it.gateway.settled(2)
        status = it.gateway.status()
        assert status["shown"] == {"tools": 1, "prompts": 0, "resources": 0, "resourceTemplates": 0}
        assert [server["tools"] for server in status["servers"].values()] == [1, 1]


async def test_a_broken_transform_does_not_hide_the_status(tmp_path: Path) -> None:
    hide = Hide()
    hide.broken = True
    it = World(tmp_path, {"a": FakeServer(tools=[ECHO])})
    it.transforms = {"hide": hide}
    it.server_options = {"a": {"transforms": ["hide"]}}
    async with started(it):
        await it.gateway.settled(2)
        status = it.gateway.status()
        assert status["shown"] == {}
        assert status["servers"]["a"]["state"] == "up"
