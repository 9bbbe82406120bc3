"""Clients that come with what is not theirs, or do not do what they promised: it costs themselves at most."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from only1mcp_kernel.gateway.servers import parking
from only1mcp_sdk import AccessDenied, Arrival
from tests.kernel.gateway.servers import META, FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import SDK_CAPS, HttpClient, Recorder, World, started, until, world

ECHO: Json = {"name": "echo"}
STALE = "Invalid params: this requestState, cursor or task id is unknown, expired or not yours"


def asking() -> FakeServer:
    """A legacy server that asks for a name and a sample, and says what it was told."""
    server = FakeServer("legacy", tools=[ECHO, {"name": "other"}])

    async def ask(connection: FakeConnection, params: Json) -> Json:
        name = connection.ask("elicitation/create", {"message": "name?"})
        sample = connection.ask("sampling/createMessage", {"messages": []})
        return {"content": [(await each).get("result") for each in (name, sample)]}

    server.methods["tools/call"] = ask
    return server


async def ask(client: HttpClient) -> tuple[Json, Json]:
    """A call that was answered with questions: the questions, and the params of a good retry."""
    params: Json = {"name": "echo", "arguments": {"a": 1}}
    asked = await client.modern_result("tools/call", params)
    answers = {key: {"of": key} for key in asked["inputRequests"]}
    return asked, {**params, "inputResponses": answers, "requestState": asked["requestState"]}


async def must_be_stale(client: HttpClient, params: Json, method: str = "tools/call") -> None:
    answer = client.modern(method, params)
    last = await answer.done()
    assert last["error"] == {"code": -32602, "message": STALE}
    assert answer.status == 400


class Channel:
    """A duplex client's way to hear."""

    def __init__(self) -> None:
        self.sent: list[Json] = []

    def send(self, message: bytes) -> None:
        self.sent.append(json.loads(message))


async def test_headers_of_a_connection_are_not_those_of_its_messages(tmp_path: Path) -> None:
    it = World(tmp_path, {"one": FakeServer(tools=[ECHO])})
    it.authenticated = True
    async with started(it):
        channel = Channel()
        arrival = Arrival("websocket", "default", {"authorization": "Bearer alice", "upgrade": "websocket"})
        client = it.gateway.gate.connect(arrival, channel)
        meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
        request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
        client.received(json.dumps(request).encode())
        await until(lambda: channel.sent)
        assert channel.sent[0]["result"]["tools"] == [ECHO]


async def test_a_conversation_admits_its_own_principal_alone(tmp_path: Path) -> None:
    it = World(tmp_path, {"one": FakeServer()})
    it.authenticated = True
    async with started(it):

        def by(token: str) -> Arrival:
            return Arrival("sse", "default", {"authorization": f"Bearer {token}"} if token else {})

        client = it.gateway.gate.connect(by("alice"), Channel())
        assert client.admits(by("alice"))
        assert not client.admits(by("bob"))
        for stranger in ("wrong", ""):
            with pytest.raises(AccessDenied):
                client.admits(by(stranger))


async def test_a_session_of_a_gateway_that_is_gone(tmp_path: Path) -> None:
    async with world(tmp_path / "before", one=FakeServer(tools=[ECHO])) as before:
        client = before.http()
        await client.initialize()
        await client.legacy_result("ping")
    async with world(tmp_path / "after", one=FakeServer(tools=[ECHO])) as after:
        client.gateway = after.gateway
        posted = client.legacy("ping")
        streamed, _ = client.stream()
        ended = Recorder()
        after.gateway.gate.end(Arrival("http", "default", {**client.headers, **client.session}), ended)
        for each in (posted, streamed, ended):
            assert (await each.done())["error"]["code"] == -32600
            assert each.status == 404
        await client.initialize()
        assert await client.legacy_result("ping") == {}


