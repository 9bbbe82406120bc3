"""What the words of one era become in the other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.gateway.servers import META, FakeConnection, FakeServer, Json, RpcError
from tests.kernel.gateway.world import until, world

ECHO: Json = {"name": "echo"}


async def test_execution_is_no_word_of_the_modern_era(tmp_path: Path) -> None:
    tool = {"name": "echo", "execution": {"taskSupport": "optional"}}
    async with world(tmp_path, one=FakeServer("legacy", tools=[tool])) as it:
        assert (await it.http().modern_result("tools/list"))["tools"] == [ECHO]
        legacy = it.http()
        await legacy.initialize()
        assert (await legacy.legacy_result("tools/list"))["tools"] == [tool]


async def test_a_url_to_visit_is_a_question_in_the_modern_era(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    visited = False

    def call(connection: FakeConnection, params: Json) -> Any:
        if visited:
            assert "inputResponses" not in params
            return {"content": []}
        visit = {"mode": "url", "elicitationId": "e", "url": "https://x", "message": "go", "k": [1]}
        raise RpcError(-32042, "visit", {"elicitations": [visit]})

    server.methods["tools/call"] = call
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities={"elicitation": {"url": {}}})
        asked = await client.modern_result("tools/call", {"name": "echo"})
        ((key, question),) = asked["inputRequests"].items()
        assert question == {
            "method": "elicitation/create",
            "params": {"mode": "url", "url": "https://x", "message": "go", "k": [1]},
        }
        visited = True
        retry = {"name": "echo", "inputResponses": {key: {"action": "accept"}}}
        assert "content" in await client.modern_result("tools/call", retry)
        legacy = it.http(capabilities={"elicitation": {"url": {}}})
        await legacy.initialize()
        visited = False
        last = await legacy.legacy("tools/call", {"name": "echo"}).done()
        assert last["error"]["code"] == -32042
        for action in ("decline", "cancel"):
            retry = {"name": "echo", "inputResponses": {key: {"action": action}}}
            refused = await client.modern_result("tools/call", retry)
            assert refused["isError"] is True
            assert refused["resultType"] == "complete"
        bare = it.http(capabilities={"elicitation": {}})
        answer = bare.modern("tools/call", {"name": "echo"})
        error = (await answer.done())["error"]
        assert (error["code"], answer.status) == (-32021, 400)
        assert error["data"] == {"requiredCapabilities": {"elicitation": {"url": {}}}}


async def test_a_modern_client_never_sees_a_code_of_the_legacy_era(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    def call(connection: FakeConnection, params: Json) -> Any:
        raise RpcError(-32042, "visit", {"elicitations": "none"})

    server.methods["tools/call"] = call
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities={"elicitation": {"url": {}}})
        assert (await client.modern("tools/call", {"name": "echo"}).done())["error"]["code"] == -32603


async def test_a_state_that_a_legacy_server_cannot_have_given_runs_nothing(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        answer = it.http().modern("tools/call", {"name": "echo", "requestState": "made up"})
        assert (await answer.done())["error"]["code"] == -32602
        assert answer.status == 400
        assert not server.calls("tools/call")


async def test_only_the_session_that_was_asked_hears_that_a_visit_is_complete(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    visit = {"mode": "url", "elicitationId": "e1", "url": "https://x", "message": "go"}

    async def call(connection: FakeConnection, params: Json) -> Any:
        if params.get("arguments") == {"required": True}:
            raise RpcError(-32042, "visit", {"elicitations": [{**visit, "elicitationId": "e2"}]})
        await connection.ask("elicitation/create", visit)
        return {"content": []}

    server.methods["tools/call"] = call
    async with world(tmp_path, one=server) as it:
        asked, other = (it.http(capabilities={"elicitation": {"url": {}}}) for _ in range(2))
        streams = []
        for client in (asked, other):
            await client.initialize()
            streams.append(client.stream()[0])
        await other.legacy("tools/list").done()
        answer = asked.legacy("tools/call", {"name": "echo"})
        question = await answer.until_sent("elicitation/create")
        assert question["params"] == visit
        asked.answer(question, {"action": "accept"})
        await answer.done()
        await asked.legacy("tools/call", {"name": "echo", "arguments": {"required": True}}).done()
        for id in ("e1", "e2", "e1", "unknown"):
            server.tell_all("notifications/elicitation/complete", {"elicitationId": id})
        await streams[0].until_sent("notifications/elicitation/complete", 2)
        complete = [
            [each["params"]["elicitationId"] for each in stream.sent if each["method"].endswith("/complete")]
            for stream in streams
        ]
        assert complete == [["e1", "e2"], []]


async def test_a_url_to_visit_has_an_id_for_legacy_clients(tmp_path: Path) -> None:
    server = FakeServer("modern", tools=[ECHO])

    def call(connection: FakeConnection, params: Json) -> Any:
        if "inputResponses" in params:
            return {"content": [], "heard": params["inputResponses"]}
        asked = {"method": "elicitation/create", "params": {"mode": "url", "url": "https://x", "k": 1}}
        return {"resultType": "input_required", "inputRequests": {"a": asked, "b": asked}}

    server.methods["tools/call"] = call
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities={"elicitation": {"url": {}}})
        await client.initialize()
        answer = client.legacy("tools/call", {"name": "echo"})
        await answer.until_sent("elicitation/create", 2)
        first, second = (each for each in answer.sent if each["method"] == "elicitation/create")
        ids = {each["params"].pop("elicitationId") for each in (first, second)}
        assert len(ids) == 2
        assert first["params"] == {"mode": "url", "url": "https://x", "k": 1}
        for question in (first, second):
            client.answer(question, {"action": "accept"})
        assert (await answer.done())["result"]["heard"] == {
            "a": {"action": "accept"},
            "b": {"action": "accept"},
        }


async def test_a_server_that_comes_back_is_asked_again_what_it_speaks(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[{"name": "t"}])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        await it.http().modern_result("tools/call", {"name": "t"})
        assert {each.era for each in server.open_connections()} == {"legacy"}
        server.eras = ("legacy", "modern")  # it was updated
        for connection in server.open_connections():
            connection.die()
        await until(lambda: server.open_connections("modern"), 5)
        await it.http().modern_result("tools/call", {"name": "t"})
        assert {each.era for each in server.open_connections()} == {"modern"}


async def test_what_is_no_object_in_the_modern_era_is_one_in_the_other(tmp_path: Path) -> None:
    tools: list[Json] = [
        {"name": "listing", "outputSchema": {"type": "array"}, "x": 1},
        {"name": "either", "outputSchema": True},
        {"name": "plain", "outputSchema": {"type": "object", "properties": {}}},
    ]
    server = FakeServer("modern", tools=tools)
    given = {"listing": [1, 2.50], "either": None, "plain": {"a": 1}}

    def call(connection: FakeConnection, params: Json) -> Json:
        return {"content": [], "structuredContent": given[params["name"]]}

    server.methods["tools/call"] = call
    async with world(tmp_path, one=server) as it:
        legacy, modern = it.http(), it.http()
        await legacy.initialize()
        assert (await modern.modern_result("tools/list"))["tools"] == tools
        listed = (await legacy.legacy_result("tools/list"))["tools"]
        assert listed == [{"name": "listing", "x": 1}, {"name": "either"}, tools[2]]
        for name, value in given.items():
            expected = value if name == "plain" else {"result": value}
            result = await legacy.legacy_result("tools/call", {"name": name})
            assert result == {"content": [], "structuredContent": expected}
            assert (await modern.modern_result("tools/call", {"name": name}))["structuredContent"] == value


async def test_a_legacy_server_is_told_what_a_modern_request_wants_to_hear(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    server.capabilities = {**server.capabilities, "logging": {}}
    levels: list[str] = []

    def set_level(connection: FakeConnection, params: Json) -> Json:
        levels.append(params["level"])
        return {}

    async def call(connection: FakeConnection, params: Json) -> Json:
        for level in ("debug", "warning"):
            connection.tell("notifications/message", {"level": level, "data": levels[-1]})
        await asyncio.sleep(0.02)
        return {"content": []}

    server.methods.update({"logging/setLevel": set_level, "tools/call": call})
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()

        async def heard(level: str) -> list[str]:
            answer = client.modern("tools/call", {"name": "echo"}, meta={META + "logLevel": level})
            await answer.done()
            return [each["params"]["level"] for each in answer.sent]

        assert await heard("warning") == ["warning"]
        assert await heard("debug") == ["debug", "warning"]
        assert await heard("error") == []
        assert levels == ["warning", "debug"]


@pytest.mark.parametrize(
    ("said", "told"),
    [(-32002, -32602), (-32020, -32603), (-32022, -32603), (-32099, -32603), (-32019, -32019), (7, 7)],
)
async def test_codes_of_the_modern_era_are_its_own(tmp_path: Path, said: int, told: int) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    def fail(connection: FakeConnection, params: Json) -> Json:
        raise RpcError(said, "no", {"a": 1})

    server.methods["tools/call"] = fail
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        answer = it.http().modern("tools/call", {"name": "echo"})
        assert (await answer.done())["error"] == {"code": told, "message": "no", "data": {"a": 1}}
        assert answer.status == 200
        client = it.http()
        await client.initialize()
        error = (await client.legacy("tools/call", {"name": "echo"}).done())["error"]
        assert error == {"code": said, "message": "no", "data": {"a": 1}}


async def test_a_url_that_is_asked_for_has_an_id_in_the_legacy_era_alone(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    visit = {"mode": "url", "url": "http://x/", "elicitationId": "e", "message": "?"}

    async def call(connection: FakeConnection, params: Json) -> Json:
        return {"content": [], **(await connection.ask("elicitation/create", visit))["result"]}

    server.methods["tools/call"] = call
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http(capabilities={"elicitation": {"url": {}}})
        asked = await client.modern_result("tools/call", {"name": "echo"})
        (question,) = asked["inputRequests"].values()
        assert question["params"] == {"mode": "url", "url": "http://x/", "message": "?"}
        await client.initialize()
        answer = client.legacy("tools/call", {"name": "echo"})
        assert (await answer.until_sent("elicitation/create"))["params"] == visit


@pytest.mark.parametrize(
    ("data", "code", "status"),
    [({"requiredCapabilities": {"sampling": {}}}, -32021, 400), ({"a": 1}, -32603, 200), (None, -32603, 200)],
)
async def test_a_capability_that_a_legacy_server_misses_is_named(
    tmp_path: Path, data: Json | None, code: int, status: int
) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    def fail(connection: FakeConnection, params: Json) -> Json:
        raise RpcError(-32021, "no", data)

    server.methods["tools/call"] = fail
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        answer = it.http().modern("tools/call", {"name": "echo"})
        error = (await answer.done())["error"]
        assert (error["code"], error.get("data"), answer.status) == (code, data, status)
