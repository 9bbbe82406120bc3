"""Messages beyond `LARGE`: handed on as they come, or collected within the gateway's budget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from only1mcp_sdk import Pipe, Source
from only1mcp_sdk.flow import LARGE, Budget
from only1mcp_sdk.testing.fakes import RecordingInbox
from only1mcp_sdk.testing.harness import Harness
from only1mcp_transports.http import stream as streams_module
from only1mcp_transports.large import START, Pieces, Share
from tests.plugins.transports.http.scripted import HOLD, PIECES, Scripted, chunked, ok, saying
from tests.plugins.transports.http.upstream import (
    HEADERS,
    LANES,
    NOTE,
    OFFER,
    REQUEST,
    Lane,
    Line,
    clean,
    connected,
    event,
)

LOOPS = LANES
EVENTS = b"text/event-stream"
BIG = b'{"jsonrpc":"2.0","id":1,"result":{"a":"' + bytes(range(97, 123)) * 40_000 + b'"}}'
LIST = [BIG[at : at + 50_000] for at in range(0, len(BIG), 50_000)]


class Pouring(RecordingInbox):
    """An inbox that takes large messages in pieces; a `Pipe` itself, for the one there is at a time."""

    def __init__(self, takes: bool = True) -> None:
        super().__init__()
        self.takes = takes
        self.starts: list[bytes] = []
        self.poured = bytearray()
        self.source: Source | None = None
        self.ends: list[str] = []
        self.hold = False
        """Pause the source with each piece."""
        self.drop = False
        """Abort with the first piece."""

    def arriving(self, start: bytes, source: Source, stream: int) -> Pipe | None:
        self.starts.append(start)
        self.source = source
        self._arrived.set()
        if not self.takes:
            return None
        self.poured += start
        return self

    def write(self, piece: bytes | memoryview) -> None:
        assert piece
        assert not self.ends
        self.poured += piece
        self._arrived.set()
        assert self.source is not None
        if self.hold:
            self.source.pause()
            self.source.pause()
        if self.drop:
            self.source.abort()
            self.source.abort()

    def end(self) -> None:
        self.ends.append("")
        self._arrived.set()

    def fail(self, problem: str) -> None:
        assert problem
        self.ends.append(problem)
        self._arrived.set()


ANSWERS = {
    "length": ok(BIG),
    "chunks": chunked(*LIST),
    "one chunk": chunked(BIG),
    "to the end": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + BIG,
    "event": chunked(b"event: message\r\nid: 1\r\ndata: " + BIG + b"\r\n\r\n", type=EVENTS),
    "event in chunks": chunked(b"data:", *LIST, b"\r", b"\nid: 2\n", b"\n", type=EVENTS),
    "event with a length": ok(event(BIG), type=EVENTS),
    "event to the end": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event(BIG),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_it_is_handed_on_as_it_comes(answer: bytes) -> None:
    inbox = Pouring()
    # The pause tells the beginning from the rest, however quick the machine is.
    pieces: list[PIECES] = [answer[:90_000], 0.05, answer[90_000:], *until_the_end(answer)]
    async with clean(), saying(pieces) as server, connected(server.url, inbox) as line:
        line.connection.send(REQUEST, HEADERS, 1)
        await inbox.wait_for(lambda: bool(inbox.starts))
        assert inbox.ends == []
        assert START <= len(inbox.starts[0]) <= LARGE
        assert await line.ending(1) == ""
        assert inbox.poured == BIG
        assert inbox.ends == [""]
        assert len(inbox.starts) == 1
        assert inbox.messages == []
        assert inbox.source is not None
        for late in (inbox.source.pause, inbox.source.resume, inbox.source.abort):
            late()
        inbox.ends.clear()
        assert await line.ask(stream=2) == ""
        assert inbox.poured == BIG * 2


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_it_is_collected_where_it_must_be_whole(answer: bytes) -> None:
    inbox = Pouring(takes=False)
    pieces: list[PIECES] = [answer[:90_000], 0.02, answer[90_000:], *until_the_end(answer)]
    async with limited(1 << 21, inbox, pieces) as (
        line,
        budget,
        _,
    ):
        assert await line.ask() == ""
        assert inbox.messages == [(BIG, 1)]
        assert len(inbox.starts) == 1
        assert budget.held == 0


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_there_must_be_room_for_it(answer: bytes) -> None:
    async with limited(500_000, RecordingInbox(), [answer, *until_the_end(answer)]) as (line, budget, server):
        assert "the gateway holds too many of those already" in await line.ask()
        assert line.inbox.messages == []
        await asyncio.wait_for(server.gone.wait(), 5)
        assert budget.held == 0


async def test_what_is_held_is_given_back() -> None:
    pieces: list[PIECES] = [ok(BIG)[:-1], HOLD]
    async with limited(2 << 20, RecordingInbox(), pieces) as (line, budget, _):
        line.connection.send(REQUEST, HEADERS, 1)
        await until(lambda: budget.held >= len(BIG) - LARGE - 1)
        line.connection.abandon(1)
        assert budget.held == 0
        line.connection.send(REQUEST, HEADERS, 2)
        await until(lambda: budget.held > 0)
        await line.connection.close()
        assert budget.held == 0


@pytest.mark.parametrize(
    ("size", "form"), [(LARGE, ok), (LARGE + 1, ok), (LARGE, chunked), (LARGE + 1, chunked)]
)
async def test_smaller_messages_are_not_asked_about(size: int, form: Callable[[bytes], bytes]) -> None:
    inbox = Pouring(takes=False)
    answer = form(b"{" + b" " * (size - 2) + b"}")
    async with saying([answer[:-10], 0.02, answer[-10:]]) as server, connected(server.url, inbox) as line:
        assert await line.ask() == ""
        assert len(inbox.messages) == 1
        assert len(inbox.starts) == (1 if size > LARGE else 0)


async def test_a_slow_client_holds_up_the_server() -> None:
    inbox = Pouring()
    inbox.hold = True
    body = BIG * 16
    sent = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ok(body))
        await writer.drain()
        sent.set()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with clean(), server, connected(url, inbox) as line:
        line.connection.send(REQUEST, HEADERS, 1)
        await inbox.wait_for(lambda: bool(inbox.starts))
        await asyncio.sleep(0.1)
        assert len(inbox.poured) < 1 << 20
        assert not sent.is_set()
        assert inbox.source is not None
        for _ in range(3):
            before = len(inbox.poured)
            inbox.source.resume()
            await inbox.wait_for(lambda before=before: len(inbox.poured) > before)  # type: ignore[misc]
        inbox.hold = False
        inbox.source.resume()
        assert await line.ending() == ""
        assert inbox.poured == body
        assert inbox.ends == [""]


async def test_a_pause_ends_with_the_message() -> None:
    inbox = Pouring()
    inbox.hold = True
    answer = ok(BIG[:80_000])
    async with clean(), saying([answer[:70_000], 0.05, answer[70_000:]], [ok()]) as server:
        async with connected(server.url, inbox) as line:
            line.connection.send(REQUEST, HEADERS, 1)
            await inbox.wait_for(lambda: bool(inbox.starts))
            while not inbox.endings:
                assert inbox.source is not None
                inbox.source.resume()
                await asyncio.sleep(0.01)
            assert await line.ask(stream=2) == ""
        assert server.connections == 1


@pytest.mark.parametrize("answer", [ok(BIG), chunked(BIG), chunked(event(BIG), type=EVENTS)])
async def test_a_client_that_leaves(answer: bytes) -> None:
    inbox = Pouring()
    inbox.drop = True
    async with clean(), saying([answer[:90_000], HOLD]) as server, connected(server.url, inbox) as line:
        line.connection.send(REQUEST, HEADERS, 1)
        await asyncio.wait_for(server.gone.wait(), 5)
        assert inbox.ends == []
        assert inbox.endings == []


@pytest.mark.parametrize("session", [b"X: y", b"Mcp-Session-Id: s1"])
@pytest.mark.parametrize(
    "answer",
    [ok(BIG), chunked(BIG), chunked(b"id: 1\n" + event(BIG), type=EVENTS)],
    ids=["length", "chunks", "event"],
)
async def test_a_message_that_breaks_off(answer: bytes, session: bytes) -> None:
    """Its beginning is with the client: there is nothing to resume."""
    inbox = Pouring()
    head, _, rest = answer.partition(b"\r\n")
    answer = head + b"\r\n" + session + b"\r\n" + rest
    async with clean(), saying([answer[:300_000], b""]) as server, connected(server.url, inbox) as line:
        assert (await line.ask()).endswith("broke: the answer is incomplete")
        assert inbox.ends == [inbox.endings[0][1]]
        assert len([request for request in server.requests if request.startswith(b"GET")]) == 0


async def test_an_event_stream_that_ends_within_an_answer() -> None:
    inbox = Pouring()
    answer = chunked(b"data: " + BIG, type=EVENTS)
    async with clean(), saying([answer]) as server, connected(server.url, inbox) as line:
        assert await line.ask() == "the answer's stream ended in the middle of the answer"
        assert inbox.ends == ["the answer's stream ended in the middle of the answer"]


@pytest.mark.parametrize(
    "answer", [chunked(*LIST), chunked(b"data: ", *LIST, type=EVENTS)], ids=["chunks", "event"]
)
async def test_a_message_that_turns_out_to_be_too_large(answer: bytes) -> None:
    inbox = Pouring()
    async with clean(), saying([answer]) as server:
        async with connected(server.url, inbox, max_message_bytes=500_000) as line:
            assert "more than 500000 bytes (max_message_bytes)" in await line.ask()
            assert inbox.ends == [inbox.endings[0][1]]
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_a_length_that_is_too_large_is_enough() -> None:
    async with clean(), saying([ok(BIG)[:200], HOLD]) as server:
        async with connected(server.url, max_message_bytes=500_000) as line:
            assert "more than 500000 bytes (max_message_bytes)" in await line.ask()
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_closing_ends_what_is_on_its_way() -> None:
    inbox = Pouring()
    async with clean(), saying([ok(BIG)[:200_000], HOLD]) as server, connected(server.url, inbox) as line:
        line.connection.send(REQUEST, HEADERS, 1)
        await inbox.wait_for(lambda: bool(inbox.poured))
        await line.connection.close()
        assert inbox.ends == ["the connection was closed"]
        assert inbox.endings == []


async def test_other_messages_and_lines_around_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "LINGER", 0.1)
    inbox = Pouring()
    half = len(BIG) // 2
    data = b"data: " + BIG[:half] + b"\ndata: " + BIG[half:] + b"\n\n"
    ping = b"event: ping\ndata: " + b"x" * 100_000 + b"\n\n"
    stream = event(NOTE, b"1") + ping + data + event(NOTE, b"2")
    chunks = [stream[at : at + 30_000] for at in range(0, len(stream), 30_000)]
    pieces: list[PIECES] = [chunked(*chunks, type=EVENTS, end=b""), HOLD]
    async with clean(), saying(pieces) as server, connected(server.url, inbox) as line:
        assert await line.ask() == ""
        assert inbox.poured == BIG[:half] + b"\n" + BIG[half:]
        assert inbox.ends == [""]
        assert inbox.messages == [(NOTE, 1), (NOTE, 1)]
        await asyncio.wait_for(server.gone.wait(), 5)


# -- parts


def test_pieces_are_put_together() -> None:
    pieces = Pieces()
    parts: list[bytes | memoryview] = [b"a" * 10, b"b" * 5000, memoryview(b"c" * 5000), b"d", b"e" * 9000]
    for part in parts:
        pieces.add(part)
    whole = b"".join(parts)
    assert pieces.size == len(whole)
    for count in (0, 5, 10, 15, 6000, 100_000):
        assert pieces.peek(count) == whole[:count]
    assert b"".join(pieces.take_apart(5_012)) == whole[5_012:]
    assert (pieces.size, pieces.take()) == (0, b"")
    only = b"x" * 9000
    pieces.add(only)
    assert pieces.take() is only


def test_small_pieces_take_no_more_than_their_size() -> None:
    import tracemalloc

    pieces = Pieces()
    tracemalloc.start()
    try:
        for _ in range(200_000):
            pieces.add(b"x")
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


def test_shares_of_a_budget() -> None:
    budget = Budget(1000)
    one, other = Share(budget), Share(budget)
    assert one.cover(LARGE)
    assert budget.held == 0
    assert one.cover(LARGE + 700)
    assert not other.cover(LARGE + 400)
    assert other.cover(LARGE + 300)
    assert one.cover(LARGE + 10)
    assert budget.held == 310
    one.release()
    one.release()
    other.release()
    assert budget.held == 0


@asynccontextmanager
async def limited(
    room: int, inbox: RecordingInbox, pieces: list[PIECES]
) -> AsyncIterator[tuple[Line, Budget, Scripted]]:
    """A connection within a gateway that has so much room for large messages."""
    options: dict[str, Any] = {"fast_lane": Lane.fast}
    async with clean(), saying(pieces) as server:
        with Harness() as harness:
            harness.buffers = Budget(room)
            async with harness.open(OFFER, {"url": server.url, **options}) as connector:
                connection = await connector.connect(inbox)
                yield Line(connector, connection, inbox), harness.buffers, server
                await connection.close()


def until_the_end(answer: bytes) -> list[PIECES]:
    """What ends an answer that ends with its connection."""
    return [] if b"Content-Length" in answer or b"chunked" in answer else [b""]


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)