async def test_a_call_of_a_gateway_that_is_gone_is_not_run_again(tmp_path: Path) -> None:
    server = asking()
    async with world(tmp_path / "before", one=server) as before:
        _, retry = await ask(before.http(capabilities=SDK_CAPS))
    async with world(tmp_path / "after", one=server) as after:
        await must_be_stale(after.http(capabilities=SDK_CAPS), retry)
        assert len(server.calls("tools/call")) == 1


async def test_a_call_of_a_server_that_was_replaced_is_not_run_again(tmp_path: Path) -> None:
    server = asking()
    it = World(tmp_path, {"one": server})
    async with started(it):
        client = it.http(capabilities=SDK_CAPS)
        _, retry = await ask(client)
        it.fingerprints["one"] = "2"
        await it.reload()
        await until(lambda: len(server.open_connections()) == 1)
        last = await client.modern("tools/call", retry).done()
        assert last["error"]["code"] == -32603
        await must_be_stale(client, retry)
        assert len(server.calls("tools/call")) == 1


@pytest.mark.parametrize(
    "how", ["forged", "made up", "ours by its look", "empty", "other name", "other arguments", "none"]
)
async def test_a_state_that_is_not_this_requests(tmp_path: Path, how: str) -> None:
    server = asking()
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        asked, retry = await ask(client)
        state = asked["requestState"]
        changed = {
            "forged": {"requestState": state[:-1] + ("A" if state[-1] != "A" else "B")},
            "made up": {"requestState": "something"},
            "ours by its look": {"requestState": "o1-" + "A" * 80},
            "empty": {"requestState": ""},
            "other name": {"name": "other"},
            "other arguments": {"arguments": {"a": 2}},
            "none": {"arguments": None},
        }[how]
        await must_be_stale(
            client, {key: value for key, value in {**retry, **changed}.items() if value is not None}
        )
        assert len(server.calls("tools/call")) == 1
        result = await client.modern_result("tools/call", retry)  # which is still good
        assert result["content"] == list(retry["inputResponses"].values())
        await must_be_stale(client, retry)  # and now is used
        assert len(server.calls("tools/call")) == 1


async def test_a_state_of_another_principal_or_profile(tmp_path: Path) -> None:
    server = asking()
    it = World(tmp_path, {"one": server})
    it.authenticated = True
    it.profiles["second"] = {}
    async with started(it):
        alice, bob = (it.http(token=token, capabilities=SDK_CAPS) for token in ("alice", "bob"))
        _, retry = await ask(alice)
        await must_be_stale(bob, retry)
        await must_be_stale(it.http(token="alice", profile="second", capabilities=SDK_CAPS), retry)
        assert "content" in await alice.modern_result("tools/call", retry)


async def test_missing_answers_are_asked_for_again_and_others_ignored(tmp_path: Path) -> None:
    async with world(tmp_path, one=asking()) as it:
        client = it.http(capabilities=SDK_CAPS)
        asked, retry = await ask(client)
        first, second = retry["inputResponses"]
        some = {first: retry["inputResponses"][first], "x": {"of": "nobody"}}
        again = await client.modern_result("tools/call", {**retry, "inputResponses": some})
        assert again["inputRequests"] == {second: asked["inputRequests"][second]}
        assert again["requestState"] != asked["requestState"]
        await must_be_stale(client, retry)
        rest = {second: {"of": second}, first: {"of": "a second answer"}}
        final = {**retry, "inputResponses": rest, "requestState": again["requestState"]}
        assert (await client.modern_result("tools/call", final))["content"] == [{"of": first}, {"of": second}]


@pytest.mark.parametrize("answers", [5, "x", [], None, True])
async def test_answers_that_are_no_answers(tmp_path: Path, answers: Any) -> None:
    async with world(tmp_path, one=asking()) as it:
        client = it.http(capabilities=SDK_CAPS)
        _, retry = await ask(client)
        answer = client.modern("tools/call", {**retry, "inputResponses": answers})
        assert (await answer.done())["error"]["code"] == -32602
        assert answer.status == 400
        assert "content" in await client.modern_result("tools/call", retry)


