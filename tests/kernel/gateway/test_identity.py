"""What the gateway declares: its own abilities, and what servers declare beyond them, in their own bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from only1mcp_sdk import Arrival
from only1mcp_sdk.members import split
from tests.kernel.gateway.servers import META, FakeConnection, FakeServer, Json, RpcError
from tests.kernel.gateway.world import Recorder, World, started, until, world

ODD = b'{"z":1e400,"a":1152921504606846976123,"m":{"2":"\\u00e9","1":[1.50,-0,null]}}'
NOTHING: Mapping[str, str] = {}
OURS = {
    "completions": {},
    "logging": {},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "tools": {"listChanged": True},
}


class Bytes(Recorder):
    """Keeps the very bytes of the answer."""

    raw = b""

    def finish(self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = NOTHING) -> None:
        self.raw = message
        super().finish(message.replace(b"1e400", b"0"), status, headers)


def saying(**capabilities: Any) -> FakeServer:
    """A server of both eras that declares these."""
    server = FakeServer()
    server.capabilities = {"tools": {}, **capabilities}
    return server


def in_bytes(server: FakeServer, mark: str, raw: bytes) -> None:
    """Where the server's messages say `mark` as text, they carry these bytes instead."""

    class Replacing:
        def __init__(self, inbox: Any) -> None:
            self._inbox = inbox

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inbox, name)

        def received(self, message: bytes, stream: int | None) -> None:
            self._inbox.received(message.replace(json.dumps(mark).encode(), raw), stream)

    answer = server.answer

    def replacing(connection: FakeConnection, method: str, params: Json) -> Any:
        if not isinstance(connection.inbox, Replacing):
            connection.inbox = Replacing(connection.inbox)
        return answer(connection, method, params)

    server.answer = replacing  # type: ignore[method-assign]


async def declared(it: World, era: str) -> Json:
    client = it.http()
    result = await (client.modern_result("server/discover") if era == "modern" else client.initialize())
    capabilities: Json = result["capabilities"]
    return capabilities


async def raw_greeting(it: World, era: str) -> dict[str, bytes]:
    """The members of the greeting's result, as they came."""
    answer = Bytes()
    headers: dict[str, str] = {}
    if era == "modern":
        method = "server/discover"
        meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
        params: Json = {"_meta": meta}
        headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
    else:
        method = "initialize"
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    it.gateway.gate.post(Arrival("http", "default", headers), json.dumps(message).encode(), answer)
    await answer.done()
    return split(split(answer.raw)["result"])


async def test_we_declare_what_we_implement_whatever_the_servers_have(tmp_path: Path) -> None:
    server = FakeServer()
    server.capabilities = {}
    async with world(tmp_path, one=server, two=FakeServer()) as it:
        await it.gateway.settled(2)
        assert await declared(it, "modern") == OURS
        assert await declared(it, "legacy") == OURS


async def test_what_one_server_declares_is_shown_in_its_own_bytes(tmp_path: Path) -> None:
    server = saying(extensions={"com.example/odd": "ODD"}, experimental={"trial": "ODD"})
    in_bytes(server, "ODD", ODD)
    async with world(tmp_path, one=server, two=FakeServer()) as it:
        await it.gateway.settled(2)
        for era in ("modern", "legacy"):
            capabilities = split((await raw_greeting(it, era))["capabilities"])
            assert split(capabilities["extensions"]) == {"com.example/odd": ODD}
            assert split(capabilities["experimental"]) == {"trial": ODD}


async def test_the_first_server_of_the_configuration_wins_and_each_adds_its_own(tmp_path: Path) -> None:
    a = saying(extensions={"x/same": {"from": "a"}, "x/a": {}})
    b = saying(extensions={"x/same": {"from": "b"}, "x/b": {}}, experimental={"trial": {}})
    async with world(tmp_path, a=a, b=b) as it:
        await it.gateway.settled(2)
        capabilities = await declared(it, "modern")
        assert capabilities["extensions"] == {"x/same": {"from": "a"}, "x/a": {}, "x/b": {}}
        assert capabilities["experimental"] == {"trial": {}}


