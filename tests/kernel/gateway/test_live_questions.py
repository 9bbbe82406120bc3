"""Questions of a legacy server that works on while its client thinks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from only1mcp_kernel.gateway.clients import rounds
from only1mcp_kernel.gateway.servers import parking
from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import SDK_CAPS, World, started, until, world

FORM = {"message": "?", "requestedSchema": {}}


def working(work: Any) -> FakeServer:
    """A legacy server whose tool does this."""
    server = FakeServer("legacy", tools=[{"name": "t"}])

    async def call(connection: FakeConnection, params: Json) -> Json:
        return {"content": [{"type": "text", "text": json.dumps(await work(connection))}]}

    server.methods["tools/call"] = call
    return server


async def a_form_and_then_roots(connection: FakeConnection) -> Any:
    form = connection.ask("elicitation/create", FORM)
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        roots = (await connection.ask("roots/list"))["result"]
    return [roots, (await form)["result"]]


def told(last: Json) -> Any:
    return json.loads(last["result"]["content"][0]["text"])


async def test_a_client_that_thinks_is_asked_more(tmp_path: Path) -> None:
    server = working(a_form_and_then_roots)
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        answer = client.legacy("tools/call", {"name": "t"})
        form = await answer.until_sent("elicitation/create")
        client.answer(await answer.until_sent("roots/list"), {"roots": []})
        # The server hears this answer while the other is still open.
        await until(lambda: [each for each in server.received if each.get("result") == {"roots": []}])
        assert [each["method"] for each in answer.sent] == ["elicitation/create", "roots/list"]
        client.answer(form, {"action": "accept"})
        assert told(await answer.done()) == [{"roots": []}, {"action": "accept"}]


async def test_questions_and_answers_that_pass_each_other(tmp_path: Path) -> None:
    async def work(connection: FakeConnection) -> Any:
        heard = []
        for _ in range(3):
            heard.append(connection.ask("elicitation/create", FORM))
            await asyncio.sleep(0.03)
        return [(await each)["result"]["content"]["n"] for each in heard]

    async with world(tmp_path, one=working(work)) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        answer = client.legacy("tools/call", {"name": "t"})
        for count in (1, 2, 3):
            question = await answer.until_sent("elicitation/create", count)
            await asyncio.sleep(0.02)
            client.answer(question, {"action": "accept", "content": {"n": count}})
        assert told(await answer.done()) == [1, 2, 3]
        assert len(answer.sent) == 3


async def test_a_legacy_server_asks_as_often_as_it_wants(tmp_path: Path) -> None:
    async def work(connection: FakeConnection) -> Any:
        return [(await connection.ask("elicitation/create", FORM))["result"]["n"] for _ in range(15)]

    async with world(tmp_path, one=working(work)) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        answer = client.legacy("tools/call", {"name": "t"})
        for count in range(1, 16):
            client.answer(await answer.until_sent("elicitation/create", count), {"n": count})
        assert told(await answer.done()) == list(range(1, 16))


async def test_a_modern_client_is_asked_together_what_is_asked_almost_at_once(tmp_path: Path) -> None:
    async def work(connection: FakeConnection) -> Any:
        form = connection.ask("elicitation/create", FORM)
        await asyncio.sleep(0.002)
        return [(await each)["result"] for each in (form, connection.ask("roots/list"))]

    async with world(tmp_path, one=working(work)) as it:
        asked = await it.http(capabilities=SDK_CAPS).modern_result("tools/call", {"name": "t"})
        assert len(asked["inputRequests"]) == 2


async def test_nothing_waits_at_the_end_for_clients_that_cannot_come_back(tmp_path: Path) -> None:
    made = World(tmp_path, {"one": (server := working(a_form_and_then_roots))})
    made.options = {"drain": 5}
    async with started(made) as it:
        await it.http(capabilities=SDK_CAPS).modern_result("tools/call", {"name": "t"})
        before = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - before < 1
    assert server.calls("notifications/cancelled")


async def test_a_flood_of_questions_is_declined(tmp_path: Path) -> None:
    async def work(connection: FakeConnection) -> Any:
        heard = [connection.ask("elicitation/create", FORM) for _ in range(100)]
        done, _ = await asyncio.wait(heard, timeout=0.3)
        return [each.result()["result"]["action"] for each in done]

    async with world(tmp_path, one=working(work)) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        answer = client.legacy("tools/call", {"name": "t"})
        assert told(await answer.done()) == ["cancel"] * 36
        assert len([each for each in answer.sent if each["method"] == "elicitation/create"]) == 64


async def test_a_server_is_told_that_its_client_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "ANSWER_SECONDS", rounds.ANSWER_SECONDS / 3000)
    monkeypatch.setattr(parking, "PARK_SECONDS", parking.PARK_SECONDS / 3000)

    async def work(connection: FakeConnection) -> Any:
        return (await connection.ask("sampling/createMessage", {"messages": []}))["error"]["message"]

    async with world(tmp_path, one=working(work)) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        answer = client.legacy("tools/call", {"name": "t"})
        assert told(await answer.done()) == "The client did not answer in time"
        await answer.until_sent("notifications/cancelled")
