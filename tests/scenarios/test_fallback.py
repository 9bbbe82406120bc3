"""Servers of HTTP+SSE that are configured by their URL alone: the gateway finds out what they speak."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.gateway import Gateway
from tests.scenarios.raw import Era, opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.rawservers import RawServer
from tests.scenarios.test_websocket import accepts, running, text
from tests.scenarios.tools import MADE, why_missing

PROGRAM = str(Path(__file__).parent / "servers" / "sse_sdk.py")


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("generation", ["mcp1", "mcp2"])
async def test_a_url_alone(generation: str, era: Era, folder: Path) -> None:
    if reason := why_missing(generation):
        pytest.skip(reason)
    with running(str(MADE / generation / "bin" / "python"), PROGRAM) as port:
        config = {"servers": {"old": {"url": f"http://127.0.0.1:{port}/sse"}}}
        with Gateway(folder, config) as gateway:
            gateway.start()
            async with opened(HttpPeer(gateway.url, era, {"elicitation/create": accepts})) as peer:
                assert len(await peer.settled("tools", 2)) == 2
                assert text(await peer.call("add", {"a": 2, "b": 40})) == "42"
                if (generation, era) != ("mcp2", "modern"):  # there it asks in another way
                    assert text(await peer.call("ask", progressToken="p")) == "hello Ada"


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
