"""Which lane serves what, and how a connection passes from one to the other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from only1mcp_sdk import Listener
from only1mcp_sdk.testing import Harness
from only1mcp_transports.http.fast.connection import Connection
from only1mcp_transports.http.fast.heads import Head, Place
from only1mcp_transports.http.fast.lane import Lane
from tests.plugins.transports.http.listening import (
    GET,
    HTTP,
    POST,
    Client,
    Fields,
    ScriptedGate,
    ask,
    changed,
    client,
    head,
    listening,
    post,
    silent,
)

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
CHUNKED = head("POST", "/mcp", [*POST, ("Transfer-Encoding", "chunked")]) + b"2\r\n{}\r\n0\r\n\r\n"
ODD = {
    "chunked": CHUNKED,
    "options": head("OPTIONS", "/mcp", POST[:1]),
    "elsewhere": post(target="/other"),
    "query": post(target="/mcp?x=1"),
    "escaped": post(target="/m%63p"),
    "closing": post(fields=[*POST, ("Connection", "close")]),
    "1.0": post().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "twice": post(fields=[*POST, ("X-A", "1"), ("x-a", "2")]),
    "host twice": post(fields=[*POST, ("Host", "127.0.0.1")]),
    "foreign host": post(fields=changed(POST, host="evil.example")),
    "folded": post(fields=[*POST, ("X-A", "1\r\n 2")]),
    "lone LF": post().replace(b"\r\n", b"\n"),
    "plus": head("POST", "/mcp", [*POST, ("Content-Length", "+2")]) + b"{}",
    "zeros": head("POST", "/mcp", [*POST, ("Content-Length", "02")]) + b"{}",
    "two lengths": head("POST", "/mcp", [*POST, ("Content-Length", "2"), ("Content-Length", "2")]) + b"{}",
    "both": head("POST", "/mcp", [*POST, ("Content-Length", "2"), ("Transfer-Encoding", "chunked")]) + b"{}",
    "not ASCII": post(fields=[*POST, ("X-A", "\u00e4")]),
    "nothing like it": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


SERVED: Counter[Lane] = Counter()
"""Requests that each lane has served."""


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    serve = Connection._serve

    def count(self: Connection, head: Head, place: Place, body: bytes) -> None:
        SERVED[self.lane] += 1
        serve(self, head, place, body)

    SERVED.clear()
    monkeypatch.setattr(Connection, "_serve", count)


def lane_of(listener: Listener) -> Lane:
    made: Any = listener
    found: Lane = made._server.lane
    return found


@asynccontextmanager
async def asked(gate: ScriptedGate, **options: Any) -> AsyncIterator[tuple[Lane, Client]]:
    async with listening(gate, **options) as listener, client(listener) as it:
        yield lane_of(listener), it


async def test_plain_requests_are_served_by_the_fast_lane() -> None:
    async with asked(ScriptedGate()) as (lane, it):
        for count in range(1, 6):
            it.send(post(b"{}" * count))
            assert await (await it.reply()).body() == b'{"ok":1}'
            assert SERVED[lane] == count
        (connection,) = lane.connections
        assert not connection.in_general


@pytest.mark.parametrize("length", [[], [("Content-Length", "0")], [("Content-Length", "2")]])
async def test_a_session_is_ended_by_the_fast_lane(length: Fields) -> None:
    """With the same answer as without one."""
    answers = []
    for fast in (True, False):
        gate = ScriptedGate()
        async with asked(gate, fast_lane=fast) as (lane, it):
            it.send(
                head("DELETE", "/mcp", [*POST[:1], *length]) + b"{}" * (("Content-Length", "2") in length)
            )
            reply = await it.reply()
            reply.headers.pop("date")
            answers.append((reply.status, reply.headers, len(gate.arrivals)))
            it.send(post())
            assert await (await it.reply()).body() == b'{"ok":1}'
            assert SERVED[lane] == 2 * fast
    assert answers == [(204, {"server": "only1mcp"}, 1)] * 2


async def test_none_where_it_is_switched_off() -> None:
    async with asked(ScriptedGate(), fast_lane=False) as (lane, it):
        for _ in range(3):
            it.send(post())
            assert await (await it.reply()).body() == b'{"ok":1}'
        assert SERVED[lane] == 0


@pytest.mark.parametrize("odd", ODD)
async def test_what_is_odd_is_not(odd: str) -> None:
    """And gets the same answer as without a fast lane."""
    answers = []
    for fast in (True, False):
        gate = ScriptedGate()
        async with listening(gate, fast_lane=fast) as listener:
            async with client(listener) as it, asyncio.timeout(5):
                it.send(ODD[odd])
                reply = await it.reply()
                body = await reply.body() if reply.status != 204 else b""
            assert SERVED[lane_of(listener)] == 0
        reply.headers.pop("date", None)
        answers.append((reply.status, reply.headers, body, gate.bodies))
    assert answers[0] == answers[1]


async def test_a_connection_comes_back() -> None:
    """Told by fields of aiohttp's that are its own business: this is what to look at after an update of it."""
    async with asked(ScriptedGate()) as (lane, it):
        for served in range(1, 4):
            it.send(CHUNKED)
            assert (await it.reply()).status == 200
            await it.reader.readexactly(8)
            (connection,) = lane.connections
            assert connection.in_general
            it.send(post())
            assert await (await it.reply()).body() == b'{"ok":1}'
            assert SERVED[lane] == served
            assert not connection.in_general


