"""An economy: what it shows of a profile's tools, and its place around their calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from only1mcp_sdk import Caller, Done, Entry, Exchange, Failure, Outcome, Result, Toolbox, View
from only1mcp_sdk.members import quoted, split, text
from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import HttpClient, World, started

ECHO = {"name": "echo", "description": "Says it again.", "inputSchema": {"type": "object"}}
ASK = {"name": "ask", "inputSchema": {"type": "object"}}
WRAPPER = Entry("tool", "", "run", "run", {"name": b'"run"', "inputSchema": b'{"type":"object"}'})
LOOK = Entry("tool", "", "look", "look", {"name": b'"look"', "inputSchema": b'{"type":"object"}'})


class Wrapping:
    """Shows `run` in place of everything, and `look`, which says what there is."""

    def __init__(self, reads_results: bool = True) -> None:
        self.reads_results = reads_results
        self.made: list[tuple[str, list[str]]] = []
        self.lists = 0
        self.broken = ""

    def variant(self, caller: Caller) -> str:
        if caller.context not in ("", "plain"):
            raise ValueError(f"there is no {caller.context!r}; there are: plain")
        return caller.context

    def view(self, variant: str, toolbox: Toolbox) -> View:
        self.made.append((variant, [entry.shown for entry in toolbox.tools]))
        return Wrapped(self, toolbox, plain=variant == "plain")

    def compare(self, toolbox: Toolbox) -> Mapping[str, Any]:
        return {"tools": len(toolbox.tools)}

    def figures(self) -> Mapping[str, Any]:
        return {"lists": self.lists}


class Wrapped:
    def __init__(self, economy: Wrapping, toolbox: Toolbox, plain: bool) -> None:
        self.economy = economy
        self.toolbox = toolbox
        self.tools: Sequence[Entry] = toolbox.tools if plain else (WRAPPER, LOOK)
        self.own = () if plain else ("run", "look")

    def listed(self, caller: Caller) -> None:
        self.economy.lists += 1

    def before(self, exchange: Exchange) -> Outcome | None:
        if self.economy.broken == "before":
            raise RuntimeError("a bug")
        if exchange.name != "run" or "run" not in self.own:
            return None
        arguments = split((exchange.params or {}).get("arguments", b"{}"))
        name = text(arguments.get("name"))
        if name is None:
            return Failure.of(-32602, "run what?")
        exchange.name = name
        given = arguments.get("arguments", b"{}")
        exchange.params = {**(exchange.params or {}), "name": quoted(name), "arguments": given}
        return None

    def serve(self, exchange: Exchange, done: Done) -> None:
        if self.economy.broken == "serve":
            raise RuntimeError("a bug")
        shown = [f"{entry.server}.{entry.shown}" for entry in self.toolbox.tools]
        said = {name: vendor.instructions for name, vendor in self.toolbox.vendors.items()}
        trusted = [name for name, vendor in self.toolbox.vendors.items() if vendor.trusted]
        content = [{"type": "text", "text": json.dumps([shown, said, trusted])}]
        done(Result(json.dumps({"content": content}).encode(), exchange.caller.era))

    def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
        if self.economy.broken == "after":
            raise RuntimeError("a bug")
        if isinstance(outcome, Result) and self.economy.reads_results:
            return Result(outcome.raw.replace(b"echo", b"ECHO"), outcome.era)
        return outcome


class Noting:
    """A filter that notes what is called."""

    place = "gateway"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def before(self, exchange: Exchange) -> Outcome | None:
        if exchange.method == "tools/call":
            self.calls.append(exchange.name)
        return None

    def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
        return outcome


def wrapped(tmp_path: Path, economy: Wrapping, *tools: Json) -> tuple[World, FakeServer, Noting]:
    server = FakeServer(tools=[*(tools or (ECHO,))])
    it = World(tmp_path, {"one": server, "two": FakeServer(tools=[{**ECHO, "name": "other"}])})
    it.economies["wrapping"] = economy
    it.profiles = {"default": {"context": "wrapping"}, "untouched": {}}
    noting = Noting()
    it.filters["noting"] = noting  # type: ignore[assignment]
    return it, server, noting


async def result(client: HttpClient, era: str, method: str, params: Json | None = None) -> Json:
    if era == "modern":
        return await client.modern_result(method, params)
    if not client.session:
        await client.initialize()
    return await client.legacy_result(method, params)


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_what_is_shown_stands_for_what_there_is(tmp_path: Path, era: str) -> None:
    it, server, noting = wrapped(tmp_path, Wrapping())
    async with started(it):
        client = it.http()
        listed = await result(client, era, "tools/list")
        assert [tool["name"] for tool in listed["tools"]] == ["run", "look"]
        plainly = await result(it.http(profile="untouched"), era, "tools/list")
        assert [tool["name"] for tool in plainly["tools"]] == ["echo", "other"]

        arguments = {"name": "echo", "arguments": {"text": "yes"}}
        answer = await result(client, era, "tools/call", {"name": "run", "arguments": arguments})
        assert answer["content"][0]["text"].startswith("ECHO")
        assert server.calls("tools/call")[-1]["params"]["name"] == "echo"
        assert server.calls("tools/call")[-1]["params"]["arguments"] == {"text": "yes"}
        looked = await result(client, era, "tools/call", {"name": "look"})
        shown, said, trusted = json.loads(looked["content"][0]["text"])
        assert shown == ["one.ECHO", "two.other"]
        assert set(said) == {"one", "two"}
        assert trusted == []
        hidden = await result(client, era, "tools/call", {"name": "echo", "arguments": {}})
        assert hidden["content"][0]["text"].startswith("ECHO")
        assert noting.calls == ["echo", "look", "echo"]


async def test_a_first_call_waits_for_the_servers_to_be_listed(tmp_path: Path) -> None:
    it, _, _ = wrapped(tmp_path, Wrapping())
    async with started(it):
        client = it.http()
        looked = await client.modern_result("tools/call", {"name": "look"})
        assert json.loads(looked["content"][0]["text"])[0] == ["one.ECHO", "two.other"]


async def test_views_are_made_once_and_anew_when_something_changed(tmp_path: Path) -> None:
    economy = Wrapping()
    it, _, _ = wrapped(tmp_path, economy)
    async with started(it):
        for _ in range(2):
            await it.http().modern_result("tools/list")
            await it.http(capabilities={"sampling": {}}).modern_result("tools/list")
        modern = [tools for variant, tools in economy.made if tools]
        assert economy.lists == 4
        count = len(modern)
        await it.http().modern_result("tools/list")
        assert len([tools for variant, tools in economy.made if tools]) == count
        it.profiles["default"]["servers"] = ["one"]
        await it.reload()
        await it.http().modern_result("tools/list")
        assert economy.made[-1] == ("", ["echo"])
        assert it.gateway.status()["context"] == {"default": {"lists": 6}}


async def test_a_trusted_server_is_told_apart(tmp_path: Path) -> None:
    it, _, _ = wrapped(tmp_path, Wrapping())
    it.server_options["two"] = {"trusted": True}
    async with started(it):
        looked = await it.http().modern_result("tools/call", {"name": "look"})
        assert json.loads(looked["content"][0]["text"])[2] == ["two"]


async def test_the_url_chooses_a_variant(tmp_path: Path) -> None:
    it, _, _ = wrapped(tmp_path, Wrapping())
    async with started(it):
        for era in ("modern", "legacy"):
            plain = await result(it.http(context="plain"), era, "tools/list")
            assert [tool["name"] for tool in plain["tools"]] == ["echo", "other"]
        for profile in ("default", "untouched"):
            client = it.http(context="thin", profile=profile)
            refused = await client.modern("tools/list").done()
            assert refused["error"]["code"] == -32602
            assert "?context=thin" in refused["error"]["message"]
            hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t"}}
            answer, _ = client.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
            assert (await answer.done())["error"]["code"] == -32602
            assert answer.status == 400
        assert it.gateway.status()["sessions"] == 1


@pytest.mark.parametrize("where", ["before", "serve", "after"])
async def test_a_fault_ends_one_exchange(
    tmp_path: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    economy = Wrapping()
    it, _, _ = wrapped(tmp_path, economy)
    async with started(it):
        economy.broken = where
        client = it.http()
        broken = await client.modern("tools/call", {"name": "look"}).done()
        assert broken["error"] == {"code": -32603, "message": "Internal error in economys.wrapping"}
        economy.broken = ""
        assert await client.modern_result("tools/call", {"name": "look"})
    assert "a bug" in caplog.text


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_question_within_a_wrapped_call(tmp_path: Path, era: str) -> None:
    it, _, noting = wrapped(tmp_path, Wrapping())
    server = FakeServer("legacy", tools=[ASK])
    it.servers["one"] = [server]

    async def ask(connection: FakeConnection, params: Json) -> Json:
        answer = await connection.ask("elicitation/create", {"message": "sure?", "requestedSchema": {}})
        return {"content": [{"type": "text", "text": json.dumps(answer)}]}

    server.methods["tools/call"] = ask
    async with started(it):
        client = it.http(capabilities={"elicitation": {}})
        call = {"name": "run", "arguments": {"name": "ask"}}
        if era == "modern":
            asked = await client.modern_result("tools/call", call)
            assert asked["resultType"] == "input_required"
            key = next(iter(asked["inputRequests"]))
            again = {
                **call,
                "inputResponses": {key: {"action": "accept", "content": {}}},
                "requestState": asked["requestState"],
            }
            answer = await client.modern_result("tools/call", again)
        else:
            await client.initialize()
            pending = client.legacy("tools/call", call)
            question = await pending.until_sent("elicitation/create")
            client.answer(question, {"action": "accept", "content": {}})
            answer = (await pending.done())["result"]
        assert "accept" in answer["content"][0]["text"]
        assert set(noting.calls) == {"ask"}


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_wrapped_call_has_the_header_fields_of_its_arguments(tmp_path: Path, era: str) -> None:
    properties = {"region": {"type": "string", "x-mcp-header": "Region"}}
    server = FakeServer(
        "modern", tools=[{**ECHO, "inputSchema": {"type": "object", "properties": properties}}]
    )
    server.duplex = False
    it, _, _ = wrapped(tmp_path, Wrapping())
    it.servers["one"] = [server]
    async with started(it):
        await it.gateway.settled(2)
        call = {"name": "run", "arguments": {"name": "echo", "arguments": {"region": "here"}}}
        await result(it.http(), era, "tools/call", call)
        sent = [headers for headers in server.headers if headers.get("Mcp-Method") == "tools/call"][-1]
        assert sent["Mcp-Param-Region"] == "here"
        assert sent["Mcp-Name"] == "echo"
