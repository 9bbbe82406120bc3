"""Links and their owners: nothing dead is used, nothing is left open."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from only1mcp_kernel.gateway.servers import endpoint
from only1mcp_kernel.gateway.servers.sharing import anchor_caller
from only1mcp_sdk import ConnectFailed, Connection, Exchange, Inbox, Outcome
from tests.kernel.gateway.servers import FakeConnection, FakeConnector, FakeServer, Json
from tests.kernel.gateway.world import SDK_CAPS, World, started, until, world

ECHO: Json = {"name": "echo"}


async def test_a_connector_that_raises_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    broken = True
    real = FakeConnector.connect

    async def connect(self: FakeConnector, inbox: Inbox) -> Connection:
        if broken:
            raise RuntimeError("a bug")
        return await real(self, inbox)

    monkeypatch.setattr(FakeConnector, "connect", connect)
    async with world(tmp_path, one=server) as it:
        assert await it.gateway.settled(1)
        broken = False
        await until(lambda: it.gateway.status()["servers"]["one"]["state"] == "up")
        broken = True
        async with asyncio.timeout(1):
            last = await it.http(capabilities=SDK_CAPS).modern("tools/call", {"name": "echo"}).done()
        assert last["error"]["code"] == -32603


async def test_a_server_that_dies_right_after_its_greeting(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    deaths = 0

    def greet(connection: FakeConnection, params: Json) -> Json:
        nonlocal deaths
        if deaths < 1:
            deaths += 1
            asyncio.get_running_loop().call_soon(lambda: None)
            result = {"protocolVersion": "2025-11-25", "capabilities": server.capabilities, "serverInfo": {}}
            connection.deliver(
                {"jsonrpc": "2.0", "id": server.calls("initialize")[-1]["id"], "result": result}
            )
            connection.die()
            return {}
        connection.era = "legacy"
        return {"protocolVersion": "2025-11-25", "capabilities": server.capabilities, "serverInfo": {}}

    server.methods["initialize"] = greet
    async with world(tmp_path, one=server) as it:
        await asyncio.sleep(1.5)
        assert len(server.connections) >= 2
        result = await it.http().modern_result("tools/call", {"name": "echo"})
        assert "content" in result


async def test_closing_while_a_link_waits_for_roots(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    it = World(tmp_path, {"one": server})
    async with started(it):
        await it.gateway.settled(2)
        it.gateway._generation.servers["one"].endpoints[0].wants_roots = True  # type: ignore[union-attr]
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        client.legacy("tools/call", {"name": "echo"})
        await until(lambda: len(server.connections) == 2)
        await asyncio.sleep(0.1)
    assert server.open_connections() == []


async def test_dying_while_a_link_waits_for_roots(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    it = World(tmp_path, {"one": server})
    async with started(it):
        await it.gateway.settled(2)
        it.gateway._generation.servers["one"].endpoints[0].wants_roots = True  # type: ignore[union-attr]
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        first = client.legacy("tools/call", {"name": "echo"})
        await until(lambda: len(server.connections) == 2)
        await asyncio.sleep(0.1)
        server.connections[1].die()
        await first.done()
        second = client.legacy("tools/call", {"name": "echo"})
        await until(lambda: len(server.connections) == 3)
        assert "result" in await second.done()


async def test_a_link_opened_while_all_are_dropped_is_closed_in_the_end(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        endpoint = it.gateway._generation.servers["one"].endpoints[0]  # type: ignore[union-attr]
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        anchor = server.open_connections()[0]
        slow = asyncio.Event()
        close = anchor.close

        async def closing() -> None:
            await slow.wait()
            await close()

        anchor.close = closing  # type: ignore[method-assign]
        dropping = asyncio.ensure_future(endpoint._drop_all())
        await asyncio.sleep(0.02)
        await client.legacy_result("tools/call", {"name": "echo"})
        slow.set()
        await dropping
        await asyncio.sleep(0.05)
        await client.legacy_result("tools/call", {"name": "echo"})
    assert server.open_connections() == []


async def test_a_closed_server_opens_nothing(tmp_path: Path) -> None:

    one, two = FakeServer("legacy", tools=[ECHO]), FakeServer()
    async with world(tmp_path, one=one, two=two) as it:
        await it.gateway.settled(2)
        old = it.gateway._generation.servers["one"]  # type: ignore[union-attr]
        del it.servers["one"]
        await it.reload()
        await until(lambda: not one.open_connections())
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectFailed):
            await old.endpoints[0].lease(anchor_caller("legacy"))
        assert one.open_connections() == []


async def test_a_link_of_one_session_ends_with_it(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    it = World(tmp_path, {"one": server})
    it.server_options = {"one": {"isolation": "session"}}
    async with started(it):
        client = it.http()
        await client.initialize()
        await client.legacy_result("tools/call", {"name": "echo"})
        assert len(server.open_connections()) == 2
        (session,) = it.gateway._sessions
        it.gateway._sessions.end(session)
        await until(lambda: len(server.open_connections()) == 1)


async def test_no_task_stays_behind_a_dead_modern_link(tmp_path: Path) -> None:
    server = FakeServer("modern", tools=[ECHO])
    server.capabilities = {"tools": {}}
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        await asyncio.sleep(0.1)
        tasks = it.gateway._generation.servers["one"]._tasks._tasks  # type: ignore[union-attr]
        before = len(tasks)
        server.open_connections()[0].die()
        await until(lambda: len(server.open_connections()) == 1)
        await asyncio.sleep(0.2)
        assert len(tasks) == before


async def test_stopping_while_reloading_leaves_nothing(tmp_path: Path) -> None:
    one, two = FakeServer(tools=[ECHO]), FakeServer()
    async with world(tmp_path, one=one) as it:
        await it.gateway.settled(2)
        it.servers["two"] = [two]
        slow = asyncio.Event()

        class Slow:
            place = "gateway"

            def before(self, exchange: Exchange) -> Outcome | None:
                return None

            def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
                return outcome

        offers = it.gateway._around.workshop
        real = offers.open

        def open(component: Any) -> Any:
            @asynccontextmanager
            async def opening() -> Any:
                if component.kind == "filter":
                    await slow.wait()
                async with real(component) as opened:
                    yield opened

            return opening()

        offers.open = open  # type: ignore[method-assign]
        it.filters["slow"] = Slow()  # type: ignore[assignment]
        reloading = asyncio.ensure_future(it.reload())
        await asyncio.sleep(0.05)
        stopping = asyncio.ensure_future(it.gateway.stop())
        await asyncio.sleep(0.05)
        slow.set()
        await asyncio.gather(reloading, stopping, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert one.open_connections() == []
        assert two.open_connections() == []
        assert it.gateway._generation is None


async def test_a_state_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "catalogues").write_text("in the way")
    server = FakeServer("modern", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        assert (await it.http().modern_result("tools/list"))["tools"] == [ECHO]
        await until(lambda: server.calls("subscriptions/listen"))


async def test_a_session_that_ends_while_its_link_opens(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    it = World(tmp_path, {"one": server})
    it.server_options = {"one": {"isolation": "session"}}
    async with started(it):
        await it.gateway.settled(2)
        slow = asyncio.Event()

        async def greet(connection: FakeConnection, params: Json) -> Json:
            await slow.wait()
            connection.era = "legacy"
            return {"protocolVersion": "2025-11-25", "capabilities": server.capabilities, "serverInfo": {}}

        server.methods["initialize"] = greet
        before = len(server.open_connections())
        client = it.http()
        await client.initialize()
        client.legacy("tools/call", {"name": "echo"})
        await until(lambda: len(server.open_connections()) > before)
        (session,) = it.gateway._sessions
        it.gateway._sessions.end(session)
        await asyncio.sleep(0.05)
        slow.set()
        await asyncio.sleep(0.1)
        assert len(server.open_connections()) == before


async def test_a_link_never_becomes_that_of_a_session_that_is_gone(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        first, second = it.http(capabilities={"roots": {}}), it.http(capabilities={"roots": {}})
        for client in (first, second):
            await client.initialize()
            await client.legacy_result("tools/call", {"name": "echo"})
        connection = server.connections[-1]
        (gone, _) = it.gateway._sessions
        it.gateway._sessions.end(gone)
        await asyncio.sleep(0.05)
        stream, _ = second.stream()
        answered = connection.ask("roots/list")
        second.answer(await stream.until_sent("roots/list"), {"roots": []})
        assert (await answered)["result"] == {"roots": []}
        await second.legacy_result("tools/call", {"name": "echo"})
        assert connection.open
        assert server.connections[-1] is connection


async def test_links_that_are_being_opened_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "MAX_LINKS", 4)
    server = FakeServer("legacy", tools=[ECHO])
    it = World(tmp_path, {"one": server})
    it.server_options["one"] = {"isolation": "session"}
    async with started(it):
        await it.gateway.settled(2)
        clients = [it.http() for _ in range(10)]
        for client in clients:
            await client.initialize()
        calls = [client.legacy("tools/call", {"name": "echo"}) for client in clients]
        answered = [await call.done() for call in calls]
        assert len(server.connections) == 4  # the anchor is one
        assert sum("result" in each for each in answered) == 3
