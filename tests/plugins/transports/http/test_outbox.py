"""Writes in a row, once everything that came in has been looked at."""

from __future__ import annotations

import asyncio
from typing import cast

from only1mcp_transports.http.outbox import Outbox


class Line:
    """Stands for a transport."""

    def __init__(self, written: list[tuple[str, bytes]], name: str) -> None:
        self.written = written
        self.name = name
        self.broken = self.aborted = False

    def write(self, data: bytes) -> None:
        if self.broken:
            raise RuntimeError("no")
        self.written.append((self.name, data))

    def abort(self) -> None:
        self.aborted = True


def put(outbox: Outbox, line: Line, data: bytes) -> None:
    if not outbox.waiting:
        outbox.flush_soon()
    outbox.waiting.append((cast(asyncio.Transport, line), data))


async def test_all_is_written_in_order_in_the_next_turn_of_the_loop() -> None:
    written: list[tuple[str, bytes]] = []
    outbox, a, b = Outbox(), Line(written, "a"), Line(written, "b")
    for line, data in ((a, b"1"), (b, b"2"), (a, b"3")):
        put(outbox, line, data)
    assert not written
    await asyncio.sleep(0)
    assert written == [("a", b"1"), ("b", b"2"), ("a", b"3")]
    put(outbox, b, b"4")
    await asyncio.sleep(0)
    assert written[3:] == [("b", b"4")]


async def test_who_flushes_writes_what_waits_first_and_nothing_twice() -> None:
    written: list[tuple[str, bytes]] = []
    outbox, a = Outbox(), Line(written, "a")
    put(outbox, a, b"1")
    outbox.flush()
    a.write(b"2")
    await asyncio.sleep(0)
    assert written == [("a", b"1"), ("a", b"2")]


async def test_one_that_was_closed_holds_up_nobody() -> None:
    """uvloop raises when something is written to it."""
    written: list[tuple[str, bytes]] = []
    outbox, a, closed = Outbox(), Line(written, "a"), Line(written, "closed")
    for line in (closed, a):
        put(outbox, line, b"1")
    closed.broken = True
    await asyncio.sleep(0)
    assert written == [("a", b"1")]
    assert closed.aborted
