"""Many deadlines, one timer."""

from __future__ import annotations

import asyncio
from functools import partial

from only1mcp_kernel.gateway.servers.deadlines import Deadlines


async def test_each_is_called_when_its_time_has_come() -> None:
    deadlines = Deadlines(0.1)
    called: list[str] = []
    for name in "abc":
        deadlines.add(partial(called.append, name))
        await asyncio.sleep(0.03)
    assert called == []
    await asyncio.sleep(0.03)
    assert called == ["a"]
    await asyncio.sleep(0.15)
    assert called == ["a", "b", "c"]


async def test_what_was_discarded_is_not_called_and_holds_nothing_up() -> None:
    deadlines, called = Deadlines(0.05), []
    first, second = (lambda: called.append(1)), (lambda: called.append(2))
    deadlines.add(first)
    deadlines.add(second)
    deadlines.discard(first)
    deadlines.discard(first)
    await asyncio.sleep(0.1)
    assert called == [2]
    assert not deadlines._waiting
    assert deadlines._timer is None


async def test_added_again_the_time_begins_anew() -> None:
    deadlines, called = Deadlines(0.08), []

    def expired() -> None:
        called.append(1)

    deadlines.add(expired)
    await asyncio.sleep(0.05)
    deadlines.add(expired)
    await asyncio.sleep(0.05)
    assert called == []
    await asyncio.sleep(0.06)
    assert called == [1]


async def test_one_timer_serves_all() -> None:
    deadlines = Deadlines(10)

    def expired() -> None: ...

    deadlines.add(expired)
    timer = deadlines._timer
    for _ in range(1000):

        def another() -> None: ...

        deadlines.add(another)
        deadlines.discard(another)
    assert deadlines._timer is timer
    assert list(deadlines._waiting) == [expired]
    deadlines.discard(expired)
    assert timer is not None
    timer.cancel()
