"""Clients and the gate: sessions, principals, bad input, windows and roots, reloads."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from only1mcp_sdk import Arrival
from tests.kernel.gateway.servers import META, FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import SDK_CAPS, HttpClient, Recorder, World, started, world

ECHO: Json = {"name": "echo"}


def code(last: Any) -> int:
    found: int = last["error"]["code"]
    return found


async def refused(client: HttpClient, message: Any, **headers: str) -> tuple[int, int]:
    answer, _ = client.post(message, **headers)
    last = await answer.done()
    return answer.status, code(last)


@pytest.mark.parametrize(
    ("body", "status_code"),
    [
        (b"{", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}', -32700),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", -32700),
        (b"7", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"x"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"x"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1,"a":2}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"a":1,"a":2}}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}', -32602),
    ],
)
async def test_malformed_messages(tmp_path: Path, body: bytes, status_code: int) -> None:
    async with world(tmp_path) as it:
        assert await refused(it.http(), body) == (400, status_code)


async def test_depth_is_measured_and_not_guessed(tmp_path: Path) -> None:
    server = FakeServer(tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        wide = {"items": [{"a": [1]}] * 2000, "text": "[" * 2000}
        result = await it.http().modern_result("tools/call", {"name": "echo", "arguments": wide})
        assert "content" in result


async def test_duplicates_inside_arguments_are_relayed(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await client.initialize()
        await it.gateway.settled(2)
        body = b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"echo","arguments":{"a":1,"a":2}}}'
        answer, _ = client.post(body)
        assert "result" in await answer.done()


async def test_modern_requests_are_checked(tmp_path: Path) -> None:
    async with world(tmp_path, one=FakeServer(tools=[ECHO])) as it:
        client = it.http()
        meta: Json = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
        good: Json = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
        version = {"mcp_protocol_version": "2026-07-28"}
        assert await refused(client, good, mcp_method="tools/list") == (400, -32020)
        assert await refused(client, good, mcp_method="tools/call", **version) == (400, -32020)
        bare = {**good, "params": {"_meta": {}}}
        assert await refused(client, bare, mcp_method="tools/list", **version) == (400, -32602)
        no_capabilities = {**good, "params": {"_meta": {META + "protocolVersion": "2026-07-28"}}}
        assert await refused(client, no_capabilities, mcp_method="tools/list", **version) == (400, -32602)
        future = {**good, "params": {"_meta": {**meta, META + "protocolVersion": "2099-01-01"}}}
        assert await refused(client, future, mcp_protocol_version="2099-01-01", mcp_method="tools/list") == (
            400,
            -32022,
        )
        call = {**good, "method": "tools/call", "params": {"name": "echo", "_meta": meta}}
        assert await refused(client, call, mcp_method="tools/call", mcp_name="other", **version) == (
            400,
            -32020,
        )
        encoded, _ = client.post(call, mcp_method="tools/call", mcp_name="=?base64?ZWNobw==?=", **version)
        assert "result" in await encoded.done()
        for method in ("initialize", "ping", "logging/setLevel", "resources/subscribe", "nope"):
            answer = client.modern(method)
            assert code(await answer.done()) == -32601
            assert answer.status == 404 or method == "nope"


async def test_sessions(tmp_path: Path) -> None:
    async with world(tmp_path, one=FakeServer(tools=[ECHO])) as it:
        client = it.http()
        listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert await refused(client, listing) == (400, -32600)
        await client.initialize()
        assert await refused(client, listing, mcp_session_id="o1-forged") == (404, -32600)
        assert await refused(client, listing, mcp_protocol_version="1999-01-01") == (400, -32600)
        assert await client.legacy_result("ping") == {}
        ended = Recorder()
        it.gateway.gate.end(Arrival("http", "default", {**client.headers, **client.session}), ended)
        assert ended.status == 204
        assert await refused(client, listing) == (404, -32600)


async def test_initialize_settles_the_revision(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        for asked, settled in [("2024-11-05", "2024-11-05"), ("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25"),
                               ("2026-07-28", "2025-11-25")]:  # fmt: skip
            assert (await it.http().initialize(asked))["protocolVersion"] == settled


async def test_batches_belong_to_one_revision(tmp_path: Path) -> None:
    async with world(tmp_path, one=FakeServer(tools=[ECHO])) as it:
        batch = [
            {"jsonrpc": "2.0", "id": 1, "method": "ping"},
            {"jsonrpc": "2.0", "method": "notifications/x"},
            {"jsonrpc": "2.0", "id": 2, "method": "nope"},
        ]
        old, new = it.http(), it.http()
        await old.initialize("2025-03-26")
        answer, _ = old.post(batch)
        last = await answer.done()
        assert [each["id"] for each in last] == [1, 2]
        await new.initialize()
        assert await refused(new, batch) == (400, -32600)


async def test_one_bad_message_of_a_batch_costs_itself(tmp_path: Path) -> None:
    async with world(tmp_path, one=FakeServer(tools=[ECHO])) as it:
        client = it.http()
        await client.initialize("2025-03-26")
        bad = b'7, {"jsonrpc":"1.0","id":3,"method":"ping"}, {"jsonrpc":"2.0","id":4,"method":"ping","params":[]}'
        answer, _ = client.post(b'[{"jsonrpc":"2.0","id":1,"method":"ping"}, ' + bad + b"]")
        last = await answer.done()
        assert answer.status == 200
        assert last[0] == {"jsonrpc": "2.0", "id": 1, "result": {}}
        assert [(each["id"], code(each)) for each in last[1:]] == [(None, -32600), (3, -32600), (4, -32602)]


async def test_principals_do_not_see_each_other(tmp_path: Path) -> None:
    it = World(tmp_path, {"one": FakeServer("legacy", tools=[ECHO])})
    it.authenticated = True
    async with started(it):
        nobody, wrong = it.http(), it.http(token="wrong")
        for client in (nobody, wrong):
            answer = client.modern("tools/list")
            await answer.done()
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        alice, bob = it.http(token="alice"), it.http(token="bob")
        await alice.initialize()
        await bob.initialize()
        own = bob.session
        bob.session = alice.session
        assert await refused(bob, {"jsonrpc": "2.0", "id": 1, "method": "ping"}) == (404, -32600)
        bob.session = own
        for client in (alice, bob):
            await client.legacy_result("tools/call", {"name": "echo"})
        connections = list(it.servers["one"][0].open_connections("legacy"))
        assert len(connections) == 3  # the gateway's own, and one for each of the two


async def test_windows_share_a_child_until_roots_are_given(tmp_path: Path) -> None:
    plain, rooted = (
        FakeServer("legacy", tools=[{"name": "plain"}]),
        FakeServer("legacy", tools=[{"name": "rooted"}]),
    )
    given: dict[str, Any] = {}

    async def with_roots(connection: FakeConnection, params: Json) -> Json:
        answer = await connection.ask("roots/list")
        given[params["arguments"]["who"]] = answer["result"]["roots"]
        return {"content": []}

    rooted.methods["tools/call"] = with_roots
    async with world(tmp_path, plain=plain, rooted=rooted) as it:
        windows = [it.http(capabilities=SDK_CAPS) for _ in range(2)]
        for number, window in enumerate(windows):
            await window.initialize()
            await window.legacy_result("tools/call", {"name": "plain"})
            pending = window.legacy("tools/call", {"name": "rooted", "arguments": {"who": str(number)}})
            question = await pending.until_sent("roots/list")
            window.answer(question, {"roots": [{"uri": f"file:///{number}"}]})
            await pending.done()
        assert len(plain.open_connections()) == 2  # the gateway's own, and one for both windows
        assert len(rooted.open_connections()) == 3
        assert given == {"0": [{"uri": "file:///0"}], "1": [{"uri": "file:///1"}]}


async def test_a_question_outside_of_any_call_goes_to_the_session_of_its_link(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        await client.legacy_result("tools/call", {"name": "echo"})
        stream, _ = client.stream()
        answered = server.open_connections()[-1].ask("roots/list")
        question = await stream.until_sent("roots/list")
        client.answer(question, {"roots": []})
        assert (await answered)["result"] == {"roots": []}
        unasked = server.open_connections()[0].ask("sampling/createMessage", {"messages": []})
        assert "error" in await unasked  # of the gateway's own link: nobody to ask


async def test_an_error_of_the_client_reaches_the_legacy_server(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def ask(connection: FakeConnection, params: Json) -> Json:
        answer = await connection.ask("sampling/createMessage", {"messages": []})
        return {"content": [], "heard": answer["error"]}

    server.methods["tools/call"] = ask
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        pending = client.legacy("tools/call", {"name": "echo"})
        question = await pending.until_sent("sampling/createMessage")
        client.answer(question, error={"code": -1, "message": "User rejected", "data": 1})
        assert (await pending.done())["result"]["heard"] == {
            "code": -1,
            "message": "User rejected",
            "data": 1,
        }


async def test_log_levels_are_merged_and_filtered(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    server.capabilities["logging"] = {}
    async with world(tmp_path, one=server) as it:
        loud, quiet = it.http(), it.http()
        streams = []
        for client, level in ((loud, "debug"), (quiet, "error")):
            await client.initialize()
            await client.legacy_result("tools/call", {"name": "echo"})
            streams.append(client.stream()[0])
            await client.legacy_result("logging/setLevel", {"level": level})
        await asyncio.sleep(0.05)
        assert [each["params"]["level"] for each in server.calls("logging/setLevel")] == ["debug"]
        server.tell_all("notifications/message", {"level": "info", "data": "x"})
        await streams[0].until_sent("notifications/message")
        assert [each for each in streams[1].sent if each["method"] == "notifications/message"] == []
        bad = await loud.legacy("logging/setLevel", {"level": "shout"}).done()
        assert code(bad) == -32602


async def test_reload_touches_only_what_changed(tmp_path: Path) -> None:
    kept, changed = FakeServer(tools=[{"name": "kept"}]), FakeServer(tools=[{"name": "changed"}])

    async def slow(connection: FakeConnection, params: Json) -> Json:
        await asyncio.sleep(0.3)
        return {"content": []}

    kept.methods["tools/call"] = slow
    async with world(tmp_path, kept=kept, changed=changed) as it:
        await it.gateway.settled(2)
        legacy = it.http()
        await legacy.initialize()
        stream, _ = legacy.stream()
        await legacy.legacy_result("tools/list")
        pending = legacy.legacy("tools/call", {"name": "kept"})
        it.fingerprints["changed"] = "2"
        await it.reload()
        await stream.until_sent("notifications/tools/list_changed")
        assert "result" in await pending.done()
        await asyncio.sleep(0.5)
        assert len(kept.connections) == 2  # one for each era, as before
        assert len(changed.open_connections("modern")) == 1
        assert len(changed.connections) > len(changed.open_connections())
        tools = (await legacy.legacy_result("tools/list"))["tools"]
        assert [each["name"] for each in tools] == ["kept", "changed"]


async def test_a_failing_reload_leaves_the_old_generation_serving(tmp_path: Path) -> None:
    from only1mcp_sdk import OpenFailed

    it = World(tmp_path, {"one": FakeServer(tools=[ECHO])})
    async with started(it):
        await it.gateway.settled(2)
        it.filters["absent"] = None  # type: ignore[assignment]
        config = it.config()
        del it.filters["absent"]
        with pytest.raises(OpenFailed, match=r"filters\.absent"):
            await it.gateway.reload(config)
        assert (await it.http().modern_result("tools/list"))["tools"] == [ECHO]
        assert it.gateway.status()["generation"] == 1


async def test_a_duplex_client_of_both_eras(tmp_path: Path) -> None:
    class Pipe:
        def __init__(self) -> None:
            self.sent: list[Json] = []

        def send(self, message: bytes) -> None:
            self.sent.append(json.loads(message))

    async with world(tmp_path, one=FakeServer("legacy", tools=[ECHO])) as it:
        await it.gateway.settled(2)
        pipe = Pipe()
        conversation = it.gateway.gate.connect(Arrival("stdio", local=True), pipe)

        def send(message: Json) -> None:
            conversation.received(json.dumps({"jsonrpc": "2.0", **message}).encode())

        meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
        send({"id": 1, "method": "tools/list", "params": {"_meta": meta}})
        send({"id": 2, "method": "tools/list"})
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
        send({"id": 3, "method": "initialize", "params": params})
        send({"id": 4, "method": "tools/list"})
        send({"id": 5, "method": "subscriptions/listen",
              "params": {"notifications": {"toolsListChanged": True}, "_meta": meta}})  # fmt: skip
        conversation.received(b"garbage")
        send({"method": "notifications/cancelled", "params": {"requestId": 5}})
        by_id = {each.get("id"): each for each in pipe.sent}
        assert by_id[1]["result"]["tools"] == by_id[4]["result"]["tools"] == [ECHO]
        assert code(by_id[2]) == -32600
        assert by_id[3]["result"]["protocolVersion"] == "2025-11-25"
        assert code(by_id[None]) == -32700 or "method" in by_id[None]
        assert 5 not in by_id  # after a cancel the client hears nothing more
        conversation.disconnected()
        assert it.gateway.status()["sessions"] == 0


async def test_plugins_that_raise_while_serving_cost_one_exchange(tmp_path: Path) -> None:
    class Broken:
        broken = True

        def apply(self, entries: Any) -> Any:
            if self.broken:
                raise RuntimeError("a bug")
            return entries

    class BrokenBalancer:
        def pick(self, exchange: Any, candidates: Any) -> Any:
            raise RuntimeError("a bug")

        def learn(self, candidate: Any, outcome: Any, seconds: float) -> None:
            raise RuntimeError("a bug")

    transform = Broken()
    it = World(tmp_path, {"both": [FakeServer(tools=[ECHO]), FakeServer(tools=[ECHO])]})
    it.transforms["broken"] = transform
    it.profiles = {"default": {}, "odd": {"transforms": ["broken"]}}
    it.balancer = BrokenBalancer()  # type: ignore[assignment]
    async with started(it):
        await it.gateway.settled(2)
        assert code(await it.http(profile="odd").modern("tools/list").done()) == -32603
        transform.broken = False
        assert (await it.http(profile="odd").modern_result("tools/list"))["tools"] == [ECHO]
        assert code(await it.http().modern("tools/call", {"name": "echo"}).done()) == -32603
        assert (await it.http().modern_result("tools/list"))["tools"] == [ECHO]
