"""aiohttp's server is loaded when the first connection needs it. Whoever needs it waits; nobody else does."""

from __future__ import annotations

import asyncio
import importlib
import socket
import struct
import threading
from collections.abc import Iterator
from types import ModuleType

import pytest

from only1mcp_transports.http import general
from tests.plugins.transports.http.listening import ScriptedGate, ask, client, listening, post
from tests.plugins.transports.http.test_lanes import CHUNKED, asked, lane_of

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of whoever is gone when it closes."""


class Library:
    """What is imported, when it is `there`; `problems` come first."""

    def __init__(self) -> None:
        self.there = threading.Event()
        self.imports = 0
        self.problems: list[Exception] = []

    def import_module(self, name: str) -> ModuleType:
        self.imports += 1
        assert self.there.wait(5)
        if self.problems:
            raise self.problems.pop()
        return importlib.import_module(name)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    made = Library()
    monkeypatch.setattr(general, "importlib", made)
    yield made
    made.there.set()


async def test_it_is_not_loaded_for_plain_requests(library: Library) -> None:
    async with asked(ScriptedGate()) as (_, it):
        it.send(post())
        assert (await it.reply()).status == 200
    assert library.imports == 0


async def test_whoever_needs_it_waits_and_others_do_not(library: Library) -> None:
    gate = ScriptedGate()
    async with listening(gate) as listener, client(listener) as one, client(listener) as two:
        for it in (one, two):
            it.send(CHUNKED)
        await asyncio.sleep(0.05)
        reply, body = await ask(listener, post(b"[]"))
        assert (reply.status, body, gate.bodies) == (200, b'{"ok":1}', [b"[]"])
        library.there.set()
        for it in (one, two):
            assert await (await it.reply()).body() == b'{"ok":1}'
        assert gate.bodies == [b"[]", b"{}", b"{}"]
    assert library.imports == 1


async def test_what_comes_meanwhile_is_served_after_it(library: Library) -> None:
    gate = ScriptedGate()
    async with asked(gate) as (_, it):
        it.send(post(b"[1]") + CHUNKED[:-9])
        await it.reply()
        await it.reader.readexactly(8)
        for part in (CHUNKED[-9:-4], CHUNKED[-4:] + post(b"[2]")):
            it.send(part)
            await asyncio.sleep(0.02)
        library.there.set()
        assert [(await (await it.reply()).body()) for _ in range(2)] == [b'{"ok":1}'] * 2
        assert gate.bodies == [b"[1]", b"{}", b"[2]"]


async def test_no_more_is_read_than_there_is_room_for(library: Library) -> None:
    async with asked(ScriptedGate(), body_timeout=30) as (lane, it):
        it.send(CHUNKED[: CHUNKED.index(b"\r\n\r\n") + 4] + b"100000\r\n")
        await asyncio.sleep(0.05)
        it.send(b"x" * (16 << 20))
        await asyncio.sleep(0.1)
        (connection,) = lane.connections
        assert connection.transport is not None
        assert not connection.transport.is_reading()
        library.there.set()
        for _ in range(100):
            if connection.in_general and connection.transport.is_reading():
                break
            await asyncio.sleep(0.02)
        assert connection.transport.is_reading()
        it.writer.transport.abort()


async def test_a_client_that_says_no_more_is_answered(library: Library) -> None:
    async with asked(ScriptedGate()) as (_, it):
        it.send(CHUNKED)
        it.writer.write_eof()
        await asyncio.sleep(0.05)
        library.there.set()
        assert await (await it.reply()).body() == b'{"ok":1}'
        assert await it.ended()


async def test_the_time_is_not_the_clients(library: Library) -> None:
    async with asked(ScriptedGate(), head_timeout=0.1) as (_, it):
        it.send(post())
        await (await it.reply()).body()
        it.send(CHUNKED)
        await asyncio.sleep(0.4)
        library.there.set()
        assert (await it.reply()).status == 200


async def test_a_client_may_leave_meanwhile(library: Library) -> None:
    gate = ScriptedGate()
    async with listening(gate) as listener:
        async with client(listener) as it:
            it.send(CHUNKED)
            await asyncio.sleep(0.05)
            it.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            it.writer.transport.abort()
        await asyncio.sleep(0.05)
        assert not lane_of(listener).connections
        library.there.set()
        assert (await ask(listener, CHUNKED))[0].status == 200
    assert gate.bodies == [b"{}"]


async def test_the_listener_may_close_meanwhile(library: Library) -> None:
    gate = ScriptedGate()
    async with asked(gate) as (lane, it):
        it.send(CHUNKED)
        await asyncio.sleep(0.05)
        (connection,) = lane.connections
        assert connection.held
    library.there.set()
    await asyncio.sleep(0.05)
    assert gate.bodies == []


async def test_one_that_can_not_be_loaded(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    """And the next request has more luck."""
    library.problems = [OSError("too many open files")]
    async with listening(ScriptedGate()) as listener, client(listener) as it:
        it.send(CHUNKED)
        library.there.set()
        assert (await it.reply()).status == 503
        assert await it.received() > 0
        assert "aiohttp can't be loaded" in caplog.text
        assert "too many open files" in caplog.text
        assert (await ask(listener, CHUNKED))[0].status == 200
    assert library.imports == 2


async def test_it_is_loaded_before_a_listener_that_has_nothing_else(library: Library) -> None:
    library.there.set()
    async with listening(ScriptedGate(), fast_lane=False) as listener, client(listener) as it:
        assert library.imports == 1
        it.send(post())
        assert (await it.reply()).status == 200
    assert library.imports == 1


async def test_a_listener_that_has_nothing_else_does_not_open_without_it(library: Library) -> None:
    library.problems = [ImportError("no aiohttp")]
    library.there.set()
    with pytest.raises(ImportError, match="no aiohttp"):
        async with listening(ScriptedGate(), fast_lane=False):
            pass
