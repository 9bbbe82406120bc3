"""Requests with turns: cancelled early, asked in between, logged about."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from only1mcp_sdk import Arrival, Exchange, Outcome
from tests.kernel.gateway.servers import META, FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import SDK_CAPS, World, started, until, world

ECHO: Json = {"name": "echo"}


class Pipe:
    def __init__(self) -> None:
        self.sent: list[Json] = []

    def send(self, message: bytes) -> None:
        self.sent.append(json.loads(message))


async def test_a_call_cancelled_at_once_ends(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        pipe = Pipe()
        conversation = it.gateway.gate.connect(Arrival("stdio", local=True), pipe)
        meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": SDK_CAPS}

        def send(message: Json) -> None:
            conversation.received(json.dumps({"jsonrpc": "2.0", **message}).encode())

        send({"id": 1, "method": "tools/call", "params": {"name": "echo", "_meta": meta}})
        send({"method": "notifications/cancelled", "params": {"requestId": 1}})
        await asyncio.sleep(0.1)
        assert not conversation.busy


@pytest.mark.parametrize("pause", [0, 0.05])
async def test_a_list_cancelled_while_it_waits_ends(tmp_path: Path, pause: float) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    server.silent = True
    it = World(tmp_path, {"one": server})
    it.options["startup_wait"] = 1.0
    async with started(it):
        pipe = Pipe()
        conversation = it.gateway.gate.connect(Arrival("stdio", local=True), pipe)
        meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": SDK_CAPS}

        def send(message: Json) -> None:
            conversation.received(json.dumps({"jsonrpc": "2.0", **message}).encode())

        send({"id": 1, "method": "tools/list", "params": {"_meta": meta}})
        if pause:
            await asyncio.sleep(pause)
        send({"method": "notifications/cancelled", "params": {"requestId": 1}})
        await asyncio.sleep(0.1)
        assert not conversation.busy


async def test_a_filter_of_attempts_that_looks_at_arguments_costs_no_retry(tmp_path: Path) -> None:
    class Looks:
        place = "endpoint"

        def before(self, exchange: Exchange) -> Outcome | None:
            assert exchange.method != "tools/call" or exchange.arguments is not None
            return None

        def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
            return outcome

    server = FakeServer("legacy", tools=[ECHO])

    async def ask(connection: FakeConnection, params: Json) -> Json:
        await connection.ask("elicitation/create", {"message": "name?"})
        return {"content": []}

    server.methods["tools/call"] = ask
    it = World(tmp_path, {"one": server})
    it.filters["looks"] = Looks()  # type: ignore[assignment]
    async with started(it):
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        pending = client.legacy("tools/call", {"name": "echo", "arguments": {"a": 1}})
        question = await pending.until_sent("elicitation/create")
        client.answer(question, {"action": "decline"})
        assert "result" in await pending.done()


async def test_initialize_in_a_batch_stays_here(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        await client.initialize("2025-03-26")
        before = len(server.calls("initialize"))
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
        answer, _ = client.post([{"jsonrpc": "2.0", "id": 5, "method": "initialize", "params": params}])
        assert (await answer.done())[0]["error"]["code"] == -32600
        assert len(server.calls("initialize")) == before


async def test_meta_stays_as_it_is_within_an_era(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await client.initialize()
        task = {"io.modelcontextprotocol/related-task": {"taskId": "t"}, "x": 1}
        await client.legacy_result("tools/call", {"name": "echo", "_meta": task})
        assert server.calls("tools/call")[0]["params"]["_meta"] == task


async def test_a_session_that_ends_leaves_no_question_open(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        await client.legacy_result("tools/call", {"name": "echo"})
        stream, _ = client.stream()
        answered = server.open_connections()[-1].ask("roots/list")
        await stream.until_sent("roots/list")
        (session,) = it.gateway._sessions
        it.gateway._sessions.end(session)
        async with asyncio.timeout(1):
            assert "error" in await answered


async def test_logs_of_one_principal_are_not_told_to_another(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def never(connection: FakeConnection, params: Json) -> Json:
        await asyncio.sleep(60)
        return {}

    server.methods["tools/call"] = never
    it = World(tmp_path, {"one": server})
    it.authenticated = True
    it.server_options = {"one": {"isolation": "shared"}}
    async with started(it):
        await it.gateway.settled(2)
        alice, bob = it.http(token="alice"), it.http(token="bob")
        hers = alice.modern("tools/call", {"name": "echo"}, meta={META + "logLevel": "debug"})
        bob.modern("tools/call", {"name": "echo"})
        await until(lambda: len(server.calls("tools/call")) == 2)
        server.tell_all("notifications/message", {"level": "info", "data": "bob's"})
        await asyncio.sleep(0.05)
        assert hers.sent == []


async def test_a_modern_request_hears_of_its_own_level_from_a_legacy_server(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def logs(connection: FakeConnection, params: Json) -> Json:
        connection.tell("notifications/message", {"level": "info", "data": 1})
        connection.tell("notifications/message", {"level": "error", "data": 2})
        return {"content": []}

    server.methods["tools/call"] = logs
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        pending = it.http().modern("tools/call", {"name": "echo"}, meta={META + "logLevel": "error"})
        await pending.done()
        assert [each["params"]["data"] for each in pending.sent] == [2]


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("withdraws", [False, True])
async def test_a_server_that_goes_on_unanswered_keeps_no_client_waiting(
    tmp_path: Path, withdraws: bool, later: bool
) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def ask(connection: FakeConnection, params: Json) -> Json:
        connection.ask("elicitation/create", {"message": "name?"})
        await asyncio.sleep(0.1)
        if later:
            connection.ask("elicitation/create", {"message": "and age?"})
        if withdraws:
            connection.tell("notifications/cancelled", {"requestId": "q1"})
            connection.tell("notifications/cancelled", {"requestId": "q2"})
        return {"content": []}

    server.methods["tools/call"] = ask
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        pending = client.legacy("tools/call", {"name": "echo"})
        question = await pending.until_sent("elicitation/create")
        async with asyncio.timeout(1):
            assert "result" in await pending.done()
        cancelled = [each["params"] for each in pending.sent if each["method"] == "notifications/cancelled"]
        assert cancelled[0] == {"requestId": question["id"]}


async def test_what_a_legacy_server_tells_its_clients_is_relayed(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        await client.legacy_result("tools/call", {"name": "echo"})
        stream, _ = client.stream()
        told = {"anything": "e"}
        server.open_connections()[-1].tell("notifications/vendor/changed", told)
        assert (await stream.until_sent("notifications/vendor/changed"))["params"] == told


async def test_initialize_of_a_profile_that_is_gone(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        pipe = Pipe()
        conversation = it.gateway.gate.connect(Arrival("stdio", "gone", local=True), pipe)
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        conversation.received(json.dumps(message).encode())
        assert "error" in pipe.sent[0]
        assert it.gateway.status()["sessions"] == 0


async def test_a_session_that_ends_takes_its_log_level_with_it(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    server.capabilities["logging"] = {}
    async with world(tmp_path, one=server) as it:
        loud, quiet = it.http(), it.http()
        for client, level in ((loud, "debug"), (quiet, "error")):
            await client.initialize()
            await client.legacy_result("tools/call", {"name": "echo"})
            await client.legacy_result("logging/setLevel", {"level": level})
        first = next(iter(it.gateway._sessions))
        it.gateway._sessions.end(first)
        await until(lambda: len(server.calls("logging/setLevel")) == 2)


async def test_a_call_cancelled_while_its_link_opens_is_not_sent(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        pending = client.legacy("tools/call", {"name": "echo"}, id=5)
        client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}})
        assert await pending.done() is None
        await asyncio.sleep(0.1)
        assert server.calls("tools/call") == []
        assert (await client.legacy("tools/call", {"name": "echo"}, id=5).done())["id"] == 5
        endpoint = it.gateway._generation.servers["one"].endpoints[0]  # type: ignore[union-attr]
        assert endpoint.in_flight == 0


async def test_parked_calls_end_once_however_they_end(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def ask(connection: FakeConnection, params: Json) -> Json:
        connection.ask("elicitation/create", {"message": "name?"})
        await asyncio.sleep(60)
        return {}

    server.methods["tools/call"] = ask
    it_ = World(tmp_path, {"one": server})
    it_.server_options = {"one": {"call_timeout": 0.3}}
    async with started(it_) as it:
        await it.gateway.settled(2)
        endpoint = it.gateway._generation.servers["one"].endpoints[0]  # type: ignore[union-attr]
        client = it.http(capabilities=SDK_CAPS)
        asked = await client.modern_result("tools/call", {"name": "echo"})
        assert endpoint.in_flight == 1
        key = next(iter(asked["inputRequests"]))
        retry = {
            "name": "echo",
            "inputResponses": {key: {"action": "cancel"}},
            "requestState": asked["requestState"],
        }
        wrong = (
            await it.http(capabilities=SDK_CAPS).modern("tools/call", {**retry, "arguments": {"a": 1}}).done()
        )
        assert wrong["error"]["code"] == -32602
        nothing = await client.modern_result("tools/call", {**retry, "inputResponses": {"x": {}}})
        assert nothing["resultType"] == "input_required"
        retry["requestState"] = nothing["requestState"]
        last = await client.modern("tools/call", retry).done()
        assert "did not answer" in last["error"]["message"]
        assert endpoint.in_flight == 0
        asked = await client.modern_result("tools/call", {"name": "echo"})
        for each in server.open_connections():
            each.die()
        retry["requestState"] = asked["requestState"]
        last = await client.modern("tools/call", retry).done()
        assert "exited" in last["error"]["message"]
        assert endpoint.in_flight == 0
        assert it.gateway._parking._calls == {}
