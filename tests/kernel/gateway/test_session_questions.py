"""Questions that belong to no call: they are with a session, until answered, withdrawn, or too late."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from only1mcp_kernel.gateway.servers import questions
from tests.kernel.gateway.servers import FakeServer, Json, RpcError
from tests.kernel.gateway.world import SDK_CAPS, HttpClient, Recorder, World, until, world

ASK = {"message": "?", "requestedSchema": {}}


async def a_session(it: World) -> tuple[HttpClient, Recorder]:
    client = it.http(capabilities=SDK_CAPS)
    await client.initialize()
    stream, _ = client.stream()
    await client.legacy_result("tools/call", {"name": "t"})
    return client, stream


async def test_a_question_the_server_withdraws_is_cancelled_at_the_client(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[{"name": "t"}])
    async with world(tmp_path, one=server) as it:
        client, stream = await a_session(it)
        connection = server.connections[-1]
        connection.ask("elicitation/create", ASK)
        question = await stream.until_sent("elicitation/create")
        connection.tell("notifications/cancelled", {"requestId": "q1"})
        cancelled = await stream.until_sent("notifications/cancelled")
        assert cancelled["params"]["requestId"] == question["id"]
        client.answer(question, {"action": "decline"})
        await asyncio.sleep(0.05)
        assert not any("result" in each for each in server.received)


async def test_a_question_is_withdrawn_when_its_server_is_gone(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[{"name": "t"}])
    async with world(tmp_path, one=server) as it:
        _, stream = await a_session(it)
        server.connections[-1].ask("elicitation/create", ASK)
        question = await stream.until_sent("elicitation/create")
        server.connections[-1].die()
        cancelled = await stream.until_sent("notifications/cancelled")
        assert cancelled["params"]["requestId"] == question["id"]


async def test_a_question_nobody_answers_is_answered_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ANSWER_SECONDS", 0.05)
    server = FakeServer("legacy", tools=[{"name": "t"}])
    async with world(tmp_path, one=server) as it:
        _, stream = await a_session(it)
        told = server.connections[-1].ask("sampling/createMessage", {"messages": []})
        question = await stream.until_sent("sampling/createMessage")
        cancelled = await stream.until_sent("notifications/cancelled")
        assert cancelled["params"]["requestId"] == question["id"]
        assert "error" in await asyncio.wait_for(told, 2)


async def test_a_modern_server_may_not_ask_what_the_client_cannot_answer(tmp_path: Path) -> None:
    server = FakeServer("modern", tools=[{"name": "t"}])
    server.methods["tools/call"] = lambda connection, params: {
        "resultType": "input_required",
        "inputRequests": {"a": {"method": "elicitation/create", "params": {"mode": "url", "url": "x:y"}}},
    }
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities={"elicitation": {}})
        answer = client.modern("tools/call", {"name": "t"})
        error = (await answer.done())["error"]
        assert error["code"] == -32021
        assert error["data"] == {"requiredCapabilities": {"elicitation": {"url": {}}}}
        assert answer.status == 400


async def test_cancelling_a_request_cancels_its_question_on_its_own_stream(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[{"name": "t"}])

    async def ask() -> None:
        await server.open_connections()[-1].ask("elicitation/create", ASK)
        raise RpcError(-1, "never")

    server.methods["tools/call"] = lambda connection, params: ask()
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        elsewhere, _ = client.stream()
        answer = client.legacy("tools/call", {"name": "t"}, id=5)
        question = await answer.until_sent("elicitation/create")
        client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}})
        cancelled = await answer.until_sent("notifications/cancelled")
        assert cancelled["params"]["requestId"] == question["id"]
        await answer.done()
        assert answer.last is None
        assert not [each for each in elsewhere.sent if each["method"] == "notifications/cancelled"]
        await until(lambda: server.connections[-1].cancelled)


@pytest.mark.parametrize("about", ["this", "task"])
@pytest.mark.parametrize("within", [True, False])
async def test_a_server_hears_how_far_the_client_is(tmp_path: Path, within: bool, about: str) -> None:
    server = FakeServer("legacy", tools=[{"name": "t"}])
    asked = {**ASK, about: {}, "_meta": {"progressToken": "mine", "k": 1}}

    async def ask() -> Json:
        await server.open_connections()[-1].ask("elicitation/create", asked)
        return {"content": []}

    if within:
        server.methods["tools/call"] = lambda connection, params: ask()
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        stream, _ = client.stream()
        answer = client.legacy("tools/call", {"name": "t"})
        if not within:
            await answer.done()
            server.open_connections()[-1].ask("elicitation/create", asked)
        question = await (answer if within else stream).until_sent("elicitation/create")
        meta = question["params"]["_meta"]
        assert meta["k"] == 1
        assert meta["progressToken"] != "mine"
        progress = {"progressToken": meta["progressToken"], "progress": 0.5, "x": [1]}
        client.post({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})
        await until(lambda: server.calls("notifications/progress"))
        (heard,) = server.calls("notifications/progress")
        assert heard["params"] == {"progressToken": "mine", "progress": 0.5, "x": [1]}
        client.answer(question, {"action": "decline"})
        client.post({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})
        await asyncio.sleep(0.05)
        assert len(server.calls("notifications/progress")) == 1


async def test_withdrawn_questions_about_roots_leave_nothing_behind(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[{"name": "t"}])
    async with world(tmp_path, one=server) as it:
        _, stream = await a_session(it)
        for number in (1, 2, 3):
            server.connections[-1].ask("roots/list")
            await stream.until_sent("roots/list", number)
            server.connections[-1].tell("notifications/cancelled", {"requestId": f"q{number}"})
            await stream.until_sent("notifications/cancelled", number)
        links = it.gateway._generation.servers["one"].links  # type: ignore[union-attr]
        assert links
        assert not any(link._roots_questions for link in links)


async def test_a_server_that_ignores_a_cancellation_does_not_reach_its_client(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[{"name": "t"}, {"name": "slow"}])
    go_on = asyncio.Event()

    async def ask() -> Json:
        await go_on.wait()
        return {"content": [], **await server.connections[-1].ask("elicitation/create", ASK)}

    async with world(tmp_path, one=server) as it:
        client, stream = await a_session(it)
        server.methods["tools/call"] = lambda connection, params: ask()
        client.legacy("tools/call", {"name": "slow"}, id=7)
        await until(lambda: len(server.calls("tools/call")) == 2)
        client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})
        go_on.set()
        await until(lambda: [each for each in server.received if each.get("result") == {"action": "cancel"}])
        assert not [each for each in stream.sent if each["method"] == "elicitation/create"]


async def test_a_session_has_only_so_many_questions_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "MAX_ASKED", 3)
    server = FakeServer("legacy", tools=[{"name": "t"}])
    async with world(tmp_path, one=server) as it:
        client, stream = await a_session(it)
        asked = [server.connections[-1].ask("elicitation/create", ASK) for _ in range(5)]
        for declined in asked[3:]:
            assert (await asyncio.wait_for(declined, 1))["result"] == {"action": "cancel"}
        question = await stream.until_sent("elicitation/create", 3)
        client.answer(question, {"action": "decline"})
        assert (await asyncio.wait_for(asked[2], 1))["result"] == {"action": "decline"}
        server.connections[-1].ask("elicitation/create", ASK)
        await stream.until_sent("elicitation/create", 4)
