"""What MCP does not define: where such requests and notifications go, and where they don't."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json, RpcError
from tests.kernel.gateway.world import HttpClient, World, started, until, world

VENDOR = ("vendor/do", "skills/list", "skills/deep/get", "resources/directory/read")


def extended(label: str, *eras: str, tools: tuple[str, ...] = (), **capabilities: Any) -> FakeServer:
    """A server that answers methods nobody defines with its name and the params it got."""
    server = FakeServer(*eras, tools=[{"name": each} for each in tools])
    server.capabilities = {**server.capabilities, **capabilities}

    def answer(connection: FakeConnection, params: Json) -> Json:
        return {"by": label, "got": {name: value for name, value in params.items() if name != "_meta"}}

    server.methods.update(dict.fromkeys(VENDOR, answer))
    return server


async def sent(client: HttpClient, era: str, method: str, params: Json | None = None) -> Json:
    answer = client.modern(method, params) if era == "modern" else client.legacy(method, params)
    message: Json = await answer.done()
    if message.get("error", {}).get("code") == -32601 and era == "modern":
        assert answer.status == 404
    return message


def routed(directory: Path, methods: Mapping[str, str], **servers: FakeServer) -> World:
    it = World(directory, servers)
    it.profiles = {"default": {"methods": dict(methods)}}
    return it


async def client_of(it: World, era: str) -> HttpClient:
    await it.gateway.settled(2)
    client = it.http()
    if era == "legacy":
        await client.initialize()
    return client


@pytest.fixture(params=["modern", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_name_leads_to_its_server_in_that_server_s_words(tmp_path: Path, era: str) -> None:
    a, b = extended("a", tools=("same",)), extended("b", tools=("same", "mine"))
    b.lists["prompts"] = [{"name": "ask"}]
    async with world(tmp_path, a=a, b=b) as it:
        client = await client_of(it, era)
        for shown, by, own in (
            ("a_same", "a", "same"),
            ("b_same", "b", "same"),
            ("mine", "b", "mine"),
            ("ask", "b", "ask"),
        ):
            result = (await sent(client, era, "vendor/do", {"z": 2**60, "name": shown, "a": [1]}))["result"]
            assert result["by"] == by
            assert list(result["got"].items()) == [("z", 2**60), ("name", own), ("a", [1])]


async def test_a_uri_leads_to_the_server_that_lists_it_or_a_template_it_fits(
    tmp_path: Path, era: str
) -> None:
    a, b = extended("a"), extended("b")
    a.lists["resources"] = [{"uri": "x:1", "name": "x"}]
    b.lists["resources"] = [{"uri": "x:1", "name": "x"}, {"uri": "x:2", "name": "x"}]
    b.lists["resourceTemplates"] = [{"uriTemplate": "y:{id}", "name": "y"}]
    async with world(tmp_path, a=a, b=b) as it:
        client = await client_of(it, era)
        for shown, by, own in (
            ("x:1", "a", "x:1"), ("x:2", "b", "x:2"), ("only1mcp://b/x%3A1", "b", "x:1"), ("y:7", "b", "y:7")
        ):  # fmt: skip
            result = (await sent(client, era, "resources/directory/read", {"uri": shown}))["result"]
            assert result["by"] == by
            got = {"a": a, "b": b}[by].calls("resources/directory/read")[-1]
            assert got["params"]["uri"] == own
            assert result["got"]["uri"] == shown
        refused = await sent(client, era, "resources/directory/read", {"uri": "z:1"})
        assert refused["error"] == {"code": -32601, "message": "Method not found: resources/directory/read"}


async def test_that_only_one_server_has_resources_is_no_lead(tmp_path: Path) -> None:
    a, b = extended("a"), extended("b")
    a.lists["resources"] = [{"uri": "x:1", "name": "x"}]
    b.capabilities = {"tools": {}}
    async with started(routed(tmp_path, {"skills/*": "b"}, a=a, b=b)) as it:
        client = await client_of(it, "modern")
        assert (await sent(client, "modern", "skills/list", {"uri": "skill://1"}))["result"]["by"] == "b"
        assert (await sent(client, "modern", "skills/list", {"uri": "x:1"}))["result"]["by"] == "a"


async def test_what_names_two_things_leads_nowhere(tmp_path: Path) -> None:
    a, b = extended("a", tools=("both",)), extended("b")
    b.lists["prompts"] = [{"name": "both"}]
    async with world(tmp_path, a=a, b=b) as it:
        assert "error" in await sent(await client_of(it, "modern"), "modern", "vendor/do", {"name": "both"})


async def test_else_the_configuration_says_where(tmp_path: Path, era: str) -> None:
    ways = {"skills/*": "a", "skills/deep/*": "b", "vendor/do": "b"}
    async with started(
        routed(tmp_path, ways, a=extended("a", tools=("t",)), b=extended("b"), c=extended("c"))
    ) as it:
        client = await client_of(it, era)
        assert (await sent(client, era, "skills/list"))["result"]["by"] == "a"
        assert (await sent(client, era, "skills/deep/get", {"x": 1}))["result"] | {"by": "b"} == {
            "by": "b", "got": {"x": 1}, **({"resultType": "complete"} if era == "modern" else {}),
        }  # fmt: skip
        assert (await sent(client, era, "skills/deep/get"))["result"]["by"] == "b"
        assert (await sent(client, era, "vendor/do", {"name": "unknown", "uri": "x:1"}))["result"][
            "by"
        ] == "b"
        assert (await sent(client, era, "vendor/do", {"name": "t"}))["result"]["by"] == "a"
        assert (await sent(client, era, "skills"))["error"]["code"] == -32601
        assert (await sent(client, era, "resources/directory/read"))["error"]["code"] == -32601


async def test_an_exact_method_counts_before_a_prefix(tmp_path: Path) -> None:
    async with started(
        routed(tmp_path, {"skills/*": "a", "skills/list": "b"}, a=extended("a"), b=extended("b"))
    ) as it:
        client = await client_of(it, "modern")
        assert (await sent(client, "modern", "skills/list"))["result"]["by"] == "b"


async def test_else_it_goes_to_the_only_server_with_an_extension_of_methods(tmp_path: Path, era: str) -> None:
    others: Json = {"io.modelcontextprotocol/ui": {}, "io.modelcontextprotocol/tasks": {}}
    a, b = extended("a", extensions=others), extended("b", extensions={"x/skills": {}, **others})
    async with world(tmp_path, a=a, b=b, c=extended("c", experimental={"x": {}})) as it:
        client = await client_of(it, era)
        assert (await sent(client, era, "skills/list"))["result"]["by"] == "b"
    a.capabilities["extensions"] = {"x/other": {}}
    async with world(tmp_path / "two", a=a, b=b) as it:
        client = await client_of(it, era)
        assert (await sent(client, era, "skills/list"))["error"]["code"] == -32601
    assert not a.calls("skills/list")


async def test_the_server_s_own_error_comes_back(tmp_path: Path, era: str) -> None:
    def refuse(connection: FakeConnection, params: Json) -> Json:
        raise RpcError(-32000, "not today", {"why": [1]})

    server = extended("a")
    server.methods["vendor/do"] = refuse
    async with started(routed(tmp_path, {"vendor/*": "a"}, a=server, b=extended("b"))) as it:
        error = (await sent(await client_of(it, era), era, "vendor/do"))["error"]
        assert error == {"code": -32000, "message": "not today", "data": {"why": [1]}}


async def test_methods_of_another_era_are_not_passed_on(tmp_path: Path) -> None:
    async with world(tmp_path, a=extended("a")) as it:
        client = await client_of(it, "legacy")
        assert (await sent(it.http(), "modern", "resources/subscribe", {"uri": "x:1"}))["error"][
            "code"
        ] == -32601
        assert (await sent(client, "legacy", "server/discover"))["error"]["code"] == -32601


async def test_a_request_waits_for_servers_that_start(tmp_path: Path) -> None:
    slow = extended("a", tools=("t",))
    answer = slow.answer

    def later(connection: FakeConnection, method: str, params: Json) -> Any:
        async def wait() -> Json:
            await asyncio.sleep(0.1)
            result: Json = answer(connection, method, params)
            return result

        return wait() if method == "tools/list" else answer(connection, method, params)

    slow.answer = later  # type: ignore[method-assign]
    async with world(tmp_path, a=slow, b=extended("b")) as it:
        assert (await sent(it.http(), "modern", "vendor/do", {"name": "t"}))["result"]["by"] == "a"


# -- notifications


async def test_notifications_go_where_the_configuration_says_over_links_of_the_session(
    tmp_path: Path,
) -> None:
    a, b = extended("a", "legacy", tools=("t",)), extended("b", "legacy", tools=("u",))
    async with started(routed(tmp_path, {"notifications/vendor/*": "a"}, a=a, b=b)) as it:
        client = await client_of(it, "legacy")
        await client.legacy_result("tools/call", {"name": "t"})
        client.post({"jsonrpc": "2.0", "method": "notifications/vendor/x", "params": {"y": 2**60}})
        client.post({"jsonrpc": "2.0", "method": "notifications/other"})
        client.post({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1}})
        await until(lambda: a.calls("notifications/vendor/x"))
        await asyncio.sleep(0.05)
        (message,) = a.calls("notifications/vendor/x")
        assert message == {"jsonrpc": "2.0", "method": "notifications/vendor/x", "params": {"y": 2**60}}
        assert not b.calls("notifications/vendor/x")
        for server in (a, b):
            assert not server.calls("notifications/other") + server.calls("notifications/progress")


async def test_the_only_server_hears_all_that_its_sessions_say(tmp_path: Path) -> None:
    server = extended("a", "legacy", tools=("t",))
    async with world(tmp_path, a=server) as it:
        client = await client_of(it, "legacy")
        await client.legacy_result("tools/call", {"name": "t"})
        stranger = await client_of(it, "legacy")
        stranger.post({"jsonrpc": "2.0", "method": "notifications/vendor/y"})
        client.post({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1}})
        client.post({"jsonrpc": "2.0", "method": "notifications/vendor/x"})
        await until(lambda: server.calls("notifications/vendor/x"))
        await asyncio.sleep(0.05)
        assert len(server.calls("notifications/vendor/x")) == 1
        assert not server.calls("notifications/vendor/y")  # it uses no link yet
        assert not server.calls("notifications/progress")


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_notification_nobody_defines_comes_with_the_only_request(tmp_path: Path, era: str) -> None:
    server = FakeServer(era, tools=[{"name": "t"}])
    told = asyncio.Event()

    async def call(connection: FakeConnection, params: Json) -> Json:
        connection.tell("notifications/vendor/thing", {"a": params["arguments"]["n"]})
        await asyncio.wait_for(told.wait(), 2)
        return {"content": []}

    server.methods["tools/call"] = call
    async with world(tmp_path, one=server) as it:
        client = it.http()
        if era == "legacy":
            await client.initialize()
        ask = client.legacy if era == "legacy" else client.modern
        answer = ask("tools/call", {"name": "t", "arguments": {"n": 1}})
        assert (await answer.until_sent("notifications/vendor/thing"))["params"] == {"a": 1}
        other = ask("tools/call", {"name": "t", "arguments": {"n": 2}})
        await until(lambda: len(server.calls("tools/call")) == 2)
        await asyncio.sleep(0.05)
        told.set()
        await answer.done()
        await other.done()
        everywhere = [each for each in answer.sent + other.sent if each.get("params") == {"a": 2}]
        assert len(everywhere) == (
            1 if era == "legacy" else 0
        )  # a session's in any case, a request's only for sure