async def test_each_era_sees_what_is_declared_to_it(tmp_path: Path) -> None:
    server = FakeServer()

    def greeting(capabilities: Json, version: Json) -> Any:
        def greet(connection: FakeConnection, params: Json) -> Json:
            connection.era = "modern" if "supportedVersions" in version else "legacy"
            return {**version, "capabilities": {"tools": {}, **capabilities}, "serverInfo": {"name": "x"}}

        return greet

    server.methods["server/discover"] = greeting(
        {"extensions": {"x/modern": {}}}, {"supportedVersions": ["2026-07-28"], "instructions": "modern"}
    )
    server.methods["initialize"] = greeting(
        {"tasks": {"list": {}}, "experimental": {"old": {}}},
        {"protocolVersion": "2025-11-25", "instructions": "legacy"},
    )
    async with world(tmp_path, one=server, two=FakeServer("legacy"), three=FakeServer("modern")) as it:
        await it.gateway.settled(2)
        await it.http().modern_result("tools/list")
        legacy = it.http()
        await legacy.initialize()
        await legacy.legacy_result("tools/list")
        assert await declared(it, "modern") == {**OURS, "extensions": {"x/modern": {}}}
        assert await declared(it, "legacy") == {
            **OURS,
            "tasks": {"list": {}},
            "experimental": {"old": {}},
        }
        assert (await it.http().modern_result("server/discover"))["instructions"] == "## one\n\nmodern"
        assert (await it.http().initialize())["instructions"] == "## one\n\nlegacy"


async def test_tasks_do_not_cross_eras_and_other_extensions_do(tmp_path: Path) -> None:
    legacy = FakeServer("legacy")
    legacy.capabilities = {"tools": {}, "tasks": {"list": {}}, "experimental": {"old": {}}}
    modern = FakeServer("modern")
    modern.capabilities = {"tools": {}, "extensions": {"io.modelcontextprotocol/tasks": {}, "x/new": {}}}
    async with world(tmp_path, a=legacy, b=modern) as it:
        await it.gateway.settled(2)
        to_modern, to_legacy = await declared(it, "modern"), await declared(it, "legacy")
        assert "tasks" not in to_modern
        assert to_modern["extensions"] == {"io.modelcontextprotocol/tasks": {}, "x/new": {}}
        assert to_legacy["tasks"] == {"list": {}}
        assert to_legacy["extensions"] == {"x/new": {}}
        assert to_modern["experimental"] == to_legacy["experimental"] == {"old": {}}


async def test_the_only_server_of_a_profile_greets_in_its_own_words(tmp_path: Path) -> None:
    server = FakeServer("modern")
    server.instructions = "Line\none é"
    server.methods["server/discover"] = lambda connection, params: {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {"x": 1, "listChanged": False}, "novel": {"y": 2}},
        "instructions": server.instructions,
        "unknown": [1, 2],
        "_meta": {"x/y": 1, META + "serverInfo": {"name": "fake"}},
    }
    it = World(tmp_path, {"one": server})
    async with started(it):
        await it.gateway.settled(2)
        result = await it.http().modern_result("server/discover")
        assert result["instructions"] == server.instructions
        assert result["capabilities"] == {**OURS, "tools": {"listChanged": True, "x": 1}, "novel": {"y": 2}}
        assert result["unknown"] == [1, 2]
        assert result["_meta"] == {"x/y": 1, META + "serverInfo": result["_meta"][META + "serverInfo"]}
        assert result["_meta"][META + "serverInfo"]["name"] == "only1mcp"
        across = await it.http().initialize()
        assert (across["instructions"], across["unknown"]) == (server.instructions, [1, 2])
        assert across["serverInfo"]["name"] == "only1mcp"
        assert not {"_meta", "supportedVersions", "resultType", "ttlMs", "cacheScope"} & set(across)


