"""Rounds of questions that a modern server puts to a legacy client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from only1mcp_kernel.gateway.clients import rounds
from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import SDK_CAPS, HttpClient, Recorder, until, world

FORM = {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {}}}
SAMPLE = {"method": "sampling/createMessage", "params": {"messages": []}}


def asking(**questions: Json) -> FakeServer:
    """A modern server whose tool asks all of these at once, and then gives back what it heard."""
    server = FakeServer("modern", tools=[{"name": "t"}])

    def call(connection: FakeConnection, params: Json) -> Any:
        if "inputResponses" in params:
            return {"content": [{"type": "text", "text": json.dumps(params["inputResponses"])}]}
        return {"resultType": "input_required", "inputRequests": questions, "requestState": "s"}

    server.methods["tools/call"] = call
    return server


async def called(client: HttpClient) -> Recorder:
    await client.initialize()
    return client.legacy("tools/call", {"name": "t"})


def heard(last: Json) -> Any:
    return json.loads(last["result"]["content"][0]["text"])


async def test_an_error_to_an_elicitation_is_a_cancel(tmp_path: Path) -> None:
    async with world(tmp_path, one=asking(a=FORM, b=SAMPLE)) as it:
        client = it.http(capabilities=SDK_CAPS)
        answer = await called(client)
        form = await answer.until_sent("elicitation/create")
        sample = await answer.until_sent("sampling/createMessage")
        client.answer(form, error={"code": -1, "message": "no"})
        client.answer(sample, {"role": "assistant"})
        assert heard(await answer.done()) == {"a": {"action": "cancel"}, "b": {"role": "assistant"}}


async def test_an_error_to_anything_else_ends_the_request_at_once(tmp_path: Path) -> None:
    server = asking(a=FORM, b=SAMPLE)
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        answer = await called(client)
        form = await answer.until_sent("elicitation/create")
        error = {"code": -1, "message": "no", "data": [1]}
        client.answer(await answer.until_sent("sampling/createMessage"), error=error)
        assert (await answer.done())["error"] == error
        cancelled = await answer.until_sent("notifications/cancelled")
        assert cancelled["params"]["requestId"] == form["id"]
        client.answer(form, {"action": "accept"})
        assert len(server.calls("tools/call")) == 1


async def test_silence_is_a_cancel_of_an_elicitation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "ANSWER_SECONDS", 0.05)
    async with world(tmp_path, one=asking(a=FORM)) as it:
        answer = await called(it.http(capabilities=SDK_CAPS))
        assert heard(await answer.done()) == {"a": {"action": "cancel"}}
        await answer.until_sent("notifications/cancelled")


async def test_silence_to_anything_else_ends_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "ANSWER_SECONDS", 0.05)
    server = asking(a=SAMPLE, b=FORM)
    async with world(tmp_path, one=server) as it:
        answer = await called(it.http(capabilities=SDK_CAPS))
        assert "in time" in (await answer.done())["error"]["message"]
        assert len(server.calls("tools/call")) == 1


async def test_a_server_that_never_stops_asking(tmp_path: Path) -> None:
    server = FakeServer("modern", tools=[{"name": "t"}])
    server.methods["tools/call"] = lambda connection, params: {
        "resultType": "input_required",
        "inputRequests": {"a": FORM},
    }
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        answer = await called(client)
        for count in range(1, 11):
            client.answer(await answer.until_sent("elicitation/create", count), {"action": "accept"})
        assert "10 times" in (await answer.done())["error"]["message"]
        assert len(server.calls("tools/call")) == 11


async def test_progress_does_not_begin_anew(tmp_path: Path) -> None:
    server = FakeServer("modern", tools=[{"name": "t"}])

    def call(connection: FakeConnection, params: Json) -> Any:
        again = "inputResponses" in params
        for value in (1, 2.5, 1e2) if again else (1, 1, 2.5):
            told = {"progressToken": params["_meta"]["progressToken"], "progress": value}
            connection.tell("notifications/progress", told)
        return {"content": []} if again else {"resultType": "input_required", "inputRequests": {"a": FORM}}

    server.methods["tools/call"] = call
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        answer = client.legacy("tools/call", {"name": "t", "_meta": {"progressToken": "p"}})
        client.answer(await answer.until_sent("elicitation/create"), {"action": "accept"})
        await answer.done()
        told = [each["params"] for each in answer.sent if each["method"] == "notifications/progress"]
        assert [each["progress"] for each in told] == [1, 1, 2.5, 100]


async def test_a_server_asks_for_so_much_at_once(tmp_path: Path) -> None:
    async with world(tmp_path, one=asking(**{f"q{number}": FORM for number in range(65)})) as it:
        answer = await called(it.http(capabilities=SDK_CAPS))
        assert "asks for more than 64 things" in (await answer.done())["error"]["message"]
        assert not answer.sent


async def test_a_result_of_an_unknown_type_is_none(tmp_path: Path) -> None:
    server = FakeServer("modern", tools=[{"name": "t"}])
    server.methods["tools/call"] = lambda connection, params: {"resultType": "later", "content": []}
    async with world(tmp_path, one=server) as it:
        answer = await called(it.http(capabilities=SDK_CAPS))
        assert (await answer.done())["error"]["code"] == -32603
        assert (await it.http().modern_result("tools/call", {"name": "t"}))["resultType"] == "later"


async def test_a_round_goes_on_with_the_configuration_in_force(tmp_path: Path) -> None:
    async with world(tmp_path, one=asking(a=FORM)) as it:
        client = it.http(capabilities=SDK_CAPS)
        answer = await called(client)
        form = await answer.until_sent("elicitation/create")
        old = it.gateway._generation.servers["one"]  # type: ignore[union-attr]
        it.fingerprints["one"] = "2"
        await it.reload()
        await it.gateway.settled(2)
        await until(lambda: not old.links)
        client.answer(form, {"action": "accept"})
        assert heard(await answer.done()) == {"a": {"action": "accept"}}