async def test_it_stays_while_aiohttp_is_at_work() -> None:
    gate = ScriptedGate(silent)
    async with asked(gate) as (lane, it):
        it.send(CHUNKED)
        await gate.asked.wait()
        it.send(post(b"[1]"))
        await asyncio.sleep(0.05)
        assert gate.bodies == [b"{}"]
        gate.script = lambda answer: answer.finish(b"2")
        gate.answers[0].finish(b"1")
        assert [await (await it.reply()).body() for _ in range(2)] == [b"1", b"2"]
        assert SERVED[lane] == 0


async def test_part_of_a_head_is_not_taken_for_rest() -> None:
    async with asked(ScriptedGate()) as (lane, it):
        it.send(b"OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        await asyncio.sleep(0.05)
        it.send(post())
        assert (await it.reply()).status == 400
        assert SERVED[lane] == 0


async def test_requests_in_one_go_are_answered_in_their_order() -> None:
    gate = ScriptedGate(silent)
    async with asked(gate) as (_, it):
        it.send(post(b"1") + post(b"2") + CHUNKED + post(b"3"))
        for number, body in enumerate((b"1", b"2", b"{}", b"3")):
            async with asyncio.timeout(5):
                while len(gate.bodies) <= number:
                    await asyncio.sleep(0.005)
            assert gate.bodies[number] == body
            gate.answers[number].finish(b"[%d]" % number)
            assert await (await it.reply()).body() == b"[%d]" % number


async def test_one_byte_at_a_time() -> None:
    async with asked(ScriptedGate()) as (lane, it):
        for byte in post(b"{}") + post(b"[]"):
            it.send(bytes([byte]))
            await asyncio.sleep(0)
        for _ in range(2):
            assert await (await it.reply()).body() == b'{"ok":1}'
        assert SERVED[lane] == 2


async def test_much_at_once_is_not_all_taken_in() -> None:
    gate = ScriptedGate(silent)
    async with asked(gate) as (lane, it):
        it.send(post())
        await gate.asked.wait()
        for _ in range(200):
            it.send(post(b"x" * 100_000))
        await asyncio.sleep(0.1)
        (connection,) = lane.connections
        assert len(connection._rest) < 2_000_000
        gate.script = lambda answer: answer.finish(b"1")
        gate.answers[0].finish(b"0")
        for number in range(201):
            assert await (await it.reply()).body() == (b"1" if number else b"0")


@pytest.mark.parametrize(
    "sent", [b"POST /mcp HT", post(b"x" * 100)[:-50], b"", b"DELETE /mcp HT", b"OPTIONS /mcp HT"]
)
async def test_a_client_that_takes_its_time_is_sent_away(sent: bytes) -> None:
    options = {"head_timeout": 0.1, "body_timeout": 0.1}
    async with listening(ScriptedGate(), **options) as listener:
        lane_of(listener).patience.next_request = 0.1
        async with client(listener) as it:
            it.send(sent)
            async with asyncio.timeout(3):
                said = await it.reader.read()
            assert said.startswith(b"HTTP/1.1 408") == (b"xxx" in sent)
        await asyncio.sleep(0.05)
        assert not lane_of(listener).connections


async def test_a_client_that_does_not_read_is_sent_away() -> None:
    gate = ScriptedGate(lambda answer: answer.finish(b"x" * 30_000_000))
    async with asked(gate, send_timeout=0.2) as (lane, it):
        it.send(post())
        async with asyncio.timeout(5):
            while lane.connections:
                await asyncio.sleep(0.05)


async def test_a_stream_is_opened_by_get() -> None:
    gate = ScriptedGate(silent)
    async with asked(gate) as (lane, it):
        it.send(head("GET", "/mcp", GET))
        assert (await it.reply()).headers["content-type"] == "text/event-stream"
        assert SERVED[lane] == 1


async def test_bodies_share_one_budget() -> None:
    async with listening(ScriptedGate()) as listener:
        lane = lane_of(listener)
        lane._buffers.limit = 150_000
        part = post(b"x" * 100_000)
        async with client(listener) as one:
            one.send(part[:-10])
            await asyncio.sleep(0.05)
            assert lane._buffers.held == 100_000
            reply, _ = await ask(
                listener, head("POST", "/mcp", [*POST, ("Content-Length", "100000")]) + b"x" * 70_000
            )
            assert (reply.status, reply.headers["retry-after"]) == (503, "1")
            one.send(part[-10:])
            assert (await one.reply()).status == 200
            assert lane._buffers.held == 0
            one.send(part[:-10])
            await asyncio.sleep(0.05)
            assert lane._buffers.held == 100_000
        await asyncio.sleep(0.05)
        assert lane._buffers.held == 0


async def test_clients_that_come_too_early_wait() -> None:
    with Harness() as harness:
        async with (
            harness.open(HTTP, {"port": 0}) as listener,
            client(listener) as one,
            client(listener) as two,
        ):
            one.send(post())
            two.send(post()[:20])
            await asyncio.sleep(0.05)
            listener.attach(ScriptedGate())
            assert (await one.reply()).status == 200
            two.send(post()[20:])
            assert (await two.reply()).status == 200
