"""The table of tasks: one id for one task, bounded, and nothing for strangers."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import pytest

from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.tasks import ids as task_ids
from only1mcp_kernel.gateway.tasks.ids import TaskIds
from only1mcp_kernel.wire.seal import KeyRing
from only1mcp_sdk import Caller, Capabilities, Era, Principal


def caller(name: str, era: Era = "legacy") -> Caller:
    return Caller(
        Principal(name), era, "", "default", Capabilities(), session="" if era == "modern" else name
    )


def link() -> Link:
    nobody = cast(Any, None)
    return Link(nobody, Capabilities(), nobody, logging.getLogger("only1mcp.tests"))


async def test_one_task_has_one_id_for_each_principal() -> None:
    ids, here, there = TaskIds(KeyRing()), link(), link()
    ann, bob = caller("ann"), caller("bob")
    first = ids.show(ann, "s", "e", here, "1", 5)
    assert ids.show(ann, "s", "e", here, "1", 0) is first
    assert ids.show(ann, "s", "e", here, "2", 5).shown != first.shown
    assert ids.show(ann, "s", "e", there, "1", 5).shown != first.shown
    assert ids.show(bob, "s", "e", here, "1", 5).shown != first.shown
    assert ids.find(ann, first.shown) is first
    assert ids.find(bob, first.shown) is None
    assert ids.find(caller("ann", "modern"), first.shown) is None
    assert ids.on_link(here, "1") is first  # whoever had it first
    assert ids.on_link(here, first.shown) is first
    assert ids.on_link(there, "2") is None
    assert [task.own for task in ids.of(ann)] == ["1", "2", "1"]


async def test_a_modern_id_says_all_that_must_be_known() -> None:
    ids = TaskIds(KeyRing())
    ann = caller("ann", "modern")
    task = ids.show(ann, "s", "e", None, "1", 5)
    ids._drop(task)
    again = ids.find(ann, task.shown)
    assert again is not None
    assert (again.server, again.endpoint, again.own, again.shown) == ("s", "e", "1", task.shown)
    assert ids.show(ann, "s", "e", None, "1", 5) is again
    assert ids.find(caller("ann"), task.shown) is None
    for forged in (
        task.shown[:-1],
        task.shown + "A",
        "",
        "1",
        "o1-",
        KeyRing().seal("task", "ann", ["s", "e", "1"]),
    ):
        assert ids.find(ann, forged) is None
    for odd in (["s"], [], ["s", "e", "1", "2"]):
        assert ids.find(ann, ids._keys.seal("task", "ann", odd)) is None
    assert ids.find(ann, ids._keys.seal("pin", "ann", ["s", "e", "1"])) is None


async def test_how_long_a_task_holds_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    now = asyncio.get_running_loop().time
    ids, here = TaskIds(KeyRing()), link()
    ann = caller("ann")
    task = ids.show(ann, "s", "e", here, "1", 0)
    assert now() + 59 < here.held_until < now() + 61
    ids.show(ann, "s", "e", here, "1", 1000)
    assert now() + 999 < here.held_until < now() + 1001
    ids.show(ann, "s", "e", here, "1", 0)
    assert task.until == here.held_until > now() + 999
    ids.show(ann, "s", "e", here, "2", float("inf"))
    assert here.held_until < now() + 24 * 3600 + 1
    monkeypatch.setattr(task_ids, "SHORTEST", -1.0)
    other = ids.show(ann, "s", "e", link(), "3", -1)
    ids.expire()
    assert ids.find(ann, other.shown) is None
    assert len(ids) == 2
    here.alive = False
    assert ids.find(ann, task.shown) is None
    ids.expire()
    assert len(ids) == 0
    assert not any((ids._tasks, ids._known, ids._first, ids._counts))


async def test_what_is_known_of_a_principal_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_ids, "MAX_TASKS", 3)
    ids, here = TaskIds(KeyRing()), link()
    ann, bob = caller("ann"), caller("bob")
    bobs = ids.show(bob, "s", "e", here, "0", 5)
    others = ids.show(ann, "other", "e", link(), "0", 5)
    anns = [ids.show(ann, "s", "e", here, str(number), 5) for number in range(10)]
    assert [ids.find(ann, task.shown) for task in anns] == [None] * 7 + anns[7:]
    assert ids.find(bob, bobs.shown) is bobs
    assert ids.find(ann, others.shown) is others
    assert len(ids) == 5