async def test_a_modern_client_that_promised_to_answer_and_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "PARK_SECONDS", 0.1)
    server = asking()
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        _, retry = await ask(client)
        await until(lambda: server.connections[-1].cancelled)
        await must_be_stale(client, retry)
        assert len(server.calls("tools/call")) == 1


async def test_one_principals_parked_calls_take_no_room_of_anothers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "PARKED_PER_PRINCIPAL", 3)
    server = asking()
    it = World(tmp_path, {"one": server})
    it.authenticated = True
    async with started(it):
        alice, bob = (it.http(token=token, capabilities=SDK_CAPS) for token in ("alice", "bob"))
        for _ in range(3):
            await ask(alice)
        last = await alice.modern("tools/call", {"name": "echo"}).done()
        assert "too many calls" in last["error"]["message"]
        _, retry = await ask(bob)
        assert "content" in await bob.modern_result("tools/call", retry)


async def test_a_retry_may_be_written_otherwise_but_must_say_the_same(tmp_path: Path) -> None:
    server = asking()
    server.lists["prompts"] = [{"name": "p"}]
    server.methods["prompts/get"] = server.methods["tools/call"]
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http(capabilities=SDK_CAPS)
        params: Json = {"name": "echo", "arguments": {"a": 1, "b": [1.5, {"c": None}]}}
        asked = await client.modern_result("tools/call", params)
        answers = {key: dict[str, str]() for key in asked["inputRequests"]}
        retry = {"inputResponses": answers, "requestState": asked["requestState"], "name": "echo"}
        other_order = {**retry, "arguments": {"b": [1.5, {"c": None}], "a": 1}}
        assert "content" in await client.modern_result("tools/call", other_order)
        for extra in ({"extra": 1}, {"arguments": {"x": "y"}}):
            asked = await client.modern_result("prompts/get", {"name": "p"})
            answers = {key: dict[str, str]() for key in asked["inputRequests"]}
            retry = {"name": "p", "inputResponses": answers, "requestState": asked["requestState"]}
            await must_be_stale(client, {**retry, **extra}, "prompts/get")
            assert "content" in await client.modern_result("prompts/get", retry)


async def test_a_stale_state_is_a_bad_request_whatever_else_its_server_shares(tmp_path: Path) -> None:
    servers = {name: FakeServer("modern", tools=[{"name": name}]) for name in ("first", "second")}
    for server in servers.values():
        server.lists["resources"] = [{"uri": "file:///both", "name": "both"}]
    async with world(tmp_path, **servers) as it:
        await it.gateway.settled(2)
        for name in servers:
            await must_be_stale(it.http(), {"name": name, "requestState": "o1-" + "A" * 80})


@pytest.mark.parametrize("answer", [None, 5, "x", []])
async def test_an_answer_that_is_no_object_is_an_error_to_the_server(tmp_path: Path, answer: Any) -> None:
    server = FakeServer("legacy", tools=[{"name": "t"}])
    heard: list[Json] = []

    async def call(connection: FakeConnection, params: Json) -> Json:
        heard.append(await connection.ask("elicitation/create", {"message": "?"}))
        return {"content": []}

    server.methods["tools/call"] = call
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http(capabilities=SDK_CAPS)
        asked = await client.modern_result("tools/call", {"name": "t"})
        retry = {
            "requestState": asked["requestState"],
            "inputResponses": dict.fromkeys(asked["inputRequests"], answer),
        }
        await client.modern_result("tools/call", {"name": "t", **retry})
        await client.initialize()
        pending = client.legacy("tools/call", {"name": "t"})
        client.answer(await pending.until_sent("elicitation/create"), answer)
        await pending.done()
        assert [each["error"]["code"] for each in heard] == [-32603, -32603]
