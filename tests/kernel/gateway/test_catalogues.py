"""What clients see: names, collisions, URIs, views, changes, memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import structs

from only1mcp_sdk import Entry
from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json, RpcError
from tests.kernel.gateway.world import SDK_CAPS, HttpClient, World, started, world


def tool(name: str, **more: Any) -> Json:
    return {"name": name, **more}


def resource(uri: str) -> Json:
    return {"uri": uri, "name": uri}


async def names(client: HttpClient, method: str = "tools/list", member: str = "tools") -> list[str]:
    key = {"resources": "uri", "resourceTemplates": "uriTemplate"}.get(member, "name")
    return [each[key] for each in (await client.modern_result(method))[member]]


def echoing(label: str, *tools: str) -> FakeServer:
    server = FakeServer(tools=[tool(each) for each in tools])
    server.methods["tools/call"] = lambda connection, params: {
        "content": [],
        "by": label,
        "name": params["name"],
    }
    return server


async def test_a_name_that_two_servers_have_is_prefixed_in_both(tmp_path: Path) -> None:
    async with world(tmp_path, a=echoing("a", "x", "same"), b=echoing("b", "same", "y")) as it:
        client = it.http()
        assert await names(client) == ["x", "a_same", "b_same", "y"]
        for shown, owner, own in [("a_same", "a", "same"), ("b_same", "b", "same"), ("y", "b", "y")]:
            result = await client.modern_result("tools/call", {"name": shown})
            assert (result["by"], result["name"]) == (owner, own)
        unknown = await client.modern("tools/call", {"name": "a_sam"}).done()
        assert unknown["error"]["code"] == -32602
        assert "a_same" in unknown["error"]["message"]


async def test_always_and_never(tmp_path: Path) -> None:
    it = World(tmp_path, {"a": echoing("a", "x", "same"), "b": echoing("b", "same")})
    it.profiles = {"default": {}, "all": {"names": "always"}, "none": {"names": "never"}}
    async with started(it):
        assert await names(it.http(profile="all")) == ["a_x", "a_same", "b_same"]
        assert await names(it.http(profile="none")) == ["x"]
        refused = await it.http(profile="none").modern("tools/call", {"name": "same"}).done()
        assert '"a"' in refused["error"]["message"]
        assert '"b"' in refused["error"]["message"]


async def test_what_the_gateway_makes_is_legal_and_safe_names_make_all_so(tmp_path: Path) -> None:
    long = "n" * 70
    it = World(tmp_path, {"a": echoing("a", long, "has.dot", "same.dot"), "b": echoing("b", "same.dot")})
    it.profiles = {"default": {}, "safe": {"safe_names": True}}
    async with started(it):
        plain = await names(it.http())
        assert plain[:2] == [long, "has.dot"]
        assert plain[2].startswith("a_same_dot_")
        safe = await names(it.http(profile="safe"))
        assert all(len(each) <= 64 and each.replace("_", "").replace("-", "").isalnum() for each in safe)
        result = await it.http(profile="safe").modern_result("tools/call", {"name": safe[0]})
        assert result["name"] == long


async def test_lists_are_byte_identical_whoever_comes_first_and_after_a_restart(tmp_path: Path) -> None:
    async def listed(order: Sequence[str]) -> bytes:
        servers = {"a": echoing("a", "x", "same"), "b": echoing("b", "same")}
        for name, server in servers.items():
            server.refuse_connections = name != order[0]
        async with world(tmp_path, **servers) as it:
            await it.gateway.settled(2)
            servers[order[1]].refuse_connections = False
            client = it.http()
            for _ in range(60):
                result = await client.modern_result("tools/list")
                if len(result["tools"]) == 3:
                    return json.dumps(result).encode()
                await asyncio.sleep(0.05)
            raise AssertionError("never complete")

    assert await listed("ab") == await listed("ba")


async def test_an_old_name_keeps_calling_its_owner(tmp_path: Path) -> None:
    a, b = echoing("a", "same"), echoing("b", "same")
    b.refuse_connections = True
    async with world(tmp_path, a=a, b=b) as it:
        client = it.http()
        assert await names(client) == ["same"]
        b.refuse_connections = False
        await asyncio.sleep(0.9)
        assert await names(client) == ["a_same", "b_same"]
        assert (await client.modern_result("tools/call", {"name": "same"}))["by"] == "a"


async def test_views_depend_on_what_clients_declare(tmp_path: Path) -> None:
    server = FakeServer("legacy")

    def listed(connection: FakeConnection, params: Json) -> Json:
        return {"tools": [tool("plain"), *([tool("asks")] if "sampling" in connection.declared else [])]}

    server.methods["tools/list"] = listed
    async with world(tmp_path, one=server) as it:
        assert await names(it.http()) == ["plain"]
        assert await names(it.http(capabilities=SDK_CAPS)) == ["plain", "asks"]
        assert await names(it.http()) == ["plain"]


async def test_every_byte_of_an_entry_is_kept(tmp_path: Path) -> None:
    odd = {"name": "x", "inputSchema": {"$defs": {"a": {"$anchor": "b"}}, "type": "object"}, "icons": [], "z": 1.50,
           "_meta": {"v/x": [None]}, "unknown": "é"}  # fmt: skip
    async with world(tmp_path, a=FakeServer(tools=[odd]), b=echoing("b", "x")) as it:
        tools = (await it.http().modern_result("tools/list"))["tools"]
        assert tools[0] == {**odd, "name": "a_x"}
        assert list(tools[0]) == list(odd)


async def test_a_profile_of_one_plain_server_is_that_server(tmp_path: Path) -> None:
    server = FakeServer(tools=[tool("x")])
    server.instructions = "be nice"

    def custom(connection: FakeConnection, params: Json) -> Json:
        return {"custom": params["a"]}

    server.methods["vendor/method"] = custom
    server.methods["tools/list"] = lambda connection, params: {"tools": [], "vendor": {"x": 1}}
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await it.gateway.settled(2)
        assert (await client.modern_result("server/discover"))["instructions"] == "be nice"
        assert (await client.modern_result("vendor/method", {"a": 1}))["custom"] == 1
        assert (await client.modern_result("tools/list"))["vendor"] == {"x": 1}
        last = await client.modern("vendor/other").done()
        assert last["error"] == {"code": -32601, "message": "Method not found: vendor/other"}
        server.methods["tools/call"] = lambda connection, params: {"name": params["name"]}
        assert (await client.modern_result("tools/call", {"name": "hidden"}))["name"] == "hidden"


async def test_resources_go_to_their_owner(tmp_path: Path) -> None:
    def reading(label: str, *uris: str, template: str = "") -> FakeServer:
        server = FakeServer()
        server.lists["resources"] = [resource(each) for each in uris]
        server.lists["resourceTemplates"] = [{"uriTemplate": template, "name": "t"}] if template else []

        def read(connection: FakeConnection, params: Json) -> Json:
            if "missing" in params["uri"]:
                raise RpcError(
                    -32002 if connection.era == "legacy" else -32602, "gone", {"uri": params["uri"]}
                )
            return {"contents": [{"uri": params["uri"], "text": label}]}

        server.methods["resources/read"] = read
        return server

    a = reading("a", "file:///one", "file:///both", template="file:///{+path}")
    b = reading("b", "file:///both", "file:///dir/two", template="file:///dir/{name}")
    async with world(tmp_path, a=a, b=b) as it:
        client = it.http()
        alias = "only1mcp://b/file%3A%2F%2F%2Fboth"
        assert await names(client, "resources/list", "resources") == [
            "file:///one", "file:///both", alias, "file:///dir/two",
        ]  # fmt: skip
        for uri, owner in [("file:///both", "a"), (alias, "b"), ("file:///dir/two", "b"), ("file:///dir/x", "b"),
                           ("file:///x", "a")]:  # fmt: skip
            contents = (await client.modern_result("resources/read", {"uri": uri}))["contents"]
            assert contents == [{"uri": uri, "text": owner}]
        missing = await client.modern("resources/read", {"uri": "http://missing"}).done()
        assert missing["error"]["code"] == -32602
        assert missing["error"]["data"] == {"uri": "http://missing"}
        legacy = it.http()
        await legacy.initialize()
        missing = await legacy.legacy("resources/read", {"uri": "http://missing"}).done()
        assert missing["error"]["code"] == -32002


async def test_list_changes_are_relayed_in_both_eras(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[tool("x")])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        legacy, modern = it.http(), it.http()
        await legacy.initialize()
        await legacy.legacy_result("tools/list")
        await asyncio.sleep(0.4)
        stream, _ = legacy.stream()
        listening = modern.modern(
            "subscriptions/listen", {"notifications": {"toolsListChanged": True}}, id="L"
        )
        acknowledged = await listening.until_sent("notifications/subscriptions/acknowledged")
        assert acknowledged["params"]["notifications"] == {"toolsListChanged": True}
        server.lists["tools"].append(tool("y"))
        before = len([each for each in stream.sent if "tools" in each["method"]])
        server.tell_all("notifications/tools/list_changed")
        await stream.until_sent("notifications/tools/list_changed", before + 1)
        changed = await listening.until_sent("notifications/tools/list_changed")
        assert changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "L"
        assert await names(modern) == ["x", "y"]


async def test_subscriptions_reach_who_subscribed(tmp_path: Path) -> None:
    server = FakeServer("legacy")
    server.lists["resources"] = [resource("file:///one")]
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        one, two = it.http(), it.http()
        await one.initialize()
        await two.initialize()
        await one.legacy_result("resources/subscribe", {"uri": "file:///one"})
        heard, _ = one.stream()
        other, _ = two.stream()
        listening = it.http().modern(
            "subscriptions/listen", {"notifications": {"resourceSubscriptions": ["file:///one"]}}
        )
        acknowledged = await listening.until_sent("notifications/subscriptions/acknowledged")
        assert acknowledged["params"]["notifications"]["resourceSubscriptions"] == ["file:///one"]
        server.tell_all("notifications/resources/updated", {"uri": "file:///one"})
        await heard.until_sent("notifications/resources/updated")
        await listening.until_sent("notifications/resources/updated")
        assert [each for each in other.sent if "updated" in each["method"]] == []
        assert len(server.calls("resources/subscribe")) == 1  # shared by both


async def test_transforms_of_servers_and_profiles(tmp_path: Path) -> None:
    class Hide:
        def apply(self, entries: Sequence[Entry]) -> Sequence[Entry]:
            return [structs.replace(each, shown="renamed") if each.shown == "x" else each
                    for each in entries if each.shown != "secret"]  # fmt: skip

    class Upper:
        def apply(self, entries: Sequence[Entry]) -> Sequence[Entry]:
            return [structs.replace(each, shown=each.shown.upper()) for each in entries]

    it = World(tmp_path, {"a": echoing("a", "x", "secret"), "b": echoing("b", "y")})
    it.transforms = {"hide": Hide(), "upper": Upper()}
    it.server_options = {"a": {"transforms": ["hide"]}}
    it.profiles = {"default": {}, "loud": {"transforms": ["upper"]}}
    async with started(it):
        assert await names(it.http()) == ["renamed", "y"]
        assert await names(it.http(profile="loud")) == ["RENAMED", "Y"]
        result = await it.http(profile="loud").modern_result("tools/call", {"name": "RENAMED"})
        assert (result["by"], result["name"]) == ("a", "x")
        hidden = await it.http().modern("tools/call", {"name": "secret"}).done()
        assert hidden["error"]["code"] == -32602


async def test_names_of_a_server_that_is_down_are_remembered_and_those_of_an_old_one_forgotten(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, a=echoing("a", "same", "old"), b=echoing("b", "same")) as it:
        await it.gateway.settled(2)
        assert await names(it.http(capabilities=SDK_CAPS)) == ["a_same", "old", "b_same"]
    down = echoing("b", "same")
    down.refuse_connections = True
    async with world(tmp_path, a=echoing("a", "same", "new"), b=down) as it:
        await it.gateway.settled(2)
        assert await names(it.http()) == ["a_same", "new"]
        known = it.gateway._generation.servers["a"].listings.memory  # type: ignore[union-attr]
        assert known.identifiers("tool") == ["same", "new"]


async def test_what_a_reload_hides_is_not_called_by_its_old_name(tmp_path: Path) -> None:
    class Hide:
        def apply(self, entries: Sequence[Entry]) -> Sequence[Entry]:
            return [each for each in entries if "secret" not in each.name]

    server = echoing("a", "x", "secret")
    server.lists["resources"] = [resource("file:///open"), resource("file:///secret")]
    server.methods["resources/read"] = lambda connection, params: {"contents": []}
    it = World(tmp_path, {"a": server})
    it.transforms = {"hide": Hide()}
    async with started(it):
        client = it.http()
        assert await names(client) == ["x", "secret"]
        it.server_options = {"a": {"transforms": ["hide"]}}
        await it.reload()
        assert await names(client) == ["x"]
        assert (await client.modern("tools/call", {"name": "secret"}).done())["error"]["code"] == -32602
        hidden = await client.modern("resources/read", {"uri": "file:///secret"}).done()
        assert hidden["error"]["code"] == -32602
        assert "result" in await client.modern("resources/read", {"uri": "file:///open"}).done()


async def test_until_a_server_is_listed_again_its_last_listing_for_such_clients_is_shown(
    tmp_path: Path,
) -> None:
    def dual(seconds: float) -> FakeServer:
        server = FakeServer("legacy", "modern")

        async def listed(connection: FakeConnection, params: Json) -> Json:
            await asyncio.sleep(seconds if connection.era == "legacy" else 0)
            return {"tools": [tool(f"{connection.era}_tool")]}

        server.methods["tools/list"] = listed
        return server

    async def listing(it: World) -> list[str]:
        client = it.http()
        await client.initialize()
        return [each["name"] for each in (await client.legacy_result("tools/list"))["tools"]]

    async with world(tmp_path, one=dual(0)) as it:
        await it.gateway.settled(2)
        assert await listing(it) == ["legacy_tool"]
    async with world(tmp_path, one=dual(0.8)) as it:
        await it.gateway.settled(2)
        assert await listing(it) == ["legacy_tool"]
