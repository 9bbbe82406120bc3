"""What surrounds exchanges and may wait for something."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from only1mcp_sdk import Exchange, Failure, Middleware, Next, Outcome, Place
from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json, RpcError
from tests.kernel.gateway.world import World, started

ECHO = {"name": "echo", "inputSchema": {"type": "object"}}


class Around:
    """Notes what passes, and lets a test decide how long it takes."""

    def __init__(self, log: list[str], name: str, place: Place = "gateway") -> None:
        self.place: Place = place
        self.log = log
        self.name = name
        self.open = asyncio.Event()
        self.open.set()

    async def serve(self, exchange: Exchange, next: Next) -> Outcome:
        if exchange.method != "tools/call":
            return await next(exchange)
        self.log.append(f"{self.name} in")
        try:
            await self.open.wait()
            outcome = await next(exchange)
        except asyncio.CancelledError:
            self.log.append(f"{self.name} cancelled")
            raise
        self.log.append(f"{self.name} out")
        return outcome


def placed(tmp_path: Path, **middleware: Middleware) -> tuple[World, FakeServer]:
    server = FakeServer(tools=[ECHO])
    it = World(tmp_path, {"one": server})
    it.middleware = dict(middleware)
    return it, server


async def test_they_stand_at_their_places_in_their_order_within_filters(tmp_path: Path) -> None:
    log: list[str] = []

    class Noting:
        place = "gateway"

        def before(self, exchange: Exchange) -> Outcome | None:
            log.append("filter in")
            return None

        def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
            log.append("filter out")
            return outcome

    it, _ = placed(
        tmp_path,
        e=Around(log, "endpoint", "endpoint"),
        a=Around(log, "first"),
        s=Around(log, "server", "server"),
        b=Around(log, "second"),
    )
    it.filters["noting"] = Noting()  # type: ignore[assignment]
    async with started(it):
        client = it.http()
        await client.modern_result("tools/list")
        log.clear()
        result = await client.modern_result("tools/call", {"name": "echo", "arguments": {"text": "yes"}})
        assert result["content"][0]["text"].startswith("echo")
    inward = ["filter in", "first in", "second in", "server in", "endpoint in"]
    assert log == [*inward, "endpoint out", "server out", "second out", "first out", "filter out"]


async def test_it_may_answer_itself_or_ask_again(tmp_path: Path) -> None:
    class Stubborn:
        place: Place = "server"

        async def serve(self, exchange: Exchange, next: Next) -> Outcome:
            if exchange.arguments.get("text") == "no":
                return Failure.of(-32001, "refused")
            while isinstance(outcome := await next(exchange), Failure):
                exchange.endpoint = ""
            return outcome

    it, server = placed(tmp_path, stubborn=Stubborn())
    tries = 0

    def failing(connection: FakeConnection, params: Json) -> Json:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise RpcError(-32000, "not yet")
        return {"content": [], "tries": tries}

    server.methods["tools/call"] = failing
    async with started(it):
        client = it.http()
        refused = await client.modern("tools/call", {"name": "echo", "arguments": {"text": "no"}}).done()
        assert refused["error"] == {"code": -32001, "message": "refused"}
        assert (await client.modern_result("tools/call", {"name": "echo"}))["tries"] == 3
        assert it.gateway.status()["servers"]["one"]["calls"]["in_flight"] == 0


async def test_a_fault_of_one_ends_its_exchange_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        place: Place = "gateway"

        async def serve(self, exchange: Exchange, next: Next) -> Outcome:
            await next(exchange)
            raise RuntimeError("a bug")

    it, _ = placed(tmp_path, broken=Broken())
    async with started(it):
        client = it.http()
        for _ in range(2):
            broken = await client.modern("tools/call", {"name": "echo"}).done()
            assert broken["error"] == {"code": -32603, "message": "Internal error in middlewares.broken"}
    assert "a bug" in caplog.text


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_who_gives_up_while_it_waits_is_let_go(tmp_path: Path, era: str) -> None:
    log: list[str] = []
    around = Around(log, "it", "server")
    it, server = placed(tmp_path, around=around)
    async with started(it):
        around.open.clear()
        await given_up(it, era)
        assert log == ["it in", "it cancelled"]
        assert not server.calls("tools/call")
        around.open.set()
        assert await it.http().modern_result("tools/call", {"name": "echo"})


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_who_gives_up_while_the_server_works_is_let_go_there(tmp_path: Path, era: str) -> None:
    log: list[str] = []
    it, server = placed(tmp_path, around=Around(log, "it", "server"))

    async def never(connection: FakeConnection, params: Json) -> Json:
        await asyncio.Event().wait()
        return {}

    server.methods["tools/call"] = never
    async with started(it):
        await given_up(it, era)
        assert log == ["it in", "it out"]
        assert it.gateway.status()["servers"]["one"]["calls"]["in_flight"] == 0


async def given_up(it: World, era: str) -> None:
    """A client asks for a call, and leaves before it is answered."""
    client = it.http()
    if era == "modern":
        _, posting = client.modern_posting("tools/call", {"name": "echo"})
        await asyncio.sleep(0.02)
        posting.disconnected()
    else:
        await client.initialize()
        asked = client.legacy("tools/call", {"name": "echo"}, id=77)
        await asyncio.sleep(0.02)
        client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}})
        await asked.done()
    await asyncio.sleep(0.05)


async def test_a_large_result_is_seen_whole_unless_it_says_otherwise(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Reading:
        place: Place = "server"

        async def serve(self, exchange: Exchange, next: Next) -> Outcome:
            outcome = await next(exchange)
            seen.append(exchange.whole)
            return outcome

    class Blind(Reading):
        reads_results = False

    for middleware in (Reading(), Blind()):
        it, _ = placed(tmp_path, one=middleware)
        async with started(it):
            assert isinstance(await it.http().modern_result("tools/call", {"name": "echo"}), dict)
    assert seen == [True, False]
