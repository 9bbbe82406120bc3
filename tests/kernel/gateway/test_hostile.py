"""What servers should never say, and some do: it costs themselves at most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import SDK_CAPS, World, started, world

ECHO: Json = {"name": "echo"}
DIGITS = b"1" * 5000


def raw_answers(server: FakeServer, method: str, answer: Callable[[Any], bytes]) -> None:
    """The server answers `method` with these very bytes."""

    def later(connection: FakeConnection, params: Json) -> Any:
        id = server.calls(method)[-1]["id"]
        connection.inbox.received(answer(id), None)

        async def never() -> Json:
            await asyncio.sleep(60)
            return {}

        return never()

    server.methods[method] = later


async def test_a_number_of_any_length_is_read(tmp_path: Path) -> None:
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"a": ' + DIGITS + b"}}"
    async with world(tmp_path) as it:
        answer, _ = it.http().post(body)
        assert (await answer.done())["error"]["code"] == -32600


@pytest.mark.parametrize(
    "params",
    [
        b'{"progressToken":' + DIGITS + b"}",
        b'{"_meta":["io.modelcontextprotocol/subscriptionId"]}',
        b'{"_meta":{"io.modelcontextprotocol/subscriptionId":' + DIGITS + b"}}",
        b'{"_meta":{"io.modelcontextprotocol/subscriptionId":{}}}',
    ],
)
@pytest.mark.parametrize("method", ["notifications/progress", "notifications/tools/list_changed", "x"])
async def test_notifications_that_lead_nowhere(tmp_path: Path, method: str, params: bytes) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        message = b'{"jsonrpc":"2.0","method":"%s","params":%s}' % (method.encode(), params)
        server.open_connections()[0].inbox.received(message, None)  # raises nothing
        assert "content" in await it.http().modern_result("tools/call", {"name": "echo"})


async def test_a_log_message_without_params_is_relayed(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def call(connection: FakeConnection, params: Json) -> Json:
        id = server.calls("tools/call")[-1]["id"]
        connection.inbox.received(b'{"jsonrpc":"2.0","method":"notifications/message"}', id)
        return {"content": []}

    server.methods["tools/call"] = call
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await client.initialize()
        assert "result" in await client.legacy("tools/call", {"name": "echo"}).done()


@pytest.mark.parametrize("server_era", ["legacy", "modern"])
async def test_a_result_that_cannot_cross_eras_is_an_error(tmp_path: Path, server_era: str) -> None:
    server = FakeServer(server_era, tools=[ECHO])
    raw_answers(server, "tools/call", lambda id: b'{"jsonrpc":"2.0","id":%d,"result":{"a":1,"a":2}}' % id)
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        if server_era == "modern":
            await client.initialize()
            last = await client.legacy("tools/call", {"name": "echo"}).done()
        else:
            last = await client.modern("tools/call", {"name": "echo"}).done()
        assert last["error"]["code"] == -32603


async def test_an_error_with_numbers_out_of_range_crosses_eras(tmp_path: Path) -> None:
    server = FakeServer("modern")
    server.lists["resources"] = [{"uri": "file:///x", "name": "x"}]
    raw_answers(
        server,
        "resources/read",
        lambda id: (
            b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32602,"message":"m","data":{"uri":"a","n":1e999}}}'
            % id
        ),
    )
    it = World(tmp_path, {"one": server})
    it.server_options = {"one": {"call_timeout": 0}}
    async with started(it):
        await it.gateway.settled(2)
        client = it.http()
        await client.initialize()
        assert "error" in await client.legacy("resources/read", {"uri": "file:///x"}).done()


async def test_an_invalid_answer_ends_its_call(tmp_path: Path) -> None:
    server = FakeServer("modern", tools=[ECHO])
    raw_answers(server, "tools/call", lambda id: b'{"jsonrpc":"2.0","id":%d,"result":{},"error":null}' % id)
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        async with asyncio.timeout(1):
            assert "error" in await it.http().modern("tools/call", {"name": "echo"}).done()


async def test_a_ttl_of_any_length_costs_nobody_the_list(tmp_path: Path) -> None:
    server = FakeServer("modern", tools=[ECHO])
    raw_answers(
        server,
        "tools/list",
        lambda id: b'{"jsonrpc":"2.0","id":%d,"result":{"tools":[],"ttlMs":%s}}' % (id, DIGITS),
    )
    async with world(tmp_path, one=server, good=FakeServer(tools=[ECHO])) as it:
        await it.gateway.settled(2)
        assert (await it.http().modern_result("tools/list"))["tools"] == [ECHO]


async def test_bad_entries_cost_only_themselves(tmp_path: Path) -> None:
    server = FakeServer("modern")
    server.methods["tools/list"] = lambda connection, params: {
        "tools": [7, {"x": 1}, {"name": 5}, ECHO, None]
    }
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        assert ECHO in (await it.http().modern_result("tools/list"))["tools"]


async def test_a_server_that_ignores_cursors_is_listed_once(tmp_path: Path) -> None:
    server = FakeServer("modern")
    server.methods["tools/list"] = lambda connection, params: {"tools": [ECHO], "nextCursor": "1"}
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        assert (await it.http().modern_result("tools/list"))["tools"] == [ECHO]
        assert len(server.calls("tools/list")) == 2


async def test_questions_whose_ids_look_alike_are_two(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def ask(connection: FakeConnection, params: Json) -> Json:
        ids: list[Any] = ["1", 1]
        for id in ids:
            connection.asked[id] = asyncio.get_running_loop().create_future()
            connection.deliver({"jsonrpc": "2.0", "id": id, "method": "roots/list"})
        return {"content": [(await connection.asked[id])["result"] for id in ids]}

    server.methods["tools/call"] = ask
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        asked = await client.modern_result("tools/call", {"name": "echo"})
        answers = {key: {"roots": [key]} for key in asked["inputRequests"]}
        retry = {"name": "echo", "inputResponses": answers, "requestState": asked["requestState"]}
        result = await client.modern_result("tools/call", retry)
        assert result["content"] == list(answers.values())
        assert len(answers) == 2


@pytest.mark.parametrize("result", [b"null", b"[]", b'{"supportedVersions":7}'])
async def test_any_other_answer_to_discover_means_legacy(tmp_path: Path, result: bytes) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    raw_answers(server, "server/discover", lambda id: b'{"jsonrpc":"2.0","id":%d,"result":%s}' % (id, result))
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        assert it.gateway.status()["servers"]["one"]["eras"] == ["legacy"]
