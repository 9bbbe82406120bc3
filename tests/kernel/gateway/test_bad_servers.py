"""Servers that do not keep to the protocol, on a link that two principals share: nothing of the one's reaches the
other, and the other's calls go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import SDK_CAPS, HttpClient, Recorder, World, started, until

TOOLS: list[Json] = [{"name": "bad"}, {"name": "good"}]
NO_MESSAGES = [
    b"",
    b"x",
    b"[]",
    b'{"jsonrpc":"2.0"',
    b"\xff",
    b'{"id":1}',
    b"[" * 100_000,
    b"null",
    b'"secret"',
]
LOG_ALL = {"io.modelcontextprotocol/logLevel": "debug"}


class Two:
    """Alice, who calls the bad tool, and Bob, who has a session, a stream of it and a call of his own under way."""

    def __init__(self, it: World, server: FakeServer) -> None:
        self.server = server
        self.alice = it.http(token="alice", capabilities=SDK_CAPS)
        self.bob = it.http(token="bob", capabilities=SDK_CAPS)
        self.modern_bob = it.http(token="bob", capabilities=SDK_CAPS)
        self.go_on = asyncio.Event()
        self.ears: list[Recorder] = []

    async def meet(self) -> None:
        await self.bob.initialize()
        stream, _ = self.bob.stream()
        self.ears.append(stream)
        arguments = {"name": "good", "arguments": {"of": "bob"}}
        self.ears.append(self.bob.legacy("tools/call", {**arguments, "_meta": {"progressToken": "b"}}))
        self.ears.append(
            self.modern_bob.modern("tools/call", arguments, meta={**LOG_ALL, "progressToken": "m"})
        )
        await until(lambda: len(self.server.calls("tools/call")) == 2)

    def call(self, client: HttpClient | None = None) -> Recorder:
        params = {"name": "bad", "arguments": {"of": "alice"}}
        return (client or self.alice).modern("tools/call", params, meta={**LOG_ALL, "progressToken": "a"})

    async def nothing_happened_to_bob(self) -> None:
        """He hears his own answers, and nothing else."""
        self.go_on.set()
        for ear in self.ears[1:]:
            last = await ear.done()
            assert last["result"]["content"] == [{"type": "text", "text": "bob"}]
        await asyncio.sleep(0.05)
        said = json.dumps([ear.sent for ear in self.ears])
        assert "secret" not in said
        assert all(each.get("method") is None for ear in self.ears for each in ear.sent), said


@asynccontextmanager
async def two(
    tmp_path: Path, bad: Callable[[FakeConnection, Any], Any], isolation: str
) -> AsyncIterator[Two]:
    """`bad` serves Alice's call: given the connection and the request's id."""
    server = FakeServer("legacy", tools=TOOLS)
    it = World(tmp_path, {"one": server})
    it.authenticated = True
    it.server_options = {"one": {"isolation": isolation, "call_timeout": 1.0}}
    async with started(it):
        await it.gateway.settled(2)
        both = Two(it, server)

        async def good() -> Json:
            await both.go_on.wait()
            return {"content": [{"type": "text", "text": "bob"}]}

        def call(connection: FakeConnection, params: Json) -> Any:
            if params["name"] == "good":
                return good()
            return bad(connection, server.calls("tools/call")[-1]["id"])

        server.methods["tools/call"] = call
        await both.meet()
        yield both


both_ways = pytest.mark.parametrize("isolation", ["shared", "principal"])


@both_ways
async def test_it_answers_twice_and_what_nobody_asked(tmp_path: Path, isolation: str) -> None:
    def bad(connection: FakeConnection, id: Any) -> Any:
        for each, text in [
            (id, "first"),
            (id, "secret"),
            (10**9, "secret"),
            ("x", "secret"),
            (None, "secret"),
        ]:
            content = [{"type": "text", "text": text}]
            connection.deliver({"jsonrpc": "2.0", "id": each, "result": {"content": content}})
        connection.deliver({"jsonrpc": "2.0", "id": 10**9, "error": {"code": 1, "message": "secret"}})
        return {"content": [{"type": "text", "text": "secret"}]}

    async with two(tmp_path, bad, isolation) as both:
        last = await both.call().done()
        assert last["result"]["content"] == [{"type": "text", "text": "first"}]
        await both.nothing_happened_to_bob()


async def test_one_bad_message_of_a_batch_costs_itself(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=TOOLS)

    def call(connection: FakeConnection, params: Json) -> Any:
        id = server.calls("tools/call")[-1]["id"]
        if params["name"] == "bad":  # an answer with neither a result nor an error
            connection.inbox.received(b'[7, {"jsonrpc":"2.0","id":%d}]' % id, None)
        else:
            answer = b'{"jsonrpc":"2.0","id":%d,"result":{"content":[]}}' % id
            connection.inbox.received(b'[{"jsonrpc":"1.0"}, ' + answer + b", null]", None)
        return {"content": [{"type": "text", "text": "late"}]}

    server.methods["tools/call"] = call
    it = World(tmp_path, {"one": server})
    async with started(it):
        await it.gateway.settled(2)
        client = it.http()
        assert (await client.modern_result("tools/call", {"name": "good"}))["content"] == []
        last = await client.modern("tools/call", {"name": "bad"}).done()
        assert "not JSON-RPC" in last["error"]["message"]


@both_ways
async def test_it_notifies_strangers(tmp_path: Path, isolation: str) -> None:
    def bad(connection: FakeConnection, id: Any) -> Any:
        tokens: list[Any] = [10**9, "b", "m", "a", None, {}]
        for token in tokens:
            connection.tell(
                "notifications/progress", {"progressToken": token, "progress": 1, "message": "secret"}
            )
        connection.tell("notifications/cancelled", {"requestId": 10**9, "reason": "secret"})
        connection.tell("notifications/resources/updated", {"uri": "file:///secret"})
        connection.tell("notifications/elicitation/complete", {"elicitationId": "secret"})
        connection.tell("notifications/message", {"level": "error", "data": "secret"})
        connection.tell("notifications/of/its/own", {"data": "secret"})
        return {"content": []}

    async with two(tmp_path, bad, isolation) as both:
        assert "result" in await both.call().done()
        await both.nothing_happened_to_bob()


@both_ways
async def test_it_floods_progress(tmp_path: Path, isolation: str) -> None:
    def bad(connection: FakeConnection, id: Any) -> Any:
        for number in range(5000):
            params = {"progressToken": id, "progress": number, "message": "secret"}
            connection.tell("notifications/progress", params)
        return {"content": []}

    async with two(tmp_path, bad, isolation) as both:
        alice = both.call()
        assert "result" in await alice.done()
        assert len(alice.sent) <= 5000
        assert {each["params"]["progressToken"] for each in alice.sent} == {"a"}
        await both.nothing_happened_to_bob()


@both_ways
@pytest.mark.parametrize("how", ["cancelled", "timed out"])
async def test_it_works_on_after_nobody_waits(tmp_path: Path, isolation: str, how: str) -> None:
    asked: list[asyncio.Future[Json]] = []

    async def work(connection: FakeConnection) -> Json:
        await asyncio.sleep(1.2 if how == "timed out" else 0.1)
        methods = ("elicitation/create", "sampling/createMessage", "roots/list")
        asked.extend(connection.ask(method, {"message": "secret", "messages": []}) for method in methods)
        connection.tell("notifications/message", {"level": "error", "data": "secret"})
        return {"content": [{"type": "text", "text": "secret"}]}

    async with two(tmp_path, lambda connection, id: work(connection), isolation) as both:
        params = {"name": "bad", "arguments": {"of": "alice"}}
        alice, posting = both.alice.modern_posting("tools/call", params)
        await until(lambda: both.server.calls("tools/call")[-1]["params"]["name"] == "bad")
        if how == "cancelled":
            posting.disconnected()
            await until(
                lambda: both.server.connections[-1].cancelled or both.server.calls("notifications/cancelled")
            )
        await until(lambda: len(asked) == 3, 3)
        for answer in asked:  # each was turned down
            said = await asyncio.wait_for(answer, 2)
            assert said.get("result", {}).get("action") == "cancel" or "error" in said
        assert "secret" not in json.dumps([alice.sent, alice.last])
        both.ears = both.ears[:1] if how == "timed out" else both.ears  # Bob's calls ran out of time as well
        await both.nothing_happened_to_bob()


@both_ways
async def test_it_asks_what_nobody_declared(tmp_path: Path, isolation: str) -> None:
    answers: list[Json] = []

    async def work(connection: FakeConnection) -> Json:
        url = {"mode": "url", "url": "https://secret", "elicitationId": "1", "message": "?"}
        answers.append(await connection.ask("elicitation/create", url))
        answers.append(await connection.ask("x/secret"))
        answers.append(await connection.ask("sampling/createMessage", {"messages": [], "tools": []}))
        return {"content": []}

    async with two(tmp_path, lambda connection, id: work(connection), isolation) as both:
        last = await both.call().done()
        assert last["result"]["content"] == []
        assert answers[0]["result"] == {"action": "cancel"}
        assert [answer["error"]["code"] for answer in answers[1:]] == [-32601, -32601]
        await both.nothing_happened_to_bob()


@both_ways
async def test_it_says_what_is_no_message(tmp_path: Path, isolation: str) -> None:
    def bad(connection: FakeConnection, id: Any) -> Any:
        for raw in [
            b"",
            b"secret",
            b"[]",
            b'{"jsonrpc":"2.0"',
            b"\xff",
            b'{"id":1}',
            b"[" * 100_000,
            b"null",
            b'"secret"',
        ]:
            connection.inbox.received(raw, None)
        return {"content": []}

    async with two(tmp_path, bad, isolation) as both:
        assert "result" in await both.call().done()
        await both.nothing_happened_to_bob()


async def test_it_dies_with_a_question_open(tmp_path: Path) -> None:
    def bad(connection: FakeConnection, id: Any) -> Any:
        connection.ask("elicitation/create", {"message": "?"})

        async def never() -> Json:
            await asyncio.sleep(60)
            return {}

        return never()

    async with two(tmp_path, bad, "principal") as both:
        asked = (await both.call().done())["result"]
        next(each for each in both.server.open_connections() if each.asked).die()
        answers = {key: {"action": "accept", "content": {}} for key in asked["inputRequests"]}
        retry = {
            "name": "bad",
            "arguments": {"of": "alice"},
            "inputResponses": answers,
            "requestState": asked["requestState"],
        }
        for code in (-32603, -32602):  # the call is lost, and is not run again
            answer = both.alice.modern("tools/call", retry)
            assert (await answer.done())["error"]["code"] == code
        assert len([each for each in both.server.calls("tools/call") if each["params"]["name"] == "bad"]) == 1
        await both.nothing_happened_to_bob()
