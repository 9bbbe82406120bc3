"""Bounds on what is under way: what is too much is refused at once, and nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from only1mcp_sdk import Arrival
from tests.kernel.gateway.servers import FakeServer, Json
from tests.kernel.gateway.world import HttpClient, Recorder, World, started, until

CALL = {"name": "work", "arguments": {}}


@asynccontextmanager
async def bounded(directory: Path, go_on: asyncio.Event, **limits: int) -> AsyncIterator[World]:
    """A world with one tool, that answers when told to."""
    server = FakeServer(tools=[{"name": "work"}])

    async def work(*_: object) -> Json:
        await go_on.wait()
        return {"content": []}

    server.methods["tools/call"] = work
    it = World(directory, {"one": server})
    it.authenticated, it.limits = True, limits
    async with started(it):
        await it.gateway.settled(2)
        yield it


async def client(it: World, era: str, token: str) -> HttpClient:
    made = it.http(token=token)
    if era == "legacy":
        await made.initialize()
    return made


def call(made: HttpClient) -> Recorder:
    return made.legacy("tools/call", CALL) if made.session else made.modern("tools/call", CALL)


def refused(answer: Recorder) -> None:
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.last["error"]["code"] == -32000
    assert "id" in answer.last


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_one_client_cannot_take_it_all(tmp_path: Path, era: str) -> None:
    go_on = asyncio.Event()
    async with bounded(tmp_path, go_on, in_flight_per_client=2) as it:
        greedy, modest = await client(it, era, "greedy"), await client(it, era, "modest")
        held = [call(greedy), call(greedy)]
        refused(call(greedy))
        held.append(call(modest))
        go_on.set()
        for answer in held:
            assert "result" in await answer.done()
        assert "result" in await call(greedy).done()  # there is room again


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_all_together_are_bounded_and_a_refusal_takes_no_place(tmp_path: Path, era: str) -> None:
    go_on = asyncio.Event()
    async with bounded(tmp_path, go_on, in_flight=2) as it:
        clients = [await client(it, era, name) for name in "abc"]
        held = [call(clients[0]), call(clients[1])]
        for _ in range(5):
            refused(call(clients[2]))
        go_on.set()
        for answer in held:
            assert "result" in await answer.done()
        assert "result" in await call(clients[2]).done()


async def test_what_was_given_up_makes_room(tmp_path: Path) -> None:
    async with bounded(tmp_path, asyncio.Event(), in_flight=2) as it:
        legacy, modern = await client(it, "legacy", "a"), await client(it, "modern", "b")
        legacy.legacy("tools/call", CALL, id=5)
        _, posting = modern.modern_posting("tools/call", CALL)
        refused(call(legacy))
        legacy.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}})
        posting.disconnected()
        assert [call(legacy).status, call(modern).status] == [0, 0]  # both wait for the server


async def test_open_streams_are_bounded_for_each_client(tmp_path: Path) -> None:
    async with bounded(tmp_path, asyncio.Event(), streams_per_client=2) as it:
        one, other = await client(it, "legacy", "a"), await client(it, "legacy", "b")
        listening = it.http(token="a").modern_posting("subscriptions/listen", {"notifications": {}})
        _, first = one.stream()
        answer, _ = one.stream()
        refused(answer)
        answer, _ = other.stream()
        assert answer.status == 0
        first.disconnected()
        answer, _ = one.stream()
        assert answer.status == 0
        listening[1].disconnected()
        answer, _ = one.stream()
        assert answer.status == 0
        answer, _ = one.stream()
        refused(answer)
        arrival = Arrival("http", "default", {**one.headers, **one.session})
        it.gateway.gate.end(arrival, Recorder())  # ends its streams, too
        again = await client(it, "legacy", "a")
        answer, _ = again.stream()
        assert answer.status == 0


async def test_a_stream_that_is_taken_up_again_is_counted_once(tmp_path: Path) -> None:
    async with bounded(tmp_path, asyncio.Event(), streams_per_client=2) as it:
        one = await client(it, "legacy", "a")
        answer, _ = one.stream()
        await until(lambda: answer.events)
        for _ in range(5):
            answer, _ = one.stream(answer.events[0][0])
            assert answer.status == 0
        assert it.gateway._streams.total == 1
