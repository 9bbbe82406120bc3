"""`Mcp-Param-*` on both faces: computed toward servers, checked from clients."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from only1mcp_sdk import Exchange, Outcome, Place
from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json, RpcError
from tests.kernel.gateway.world import World, started, world


def tool(name: str, header: Any = "Region", type: str = "string") -> Json:
    properties = {"region": {"type": type, "x-mcp-header": header}, "q": {"type": "string"}}
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


def over_http(*tools: Json) -> FakeServer:
    server = FakeServer("modern", tools=list(tools))
    server.duplex = False
    return server


def sent(server: FakeServer) -> dict[str, str]:
    """The header fields of the last call."""
    calls = [headers for headers in server.headers if headers.get("Mcp-Method") == "tools/call"]
    return {name: value for name, value in calls[-1].items() if name.lower().startswith("mcp-param-")}


async def test_fields_are_computed_for_clients_of_either_era(tmp_path: Path) -> None:
    server = over_http(tool("t"))
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        call = {"name": "t", "arguments": {"region": "é", "q": "x"}}
        legacy = it.http()
        await legacy.initialize()
        await legacy.legacy_result("tools/call", call)
        assert sent(server) == {"Mcp-Param-Region": "=?base64?w6k=?="}


async def test_fields_follow_what_filters_made_of_the_arguments(tmp_path: Path) -> None:
    class Move:
        place: Place = "server"

        def before(self, exchange: Exchange) -> None:
            exchange.arguments = {"region": "elsewhere"}

        def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
            return outcome

    server = over_http(tool("t"))
    it = World(tmp_path, {"one": server})
    it.filters["move"] = Move()
    async with started(it):
        await it.gateway.settled(2)
        client = it.http()
        answer = post(client, {"region": "here"}, mcp_param_region="here")
        assert "result" in await answer.done()
        assert sent(server) == {"Mcp-Param-Region": "elsewhere"}


def post(client: Any, arguments: Json, **headers: str) -> Any:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "t", "arguments": arguments, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    standard = {"mcp_protocol_version": "2026-07-28", "mcp_method": "tools/call", "mcp_name": "t"}
    return client.post(message, **standard, **headers)[0]


@pytest.mark.parametrize("eras", [("modern",), ("legacy",)])
async def test_fields_of_clients_must_agree(tmp_path: Path, eras: tuple[str, ...]) -> None:
    server = FakeServer(*eras, tools=[tool("t")])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        for arguments, headers in (
            ({"region": "a"}, {}),
            ({"region": "a"}, {"mcp_param_region": "b"}),
            ({}, {"mcp_param_region": "b"}),
        ):
            answer = post(client, arguments, **headers)
            assert (await answer.done())["error"]["code"] == -32020
            assert answer.status == 400
        assert not server.calls("tools/call")
        assert "result" in await post(client, {"region": "a"}, mcp_param_region="a").done()
        assert "result" in await post(client, {"q": "x"}).done()


async def test_a_pipe_has_no_header_fields_to_check(tmp_path: Path) -> None:
    server = FakeServer("modern", tools=[tool("t", header="not a name")])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        assert [each["name"] for each in (await it.http().modern_result("tools/list"))["tools"]] == ["t"]
        assert "result" in await post(it.http(), {"region": "a"}).done()


async def test_tools_with_bad_annotations_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = over_http(tool("t"), tool("odd", type="number"))
    with caplog.at_level(logging.WARNING):
        async with world(tmp_path, one=server, two=FakeServer("modern")) as it:
            await it.gateway.settled(2)
            client = it.http()
            assert [each["name"] for each in (await client.modern_result("tools/list"))["tools"]] == ["t"]
            answer = await client.modern("tools/call", {"name": "odd"}).done()
            assert answer["error"]["code"] == -32602
            server.tell_all("notifications/tools/list_changed")
            await client.modern_result("tools/list")
    complaints = [each.getMessage() for each in caplog.records if "odd" in each.getMessage()]
    assert len(complaints) == 1
    assert "string, integer or boolean" in complaints[0]


async def test_a_server_that_refuses_the_fields_is_listed_again(tmp_path: Path) -> None:
    server = over_http(tool("t"))

    def call(connection: FakeConnection, params: Json) -> Json:
        if "Mcp-Param-Place" not in sent(server):
            raise RpcError(-32020, "Header mismatch: Mcp-Param-Place is missing")
        return {"content": []}

    server.methods["tools/call"] = call
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        await client.initialize()
        server.lists["tools"] = [tool("t", header="Place")]  # and it says nothing of it
        await client.legacy_result("tools/call", {"name": "t", "arguments": {"region": "a"}})
        assert sent(server) == {"Mcp-Param-Place": "a"}
        first, second = server.calls("tools/call")
        assert first["id"] != second["id"]


async def test_a_server_that_refuses_them_again_is_at_fault_itself(tmp_path: Path) -> None:
    server = over_http(tool("t"))

    def refuse(connection: FakeConnection, params: Json) -> Json:
        raise RpcError(-32020, "Header mismatch")

    server.methods["tools/call"] = refuse
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        answer = post(it.http(), {"region": "a"}, mcp_param_region="a")
        error = (await answer.done())["error"]
        assert error["code"] == -32603
        assert "header fields" in error["message"]
        assert len(server.calls("tools/call")) == 2


async def test_what_nobody_knows_is_passed_on(tmp_path: Path) -> None:
    server = over_http(tool("t"))
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        await post(it.http(), {"region": "a"}, mcp_param_region="a", mcp_param_tenant="7").done()
        assert sent(server) == {"mcp-param-tenant": "7", "Mcp-Param-Region": "a"}


async def test_fields_are_known_before_the_server_is_listed_anew(tmp_path: Path) -> None:
    async with world(tmp_path, one=over_http(tool("t"))) as it:
        await it.gateway.settled(2)
    slow = over_http(tool("t"))

    def never(connection: FakeConnection, params: Json) -> Json:
        raise RpcError(-32603, "not yet")

    slow.methods["tools/list"] = never
    async with world(tmp_path, one=slow) as it:
        await post(it.http(), {"region": "a"}, mcp_param_region="a").done()
        assert sent(slow) == {"Mcp-Param-Region": "a"}


async def test_a_tool_that_is_left_out_cannot_be_called(tmp_path: Path) -> None:
    server = FakeServer("legacy", "modern", tools=[tool("t"), tool("odd", type="number")])
    server.duplex = False
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        legacy, modern = it.http(), it.http()
        await legacy.initialize()
        assert len((await legacy.legacy_result("tools/list"))["tools"]) == 2
        assert len((await modern.modern_result("tools/list"))["tools"]) == 1
        await legacy.legacy_result("tools/call", {"name": "odd"})
        answer = await modern.modern("tools/call", {"name": "odd"}).done()
        assert answer["error"]["code"] == -32602
