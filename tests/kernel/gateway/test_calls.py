"""Calls through the whole gateway, in memory: same era, across eras, failures."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json, RpcError
from tests.kernel.gateway.world import SDK_CAPS, World, started, world

ECHO = {
    "name": "echo",
    "description": "says it again",
    "x-unknown": {"b": 1, "a": [1.0, 2]},
}


@pytest.mark.parametrize("eras", [("legacy",), ("modern",), ("legacy", "modern")])
async def test_both_kinds_of_clients_call_every_kind_of_server(tmp_path: Path, eras: tuple[str, ...]) -> None:
    server = FakeServer(*eras, tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        modern = it.http()
        assert (await modern.modern_result("tools/list"))["tools"] == [ECHO]
        result = await modern.modern_result("tools/call", {"name": "echo", "arguments": {"a": 1}})
        assert result["resultType"] == "complete"
        assert result["content"] == [{"type": "text", "text": 'echo {"a": 1}'}]
        legacy = it.http()
        await legacy.initialize()
        assert await legacy.legacy_result("tools/list") == {"tools": [ECHO]}
        result = await legacy.legacy_result("tools/call", {"name": "echo", "arguments": {"a": 1}})
        assert result == {"content": [{"type": "text", "text": 'echo {"a": 1}'}]}


async def test_a_dual_server_is_spoken_to_in_its_callers_era(tmp_path: Path) -> None:
    server = FakeServer("legacy", "modern", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        await it.http().modern_result("tools/call", {"name": "echo"})
        assert [each.era for each in server.connections] == ["modern"]
        legacy = it.http()
        await legacy.initialize()
        await legacy.legacy_result("tools/call", {"name": "echo"})
        assert [each.era for each in server.connections] == ["modern", "legacy"]


async def test_ids_keep_their_type_and_requests_share_a_link(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await client.initialize()
        answers = [client.legacy("tools/call", {"name": "echo", "arguments": n}, id=id)
                   for n, id in enumerate(["x", 7, "7", 1.5])]  # fmt: skip
        assert [(await each.done())["id"] for each in answers] == ["x", 7, "7", 1.5]
        ids = [each["id"] for each in server.calls("tools/call")]
        assert len(set(ids)) == 4


async def test_errors_of_servers_reach_the_client_as_they_are(tmp_path: Path) -> None:
    server = FakeServer(tools=[ECHO])

    def fail(connection: FakeConnection, params: Json) -> Any:
        raise RpcError(-31999, "so sad", {"why": [1, 2]})

    server.methods["tools/call"] = fail
    async with world(tmp_path, one=server) as it:
        last = await it.http().modern("tools/call", {"name": "echo"}).done()
        assert last["error"] == {"code": -31999, "message": "so sad", "data": {"why": [1, 2]}}


async def test_a_lost_server_costs_its_own_calls_and_comes_back(tmp_path: Path) -> None:
    good, bad = FakeServer(tools=[ECHO]), FakeServer(tools=[{"name": "other"}])

    async def never(connection: FakeConnection, params: Json) -> Json:
        await asyncio.sleep(60)
        return {}

    bad.methods["tools/call"] = never
    async with world(tmp_path, good=good, bad=bad) as it:
        client = it.http()
        await client.modern_result("tools/list")
        pending = client.modern("tools/call", {"name": "other"})
        await asyncio.sleep(0.05)
        bad.open_connections()[0].die()
        error = (await pending.done())["error"]
        assert "bad" in error["message"]
        assert error["data"] == {"server": "bad"}
        assert "content" in await client.modern_result("tools/call", {"name": "echo"})
        await asyncio.sleep(1.0)
        names = [each["name"] for each in (await client.modern_result("tools/list"))["tools"]]
        assert names == ["echo", "other"]


async def test_a_server_that_is_down_is_missing_from_lists_and_named_in_errors(tmp_path: Path) -> None:
    good, bad = FakeServer(tools=[ECHO]), FakeServer(tools=[{"name": "other"}])
    bad.refuse_connections = True
    async with world(tmp_path, good=good, bad=bad) as it:
        client = it.http()
        tools = (await client.modern_result("tools/list"))["tools"]
        assert [each["name"] for each in tools] == ["echo"]
        assert it.gateway.status()["servers"]["bad"]["problem"] == "nobody is there"


async def test_a_silent_server_delays_lists_no_longer_than_startup_wait(tmp_path: Path) -> None:
    good, silent = FakeServer(tools=[ECHO]), FakeServer()
    silent.silent = True
    async with world(tmp_path, good=good, silent=silent) as it:
        began = asyncio.get_running_loop().time()
        tools = (await it.http().modern_result("tools/list"))["tools"]
        assert [each["name"] for each in tools] == ["echo"]
        assert asyncio.get_running_loop().time() - began < 1.0


async def test_a_legacy_question_goes_to_the_legacy_client_and_back(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def ask(connection: FakeConnection, params: Json) -> Json:
        answer = await connection.ask("elicitation/create", {"message": "name?"})
        return {"content": [{"type": "text", "text": str(answer["result"]["content"]["name"])}]}

    server.methods["tools/call"] = ask
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        pending = client.legacy("tools/call", {"name": "echo"})
        question = await pending.until_sent("elicitation/create")
        assert question["params"] == {"message": "name?"}
        client.answer(question, {"action": "accept", "content": {"name": "Ada"}})
        assert (await pending.done())["result"]["content"][0]["text"] == "Ada"


async def test_a_legacy_question_becomes_input_required_for_a_modern_client(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def ask(connection: FakeConnection, params: Json) -> Json:
        one = connection.ask("elicitation/create", {"message": "name?"})
        two = connection.ask("roots/list")
        return {
            "content": [],
            "structuredContent": {"one": (await one)["result"], "two": (await two)["result"]},
        }

    server.methods["tools/call"] = ask
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        asked = await client.modern_result("tools/call", {"name": "echo"})
        assert asked["resultType"] == "input_required"
        methods = {each["method"]: key for key, each in asked["inputRequests"].items()}
        assert set(methods) == {"elicitation/create", "roots/list"}
        answers = {
            methods["elicitation/create"]: {"action": "accept", "content": {}},
            methods["roots/list"]: {"roots": []},
        }
        retry = {"name": "echo", "inputResponses": answers, "requestState": asked["requestState"]}
        result = await client.modern_result("tools/call", retry)
        assert result["structuredContent"] == {
            "one": {"action": "accept", "content": {}},
            "two": {"roots": []},
        }
        again = await client.modern("tools/call", retry).done()
        assert again["error"]["code"] == -32602  # a state is good for one retry
        assert len(server.calls("tools/call")) == 1


async def test_a_modern_servers_question_is_put_to_a_legacy_client(tmp_path: Path) -> None:
    server = FakeServer("modern", tools=[ECHO])

    def ask(connection: FakeConnection, params: Json) -> Json:
        if "inputResponses" in params:
            assert params["requestState"] == "their state"
            return {"content": [], "structuredContent": params["inputResponses"]}
        question = {"method": "elicitation/create", "params": {"message": "name?"}}
        return {
            "resultType": "input_required",
            "inputRequests": {"n": question},
            "requestState": "their state",
        }

    server.methods["tools/call"] = ask
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        pending = client.legacy("tools/call", {"name": "echo"})
        question = await pending.until_sent("elicitation/create")
        client.answer(question, {"action": "decline"})
        assert (await pending.done())["result"] == {
            "content": [],
            "structuredContent": {"n": {"action": "decline"}},
        }


async def test_progress_carries_the_clients_own_token(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def slow(connection: FakeConnection, params: Json) -> Json:
        token = params["_meta"]["progressToken"]
        connection.tell("notifications/progress", {"progressToken": token, "progress": 1, "x": "kept"})
        return {"content": []}

    server.methods["tools/call"] = slow
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await client.initialize()
        pending = client.legacy("tools/call", {"name": "echo", "_meta": {"progressToken": "mine"}})
        await pending.done()
        assert pending.sent[0]["params"] == {"progressToken": "mine", "progress": 1, "x": "kept"}


async def test_cancelling_reaches_the_server_and_silences_the_answer(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def never(connection: FakeConnection, params: Json) -> Json:
        await asyncio.sleep(60)
        return {}

    server.methods["tools/call"] = never
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await client.initialize()
        pending = client.legacy("tools/call", {"name": "echo"}, id="c")
        await asyncio.sleep(0.05)
        client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c"}})
        assert await pending.done() is None
        await asyncio.sleep(0.02)
        assert server.open_connections()[-1].cancelled == [server.calls("tools/call")[0]["id"]]
        _answer, posting = client.modern_posting("tools/call", {"name": "echo"})
        await asyncio.sleep(0.05)
        posting.disconnected()
        await asyncio.sleep(0.02)
        assert len(server.calls("notifications/cancelled")) == 2


async def test_replicas_share_the_calls(tmp_path: Path) -> None:
    one, two = FakeServer(tools=[ECHO]), FakeServer(tools=[ECHO])
    async with world(tmp_path, both=[one, two]) as it:
        await it.gateway.settled(2)
        client = it.http()
        for _ in range(4):
            await client.modern_result("tools/call", {"name": "echo"})
        assert [len(each.calls("tools/call")) for each in (one, two)] == [2, 2]
        assert len(it.balancer.learned) == 4


async def test_filters_answer_change_and_are_contained(tmp_path: Path) -> None:
    from only1mcp_sdk import Exchange, Failure, Outcome, Result

    class Stern:
        place = "gateway"

        def before(self, exchange: Exchange) -> Outcome | None:
            if exchange.method != "tools/call":
                return None
            if exchange.arguments.get("text") == "no":
                return Failure.of(-32001, "refused")
            if exchange.arguments.get("text") == "boom":
                raise RuntimeError("a bug")
            exchange.arguments = {"text": "changed"}
            return None

        def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
            return (
                Result(outcome.raw[:-1] + b',"seen":true}', outcome.era)
                if isinstance(outcome, Result)
                else outcome
            )

    server = FakeServer(tools=[ECHO])
    it = World(tmp_path, {"one": server})
    it.filters["stern"] = Stern()  # type: ignore[assignment]
    async with started(it):
        client = it.http()
        result = await client.modern_result("tools/call", {"name": "echo", "arguments": {"text": "yes"}})
        assert result["content"][0]["text"] == 'echo {"text": "changed"}'
        assert result["seen"] is True
        refused = await client.modern("tools/call", {"name": "echo", "arguments": {"text": "no"}}).done()
        assert refused["error"] == {"code": -32001, "message": "refused"}
        broken = await client.modern("tools/call", {"name": "echo", "arguments": {"text": "boom"}}).done()
        assert broken["error"] == {"code": -32603, "message": "Internal error in filters.stern"}


async def test_a_retry_returns_to_the_replica_that_asked(tmp_path: Path) -> None:
    def asking(label: str) -> FakeServer:
        server = FakeServer("modern", tools=[ECHO])

        def ask(connection: FakeConnection, params: Json) -> Json:
            if "inputResponses" in params:
                return {"content": [], "by": label, "state": params["requestState"]}
            return {"resultType": "input_required", "inputRequests": {"r": {"method": "roots/list"}},
                    "requestState": f"state of {label}"}  # fmt: skip

        server.methods["tools/call"] = ask
        return server

    async with world(tmp_path, both=[asking("a"), asking("b")]) as it:
        await it.gateway.settled(2)
        client = it.http(capabilities=SDK_CAPS)
        asked = [await client.modern_result("tools/call", {"name": "echo"}) for _ in range(2)]
        for each, label in zip(asked, "ab", strict=True):
            retry = {
                "name": "echo",
                "inputResponses": {"r": {"roots": []}},
                "requestState": each["requestState"],
            }
            result = await client.modern_result("tools/call", retry)
            assert (result["by"], result["state"]) == (label, f"state of {label}")
        forged = {**retry, "requestState": "o1-forged"}
        last = await client.modern("tools/call", forged).done()
        assert last["error"]["code"] == -32602


async def test_a_server_that_ignores_discover_is_initialized(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def never(connection: FakeConnection, params: Json) -> Json:
        await asyncio.sleep(60)
        return {}

    server.methods["server/discover"] = never
    it = World(tmp_path, {"one": server})
    it.server_options = {"one": {"connect_timeout": 0.4}}
    async with started(it):
        assert await it.gateway.settled(2)
        assert it.gateway.status()["servers"]["one"]["eras"] == ["legacy"]


async def test_a_server_that_starts_slowly_is_not_taken_for_another_era(tmp_path: Path) -> None:
    server = FakeServer("modern", tools=[ECHO])

    async def slow(connection: FakeConnection, params: Json) -> Json:
        await asyncio.sleep(0.3)
        connection.era = "modern"
        return {"supportedVersions": ["2026-07-28"], "capabilities": server.capabilities}

    server.methods["server/discover"] = slow
    it = World(tmp_path, {"one": server})
    it.server_options = {"one": {"connect_timeout": 0.4}}
    async with started(it):
        assert await it.gateway.settled(2)
        assert it.gateway.status()["servers"]["one"]["eras"] == ["modern"]


async def test_a_question_given_to_a_call_that_ends_at_once_finds_the_right_one(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=[ECHO])

    async def work(connection: FakeConnection, params: Json) -> Json:
        await asyncio.sleep(0.05 if params["arguments"]["ask"] else 60)
        answered = connection.ask("elicitation/create", {"message": "?"})
        quick = server.calls("tools/call")[1][
            "id"
        ]  # taken for the one that asks, and answered in the same breath
        connection.deliver({"jsonrpc": "2.0", "id": quick, "result": {"content": []}})
        return {"content": [], "heard": (await answered)["result"]}

    server.methods["tools/call"] = work
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        asking = client.legacy("tools/call", {"name": "echo", "arguments": {"ask": True}})
        quick = client.legacy("tools/call", {"name": "echo", "arguments": {"ask": False}})
        assert (await quick.done())["result"] == {"content": []}
        question = await asking.until_sent("elicitation/create")
        client.answer(question, {"action": "decline"})
        assert (await asking.done())["result"]["heard"] == {"action": "decline"}
