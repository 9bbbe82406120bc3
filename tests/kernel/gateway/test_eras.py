"""What the words of one era become in the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json, RpcError
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
