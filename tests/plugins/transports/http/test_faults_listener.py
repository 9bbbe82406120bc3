"""What clients do wrong, to the byte, and that nothing is left of it: both lanes refuse it alike, answer nobody else's
request, and count down to nothing afterwards."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from only1mcp_sdk import Listener
from only1mcp_sdk.flow import Pipe
from only1mcp_transports.http import aiohttp_server
from tests.plugins.transports.http import listening as lanes
from tests.plugins.transports.http.hostile import BEHIND, CHUNKED, HOSTILE
from tests.plugins.transports.http.listening import (
    POST,
    Client,
    Reply,
    ScriptedGate,
    client,
    head,
    listening,
    post,
    silent,
)
from tests.plugins.transports.http.test_lanes import lane_of

BOTH_LANES = True


class Source:
    """An `only1mcp_sdk.Source` that counts."""

    def __init__(self) -> None:
        self.paused = 0
        self.aborted = 0

    def pause(self) -> None:
        self.paused += 1

    def resume(self) -> None:
        self.paused = 0

    def abort(self) -> None:
        self.aborted += 1


@asynccontextmanager
async def clean(gate: ScriptedGate, **options: Any) -> AsyncIterator[Listener]:
    """In the end no connection is left and nothing is held."""
    async with listening(gate, **options) as listener:
        yield listener
        lane = lane_of(listener)
        async with asyncio.timeout(5):
            while lane.connections or any(True for _ in lane._pending()):
                await asyncio.sleep(0.005)
        assert lane._buffers.held == 0


def reset(it: Client) -> None:
    """End the connection with RST."""
    made = it.writer.get_extra_info("socket")
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    it.writer.transport.abort()


async def statuses(it: Client, count: int) -> list[int]:
    """Those of the answers that come, until that many have, or the connection ends."""
    found: list[int] = []
    try:
        while len(found) < count:
            reply = await it.reply()
            await reply.body()
            found.append(reply.status)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    return found


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


# -- what may be understood in two ways


@pytest.mark.parametrize("whole", [True, False], ids=["at once", "in pieces"])
async def test_nothing_gets_in_behind_what_is_hostile(whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp_server, "LINGER_SECONDS", 0.1)
    gate = ScriptedGate()
    async with clean(gate, body_timeout=0.1) as listener:
        for name, (sent, expected) in HOSTILE.items():
            gate.bodies.clear()
            async with client(listener) as it:
                data = sent + BEHIND
                for piece in pieces(data, len(data) if whole else max(1, len(data) // 40)):
                    it.send(piece)
                    await asyncio.sleep(0)
                found = await statuses(it, len(expected))
                if len(expected) == 1:
                    # What is still sent after a refusal may have the refusal lost to a reset. And chunks that break
                    # after a while are waited for, as if they were slow.
                    assert found == expected or (found in ([], [408]) and not whole), name
                    assert await it.ended(), name
                    assert not gate.bodies, name
                else:
                    assert found == expected, name
                    assert gate.bodies == [b"{}"] * (found[0] == 200) + [b"[1]"] * (len(found) - 2) + [
                        b"[666]"
                    ], name


@pytest.mark.parametrize("sent", [b"\r\n", b"\r\n\r\n"])
async def test_empty_lines_before_a_request_are_skipped(sent: bytes) -> None:
    async with clean(ScriptedGate()) as listener, client(listener) as it:
        for _ in range(3):
            it.send(sent + post())
            assert (await it.reply()).status == 200
            await it.reader.readexactly(8)


async def test_endless_heads_and_chunks_are_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    if not lanes.default_lane:
        pytest.skip("all of these are aiohttp's on either lane")
    monkeypatch.setattr(aiohttp_server, "LINGER_SECONDS", 0.1)
    gate = ScriptedGate()
    gate.message_limit = 100_000
    endless = {
        "a head": (head("POST", "/mcp", POST)[:-2], b"X-A: b\r\n"),
        "a line": (head("POST", "/mcp", POST)[:-2] + b"X: ", b"x" * 1000),
        "a target": (b"POST /", b"x" * 1000),
        "a body": (head("POST", "/mcp", CHUNKED), b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
        "an extension": (head("POST", "/mcp", CHUNKED) + b"2;", b"x" * 1000),
        "trailers": (head("POST", "/mcp", CHUNKED) + b"2\r\n{}\r\n0\r\n", b"X: y\r\n" * 100),
        "a number": (head("POST", "/mcp", POST)[:-2] + b"Content-Length: ", b"0" * 1000),
    }
    async with clean(gate, head_timeout=0.1, body_timeout=0.1) as listener:
        for name, (start, more) in endless.items():
            async with client(listener) as it:
                it.send(start)
                closed = asyncio.create_task(it.received())
                async with asyncio.timeout(3):
                    while not closed.done():
                        it.send(more)
                        await asyncio.sleep(0.0005)
                assert await closed < 1000, name
    assert not gate.bodies


# -- connections that end


STAGES = {
    "nothing": b"",
    "within the head": post()[:20],
    "within the body": post(b"x" * 200_000)[:-50],
    "within a chunk": head("POST", "/mcp", CHUNKED) + b"30d40\r\n" + b"x" * 150_000,
    "between chunks": head("POST", "/mcp", CHUNKED) + b"1\r\n{\r\n",
    "before the answer": post(),
    "before an answer to chunks": head("POST", "/mcp", CHUNKED) + b"2\r\n{}\r\n0\r\n\r\n",
    "with more behind": post() + post(b"[1]") + post(b"[2]"),
    "with something odd behind": post() + head("OPTIONS", "/mcp", POST[:1]) + post(b"[2]"),
    "with half of one behind": post() + post(b"x" * 200_000)[:-50],
}


@pytest.mark.parametrize("stage", STAGES)
async def test_a_reset(stage: str) -> None:
    gate = ScriptedGate(silent)
    # Where reading is paused, it takes a look from time to time to see it: a sixth of a second here.
    async with clean(gate, head_timeout=0.5) as listener, client(listener) as it:
        it.send(STAGES[stage])
        started = "before" in stage or "behind" in stage
        if started:
            await gate.asked.wait()
        else:
            await asyncio.sleep(0.03)
        reset(it)
        if started:
            async with asyncio.timeout(2):
                await gate.postings[0].gone.wait()
            gate.answers[0].finish(b"nobody reads this")
        await asyncio.sleep(0.01)
        assert len(gate.bodies) == started
        assert [each.left for each in gate.postings] == [1] * started


async def test_a_reset_within_an_event_stream() -> None:
    gate = ScriptedGate(lambda answer: answer.send(b'{"first":1}'))
    async with clean(gate) as listener, client(listener) as it:
        it.send(post())
        await (await it.reply()).chunk()
        gate.answers[0].send(b"x" * 3_000_000)
        await asyncio.sleep(0.01)
        reset(it)
        async with asyncio.timeout(2):
            await gate.postings[0].gone.wait()
        gate.answers[0].send(b"more")
        gate.answers[0].finish(b"end")
    assert [each.left for each in gate.postings] == [1]


async def test_half_closed_behind_several_requests() -> None:
    """All of them are answered, and then the connection is closed."""
    gate = ScriptedGate()
    async with clean(gate) as listener, client(listener) as it:
        it.send(post(b"1") + post(b"2") + post(b"3"))
        it.writer.write_eof()
        assert await statuses(it, 4) == [200, 200, 200]
        assert gate.bodies == [b"1", b"2", b"3"]


@pytest.mark.parametrize("odd", [False, True])
async def test_half_closed_behind_several_requests_that_take_time(odd: bool) -> None:
    """An odd one has nothing behind it: aiohttp closes after the one it is at."""
    if not lanes.default_lane:
        pytest.skip("aiohttp closes after the one it is at")
    gate = ScriptedGate(silent)
    last = head("POST", "/mcp", CHUNKED) + b"1\r\n3\r\n0\r\n\r\n" if odd else post(b"3")
    async with clean(gate) as listener, client(listener) as it:
        it.send(post(b"1") + post(b"2") + last)
        it.writer.write_eof()
        for number in range(3):
            async with asyncio.timeout(2):
                while len(gate.answers) <= number:
                    await asyncio.sleep(0.005)
            gate.answers[number].finish(b"[%d]" % number)
        assert await statuses(it, 4) == [200, 200, 200]
        assert gate.bodies == [b"1", b"2", b"3"]
    assert [each.left for each in gate.postings] == [0, 0, 0]


async def test_half_closed_within_a_request() -> None:
    gate = ScriptedGate()
    for sent in (post()[:-1], post()[:30], head("POST", "/mcp", CHUNKED) + b"1\r\n{"):
        async with clean(gate) as listener, client(listener) as it:
            it.send(sent)
            it.writer.write_eof()
            assert all(status >= 400 for status in await statuses(it, 2))
    assert not gate.bodies


# -- results that go on as they come


def pouring(pipes: list[Pipe], source: Source) -> ScriptedGate:
    def script(answer: Any) -> None:
        pipe = answer.pour(source)
        if pipe is None:
            answer.finish(b"whole")
        else:
            pipe.write(b'{"start":"')
            pipes.append(pipe)

    return ScriptedGate(script)


@asynccontextmanager
async def poured(source: Source) -> AsyncIterator[tuple[Client, Reply, Pipe, ScriptedGate]]:
    """A result on its way, with one more request behind it. On the general lane there is none: it is skipped."""
    if not lanes.default_lane:
        pytest.skip("only the fast lane pours")
    pipes: list[Pipe] = []
    gate = pouring(pipes, source)
    async with clean(gate) as listener, client(listener) as it:
        it.send(post(b"1") + post(b"2"))
        reply = await it.reply()
        yield it, reply, pipes[0], gate


async def test_a_poured_result_and_the_request_behind_it() -> None:
    async with poured(Source()) as (it, reply, pipe, gate):
        await asyncio.sleep(0.02)
        assert gate.bodies == [b"1"], "one after the other"
        gate.script = lambda answer: answer.finish(b"second")
        pipe.write(b"x" * 100_000)
        pipe.end()
        assert len(await reply.body()) == 100_010
        assert await (await it.reply()).body() == b"second"
        assert gate.bodies == [b"1", b"2"]


async def test_a_reset_within_a_poured_result() -> None:
    source = Source()
    async with poured(source) as (it, _, pipe, gate):
        for _ in range(40):
            pipe.write(b"x" * 500_000)
        await asyncio.sleep(0.02)
        assert source.paused
        reset(it)
        async with asyncio.timeout(2):
            while source.paused and not source.aborted:
                await asyncio.sleep(0.005)
        for _ in range(10):
            pipe.write(b"y" * 500_000)
        assert not source.paused, "nobody is held up for a client that is gone"
        pipe.end()
        assert gate.bodies == [b"1"]


async def test_a_poured_result_that_breaks_off_ends_the_connection() -> None:
    async with poured(Source()) as (it, reply, pipe, gate):
        pipe.write(b"x" * 10)
        pipe.fail("the server is gone")
        pipe.write(b"y")
        pipe.end()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ValueError)):
            await reply.body()
        assert await it.ended()
        assert gate.bodies == [b"1"], "what was behind it is not answered in its place"


async def test_half_closed_within_a_poured_result() -> None:
    async with poured(Source()) as (it, reply, pipe, gate):
        it.writer.write_eof()
        await asyncio.sleep(0.02)
        gate.script = lambda answer: answer.finish(b"second")
        pipe.write(b"x" * 100_000)
        pipe.end()
        assert len(await reply.body()) == 100_010
        assert await (await it.reply()).body() == b"second"
        assert await it.ended()


async def test_a_client_that_does_not_read_a_poured_result() -> None:
    source = Source()
    pipes: list[Pipe] = []
    if not lanes.default_lane:
        pytest.skip("only the fast lane pours")
    async with clean(pouring(pipes, source), send_timeout=0.2) as listener, client(listener) as it:
        it.send(post())
        await it.reply()
        it.writer.transport.pause_reading()  # type: ignore[attr-defined]
        while not source.paused:
            pipes[0].write(b"x" * 500_000)
        async with asyncio.timeout(5):
            while lane_of(listener).connections:
                await asyncio.sleep(0.02)
        pipes[0].write(b"x")
        pipes[0].end()
        assert not source.paused
