"""What filters look at, and what goes on of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from only1mcp_sdk import Era, Exchange, Outcome, Place
from tests.kernel.gateway.servers import FakeServer, Json
from tests.kernel.gateway.world import World, started

TOOLS: list[Json] = [{"name": "a", "inputSchema": {}}, {"name": "b", "inputSchema": {}}]


class Doing:
    """Does something with each exchange before it is routed."""

    place: Place = "gateway"

    def __init__(self, do: Callable[[Exchange], object]) -> None:
        self._do = do

    def before(self, exchange: Exchange) -> None:
        self._do(exchange)

    def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
        return outcome


async def called(tmp_path: Path, era: Era, meta: Json, do: Callable[[Exchange], object]) -> Json:
    """The params of a call as its server has them."""
    server = FakeServer(era, tools=TOOLS)
    it = World(tmp_path, {"one": server})
    it.filters["do"] = Doing(do)
    async with started(it):
        await it.gateway.settled(2)
        client = it.http()
        if era == "legacy":
            await client.initialize()
            await client.legacy_result("tools/call", {"name": "a", "arguments": {}, "_meta": meta})
        else:
            await client.modern_result("tools/call", {"name": "a", "arguments": {}}, meta=meta)
    params: Json = server.calls("tools/call")[-1]["params"]
    return params


def add(exchange: Exchange) -> None:
    exchange.meta["x/y"] = b"1"


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_meta_goes_on_as_it_came_or_as_it_was_left(tmp_path: Path, era: Era) -> None:
    trace = {"traceparent": "00-1", "a/b": [1, {"c": 2}]}
    unread = await called(tmp_path / "unread", era, trace, lambda exchange: None)
    looked = await called(tmp_path / "looked", era, trace, lambda exchange: exchange.meta)
    changed = await called(tmp_path / "changed", era, trace, add)
    assert unread["_meta"].items() >= trace.items()
    assert looked["_meta"] == unread["_meta"]
    assert changed["_meta"] == {**unread["_meta"], "x/y": 1}


async def test_what_is_called_is_what_the_exchange_names(tmp_path: Path) -> None:
    def rename(exchange: Exchange) -> None:
        exchange.name = "b"

    def deceive(exchange: Exchange) -> None:
        exchange.params = {**(exchange.params or {}), "name": b'"b"'}

    assert (await called(tmp_path / "1", "legacy", {}, rename))["name"] == "b"
    assert (await called(tmp_path / "2", "legacy", {}, deceive))["name"] == "a"