async def test_instructions_of_several_servers_have_headings(tmp_path: Path) -> None:
    a, b, c = FakeServer(), FakeServer(), FakeServer()
    a.instructions, c.instructions = "be nice", "be quick"
    async with world(tmp_path, a=a, b=b, c=c) as it:
        await it.gateway.settled(2)
        expected = "## a\n\nbe nice\n\n## c\n\nbe quick"
        assert (await it.http().modern_result("server/discover"))["instructions"] == expected


async def test_what_servers_declared_last_time_is_declared_while_they_are_down(tmp_path: Path) -> None:
    server = saying(extensions={"x/y": {"z": 1}})
    server.instructions = "be nice"
    async with world(tmp_path, one=server, two=FakeServer()) as it:
        await it.gateway.settled(2)
    down = FakeServer()
    down.refuse_connections = True
    async with world(tmp_path, one=down, two=FakeServer()) as it:
        for era in ("modern", "legacy"):
            assert (await declared(it, era))["extensions"] == {"x/y": {"z": 1}}
        assert (await it.http().initialize())["instructions"] == "## one\n\nbe nice"


async def test_capabilities_that_are_no_objects_are_no_capabilities(tmp_path: Path) -> None:
    odd = saying(extensions=[1], experimental={}, tasks=None)
    odd.instructions = 5  # type: ignore[assignment]
    twice = saying(extensions="TWICE")
    in_bytes(twice, "TWICE", b'{"a":1,"a":2}')
    worst = FakeServer("legacy")
    worst.capabilities = []  # type: ignore[assignment]
    async with world(tmp_path, odd=odd, twice=twice, worst=worst, good=saying(extensions={"x": {}})) as it:
        await it.gateway.settled(2)
        for era in ("modern", "legacy"):
            assert await declared(it, era) == {**OURS, "extensions": {"x": {}}, "experimental": {}}
        assert "instructions" not in await it.http().initialize()


async def test_what_clients_declare_reaches_servers_unchanged_in_both_directions(tmp_path: Path) -> None:
    modern, legacy = FakeServer("modern"), FakeServer("legacy")
    capabilities = {
        "extensions": {"x/y": {"b": 2**60, "a": 1.5}, "other": {}},
        "experimental": {"t": {}},
        "vendor": {"n": [1]},
        "elicitation": {},
    }
    async with world(tmp_path, m=modern, l=legacy) as it:
        await it.gateway.settled(2)
        client = it.http(capabilities=capabilities)
        await client.modern_result("tools/list")
        older = it.http(capabilities=capabilities)
        await older.initialize()
        await older.legacy_result("tools/list")
        for each in (modern.calls("tools/list")[-2:], legacy.calls("initialize")[-1:]):
            for message in each:
                params = message["params"]
                found = params.get("capabilities") or params["_meta"][META + "clientCapabilities"]
                assert json.dumps(found) == json.dumps(capabilities)


async def test_a_server_may_refuse_its_greeting(tmp_path: Path) -> None:
    def refuse(connection: FakeConnection, params: Json) -> Json:
        raise RpcError(-32603, "no")

    server = FakeServer("legacy")
    server.methods["initialize"] = refuse
    async with world(tmp_path, one=server) as it:
        await until(lambda: server.calls("initialize"))
        assert await declared(it, "legacy") == OURS


async def test_a_client_may_declare_numbers_no_float_holds(tmp_path: Path) -> None:
    server = FakeServer("modern")
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        meta = b'{"%sprotocolVersion":"2026-07-28","%sclientCapabilities":{"extensions":{"x":{"y":1e400}}}}'
        meta = meta % (META.encode(), META.encode())
        body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":' + meta + b"}}"
        headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "x"}
        answer = Recorder()
        it.gateway.gate.post(Arrival("http", "default", headers), body, answer)
        assert "result" in await answer.done()


async def test_a_discovery_waits_for_servers_nobody_knows_yet(tmp_path: Path) -> None:
    server = saying(extensions={"x": {}})
    async with world(tmp_path, one=server) as it:
        assert (await declared(it, "modern"))["extensions"] == {"x": {}}
