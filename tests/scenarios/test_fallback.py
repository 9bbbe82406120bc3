"""Servers of HTTP+SSE that are configured by their URL alone: the gateway finds out what they speak."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.gateway import Gateway
from tests.scenarios.raw import Era, opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.rawservers import RawServer


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_gateway_behind_a_gateway(era: Era, folder: Path) -> None:
    """The one behind says at /sse, as the specification has it, that it does not take Streamable HTTP there."""
    behind = Gateway(folder / "behind", {"servers": {"one": RawServer("bothways", "stdio", "both").entry()}})
    config = {"servers": {"old": {"url": behind.url.replace("/mcp", "/sse")}}}
    with behind, Gateway(folder / "before", config) as before:
        behind.start()
        before.start()
        async with opened(HttpPeer(behind.url, era)) as peer:
            direct = await peer.settled("tools", 14)
        async with opened(HttpPeer(before.url, era)) as peer:
            assert sorted(await peer.settled("tools", len(direct))) == sorted(direct)
