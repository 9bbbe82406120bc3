"""Large results on their way from a server to a client in pieces."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from only1mcp_sdk import Arrival, Exchange, Outcome, Pipe, Place, Poured, Source
from tests.kernel.gateway.servers import META, FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import HttpClient, Recorder, World, started, until

CALL = {"name": "big", "arguments": {}}
RESULT = {"resultType": "complete", "content": [{"type": "text", "text": "x" * 200_000 + '"\\\n'}]}


class Flow:
    """A `Source` that keeps count."""

    def __init__(self) -> None:
        self.aborted = 0

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abort(self) -> None:
        self.aborted += 1


class Bucket:
    """A `Pipe` that keeps everything."""

    def __init__(self) -> None:
        self.content = b""
        self.ended = False
        self.problem: str | None = None

    def write(self, piece: bytes | memoryview) -> None:
        assert not self.ended
        self.content += piece

    def end(self) -> None:
        self.ended = True

    def fail(self, problem: str) -> None:
        self.problem = problem


class Taker(Recorder):
    """An `Answer` that takes its last message in pieces."""

    bucket: Bucket | None = None

    def pour(self, source: Source, headers: Mapping[str, str] = {}) -> Any:
        self.finished.set()  # nothing that comes now is of any use
        self.bucket = Bucket()
        return self.bucket


class Pourer(FakeConnection):
    """Answers calls when and how the test says."""

    called: ClassVar[list[int]] = []

    def _take(self, message: Json) -> None:
        if message.get("method") == "tools/call":
            self.called.append(message["id"])
        else:
            super()._take(message)

    def start(self, body: bytes, at: int) -> tuple[Pipe | None, Flow]:
        flow = Flow()
        return self.inbox.arriving(body[:at], flow, self.called[-1]), flow

    def pour(self, body: bytes, at: int = 300) -> Flow:
        """The whole of it, in pieces."""
        pipe, flow = self.start(body, at)
        assert pipe is not None
        for begin in range(at, len(body), 30_000):
            pipe.write(body[begin : begin + 30_000])
        pipe.end()
        return flow

    def response(self, result: Any = RESULT, **other: Any) -> bytes:
        return json.dumps({"jsonrpc": "2.0", "id": self.called[-1], "result": result, **other}).encode()


class Watching:
    """A filter that keeps what it saw."""

    place: Place = "server"
    reads_results = False

    def __init__(self) -> None:
        self.seen: list[Outcome] = []

    def before(self, exchange: Exchange) -> None: ...

    def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
        self.seen.append(outcome)
        return outcome


class Reading(Watching):
    """One that says nothing of itself: it may read results."""

    reads_results = True


@asynccontextmanager
async def pouring(
    directory: Path, server: str, client: str, **filters: Watching
) -> AsyncIterator[tuple[World, HttpClient, Taker, Pourer]]:
    """A call under way, at a server that waits to be told how to answer it."""
    fake = FakeServer(server, tools=[{"name": "big"}])
    fake.connection_type = Pourer
    it = World(directory, {"one": fake})
    it.filters = dict(filters)
    async with started(it):
        await it.gateway.settled(2)
        made, answer = it.http(), Taker()
        if client == "legacy":
            await made.initialize()
        Pourer.called = []
        call(made, answer)
        await until(lambda: Pourer.called)
        (connection,) = [
            each for each in fake.connections if isinstance(each, Pourer) and each.open and each.called
        ]
        yield it, made, answer, connection


def call(client: HttpClient, answer: Taker) -> None:
    """A call with this answer."""
    message: Json = {"jsonrpc": "2.0", "id": "mine", "method": "tools/call", "params": dict(CALL)}
    headers = {**client.headers, **client.session}
    if not client.session:
        message["params"]["_meta"] = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
        headers |= {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "big"}
    client.gateway.gate.post(Arrival("http", "default", headers), json.dumps(message).encode(), answer)


def nothing_left(it: World) -> bool:
    generation = it.gateway._in_force()
    endpoints = [each for server in generation.servers.values() for each in server.endpoints]
    waiting = [one for each in endpoints for link in each.links for one in link.waiting]
    busy = [each for each in endpoints if each.in_flight]
    listening = 1  # a modern anchor's own stream
    return len(waiting) <= listening and not busy and it.gateway._requests.total == 0


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_it_arrives_whole_and_with_the_clients_id(tmp_path: Path, era: str) -> None:
    watching = Watching()
    async with pouring(tmp_path, era, era, watching=watching) as (it, _, answer, server):
        server.pour(server.response())
        assert answer.bucket is not None
        assert json.loads(answer.bucket.content) == {"jsonrpc": "2.0", "id": "mine", "result": RESULT}
        assert answer.bucket.ended
        (seen,) = watching.seen
        assert isinstance(seen, Poured)
        assert seen.size == len(json.dumps(RESULT))
        assert nothing_left(it)


async def test_the_id_may_come_last(tmp_path: Path) -> None:
    async with pouring(tmp_path, "legacy", "legacy") as (_, _, answer, server):
        message = {"result": RESULT, "jsonrpc": "2.0", "id": server.called[-1]}
        server.pour(json.dumps(message).encode())
        assert answer.bucket is not None
        assert json.loads(answer.bucket.content)["result"] == RESULT


@pytest.mark.parametrize(
    ("server", "client", "result"),
    [
        ("modern", "legacy", RESULT),
        ("legacy", "modern", RESULT),
        ("modern", "modern", {"content": [], "x": 1}),
    ],
)
async def test_what_has_to_be_changed_is_collected(
    tmp_path: Path, server: str, client: str, result: Json
) -> None:
    async with pouring(tmp_path, server, client) as (_, _, answer, connection):
        pipe, _ = connection.start(connection.response(result), 100)
        assert pipe is None
        connection.deliver({"jsonrpc": "2.0", "id": connection.called[-1], "result": RESULT})
        assert (await answer.done())["id"] == "mine"


async def test_a_filter_that_may_read_results_gets_them_whole(tmp_path: Path) -> None:
    reading = Reading()
    async with pouring(tmp_path, "legacy", "legacy", reading=reading) as (_, _, answer, server):
        pipe, _ = server.start(server.response(), 300)
        assert pipe is None
        server.deliver(json.loads(server.response()))
        assert (await answer.done())["result"] == RESULT


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("broken", ["another id", "more behind it", "cut off"])
async def test_a_broken_one_breaks_the_answer_off(tmp_path: Path, era: str, broken: str) -> None:
    async with pouring(tmp_path, era, era) as (it, _, answer, server):
        body = {
            "another id": server.response(id=999),
            "more behind it": server.response(method="sampling/createMessage"),
            "cut off": server.response()[:150_000],
        }[broken]
        server.pour(body)
        assert answer.bucket is not None
        assert answer.bucket.problem
        assert not answer.bucket.ended
        assert nothing_left(it)


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_lost_server_breaks_the_answer_off(tmp_path: Path, era: str) -> None:
    async with pouring(tmp_path, era, era) as (it, _, answer, server):
        pipe, _ = server.start(server.response(), 5000)
        assert pipe is not None
        pipe.fail("the connection broke")
        assert answer.bucket is not None
        assert answer.bucket.problem == "the connection broke"
        assert nothing_left(it)


async def test_a_cancelled_one_stops_at_the_server(tmp_path: Path) -> None:
    async with pouring(tmp_path, "legacy", "legacy") as (it, client, answer, server):
        pipe, flow = server.start(server.response(), 5000)
        assert pipe is not None
        client.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "mine"}})
        assert answer.bucket is not None
        assert answer.bucket.problem
        assert flow.aborted
        assert nothing_left(it)
        before = answer.bucket.content
        pipe.write(b"x" * 5000)
        pipe.end()
        assert answer.bucket.content == before


async def test_a_server_that_is_gone_breaks_it_off(tmp_path: Path) -> None:
    async with pouring(tmp_path, "legacy", "legacy") as (_, _, answer, server):
        pipe, flow = server.start(server.response(), 5000)
        assert pipe is not None
        server.die()
        assert answer.bucket is not None
        assert answer.bucket.problem
        assert flow.aborted
