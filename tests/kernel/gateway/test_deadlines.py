"""Many deadlines, one timer."""

from __future__ import annotations

import asyncio

from only1mcp_kernel.gateway.servers.deadlines import Deadlines


class One:
    """Something with a deadline, that tells when it has come."""

    def __init__(self, called: list[str], name: str = "") -> None:
        self._called = called
        self._name = name

    def expired(self) -> None:
        self._called.append(self._name)


async def test_each_is_called_when_its_time_has_come() -> None:
    deadlines = Deadlines(0.1)
    called: list[str] = []
    for name in "abc":
        deadlines.add(One(called, name))
        await asyncio.sleep(0.03)
    assert called == []
    await asyncio.sleep(0.03)
    assert called == ["a"]
    await asyncio.sleep(0.15)
    assert called == ["a", "b", "c"]


async def test_what_was_discarded_is_not_called_and_holds_nothing_up() -> None:
    deadlines = Deadlines(0.05)
    called: list[str] = []
    first, second = One(called, "first"), One(called, "second")
    deadlines.add(first)
    deadlines.add(second)
    deadlines.discard(first)
    deadlines.discard(first)
    await asyncio.sleep(0.1)
    assert called == ["second"]
    assert not deadlines._waiting
    assert deadlines._timer is None


async def test_added_again_the_time_begins_anew() -> None:
    deadlines = Deadlines(0.08)
    called: list[str] = []
    one = One(called)
    deadlines.add(one)
    await asyncio.sleep(0.05)
    deadlines.add(one)
    await asyncio.sleep(0.05)
    assert called == []
    await asyncio.sleep(0.06)
    assert called == [""]


async def test_one_timer_serves_all() -> None:
    deadlines = Deadlines(10)
    first = One([])
    deadlines.add(first)
    timer = deadlines._timer
    for _ in range(1000):
        another = One([])
        deadlines.add(another)
        deadlines.discard(another)
    assert deadlines._timer is timer
    assert list(deadlines._waiting) == [first]
    deadlines.discard(first)
    assert timer is not None
    timer.cancel()
