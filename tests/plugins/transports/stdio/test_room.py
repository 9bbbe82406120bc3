"""What the stdio connector holds of large lines, and where that is counted."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import uvloop

from only1mcp_sdk import Connection
from only1mcp_sdk.flow import Budget
from only1mcp_sdk.testing.harness import Harness
from only1mcp_transports.stdio import child
from only1mcp_transports.stdio.pipes import Inflow, Outflow, PlainEnd
from only1mcp_transports.stdio.streams import BlockingEnd
from tests.plugins.transports.stdio.children import BARE, ECHO, NONE, STDIO, Inbox

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes as POSIX has them")

HALF = "import os, time; os.write(1, b'{' + b'x' * 299_999); input(); os.write(1, b'}\\n'); time.sleep(60)"
"""Says the first half of a large message, and the rest when told to."""


LARGE = 64 << 10


@asynccontextmanager
async def child_of(harness: Harness, code: str) -> AsyncIterator[tuple[Connection, Inbox]]:
    options = {"command": sys.executable, "args": [*BARE, code], "stop_timeout": 0.2}
    async with harness.open(STDIO, options) as connector:
        inbox = Inbox()
        yield await connector.connect(inbox), inbox


async def until(harness: Harness, held: int) -> None:
    async with asyncio.timeout(5):
        while harness.buffers.held != held:
            await asyncio.sleep(0.01)


async def test_what_is_held_of_a_large_line_is_counted() -> None:
    with Harness() as harness:
        async with child_of(harness, HALF) as (connection, inbox):
            await until(harness, 300_000 - LARGE)
            connection.send(b"{}", NONE, 1)
            assert len((await inbox.until(1))[0]) == 300_001
            assert harness.buffers.held == 0
        async with child_of(harness, HALF) as (connection, inbox):
            await until(harness, 300_000 - LARGE)
            await connection.close()
            assert harness.buffers.held == 0


async def test_a_large_line_waits_for_room() -> None:
    with Harness() as harness:
        harness.buffers.limit = 1 << 20
        harness.buffers.take(1_000_000)
        async with child_of(harness, HALF) as (connection, inbox):
            await asyncio.sleep(0.15)
            connection.send(b"{}", NONE, 1)
            await asyncio.sleep(0.1)
            assert not inbox.messages
            harness.buffers.give(1_000_000)
            assert len((await inbox.until(1))[0]) == 300_001
            assert harness.buffers.held == 0


async def test_a_large_line_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "ROOM_PATIENCE", 0.2)
    with Harness() as harness:
        harness.buffers.limit = 100_000
        async with child_of(harness, HALF) as (_, inbox):
            problem = "it sent a large message, and the gateway held too many of those already"
            assert await inbox.until_closed() == problem
        assert harness.buffers.held == 0


async def test_what_a_server_leaves_unread_is_counted_and_bounded() -> None:
    with Harness() as harness:
        harness.buffers.limit = 4 << 20
        async with child_of(harness, "import time; time.sleep(60)") as (connection, inbox):
            connection.send(b"{" + b"x" * (3 << 20), NONE, 1)
            connection.send(b"{" + b"x" * (3 << 20), NONE, 2)
            assert not inbox.lost, "not from within the call"
            await asyncio.sleep(0)
            assert inbox.lost == {2: child.NO_ROOM_FOR_OURS}
            assert harness.buffers.held > 1 << 20
            await connection.close()
            assert harness.buffers.held == 0


async def test_nothing_is_held_of_what_was_read() -> None:
    with Harness() as harness:
        async with child_of(harness, ECHO) as (connection, inbox):
            for number in range(5):
                connection.send(b"{" + b"x" * (1 << 20), NONE, number)
            assert harness.buffers.held > 4 << 20
            await inbox.until(5)
            assert harness.buffers.held == 0


async def test_what_is_sent_at_once_is_written_at_once() -> None:
    written = []

    class Noting(PlainEnd):
        def write(self, pieces: Sequence[bytes | memoryview]) -> int:
            written.append(b"".join(pieces))
            return super().write(pieces)

    theirs, ours = os.pipe()
    out = Outflow(Noting(ours), Budget(1 << 20), lambda: None)
    for number in range(300):
        out.send(b'{"id":%d}' % number)
    assert not written
    await asyncio.sleep(0)
    assert written == [b"".join(b'{"id":%d}\n' % number for number in range(300))]
    out.send(b"{}")
    out.close()
    await asyncio.sleep(0)
    assert written[1:] == [b"{}\n"]
    os.close(theirs)


async def test_what_blocks_is_used_without_blocking() -> None:
    theirs, ours = os.pipe()
    came = bytearray()
    over = asyncio.Event()
    out = Outflow(BlockingEnd(ours), Budget(1 << 30), lambda: None)
    inflow = Inflow(BlockingEnd(theirs), came.extend, over.set)
    with pytest.raises(BlockingIOError):
        BlockingEnd(theirs).read(1)
    for _ in range(3):
        out.send(b"x" * 300_000)
    out.close()
    async with asyncio.timeout(5):
        await over.wait()
    assert bytes(came) == (b"x" * 300_000 + b"\n") * 3
    inflow.close()
