"""What is asked of every component, whatever its kind: it opens, closes, leaves nothing and does not block.

Free of any kind's particulars. Each `check_<kind>` starts here.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from only1mcp_sdk.offer import Offer
from only1mcp_sdk.testing.harness import Harness, read_options

T = TypeVar("T")
Component = TypeVar("Component")

GRACE = 5.0
"""Seconds that sockets and processes get to be gone after `close` returned."""
HOT = 0.005
"""Seconds one call on the hot path may take. A thousand times what is usual, so that busy machines pass, and a
fraction of what the quickest network or disk access with a timeout takes."""


async def check_lifecycle(
    offer: Offer[Component], options: Mapping[str, Any], prepare: Callable[[Path], None] = lambda base: None
) -> None:
    """Assert that the offer refuses unknown options, and opens and closes cleanly: again after closing, and a second
    time while the first is open, as every reload does."""
    unknown = {**options, "no such option": 1}
    try:
        read_options(offer, unknown)
    except ValidationError:
        pass
    else:
        raise AssertionError(
            f"{offer.name}: an unknown option was accepted; derive the model from PluginConfig"
        )
    with Harness() as harness:
        prepare(harness.base_dir)
        async with harness.open(offer, options):
            pass  # The first time may load libraries, which keep files open.
        async with nothing_left(f"{offer.name}, opened and closed"), harness.open(offer, options):
            pass
        async with nothing_left(f"{offer.name}, opened twice and closed in the order of a reload"):
            old, new = harness.open(offer, options), harness.open(offer, options)
            await old.__aenter__()
            await new.__aenter__()
            await old.__aexit__(None, None, None)
            await new.__aexit__(None, None, None)
        settle(harness, offer)


@asynccontextmanager
async def checked(
    offer: Offer[Component], options: Mapping[str, Any], prepare: Callable[[Path], None] = lambda base: None
) -> AsyncIterator[Component]:
    """Open one component for a check, and assert that nothing is left of it afterwards and none of its work failed."""
    with Harness() as harness:
        prepare(harness.base_dir)
        async with nothing_left(offer.name), harness.open(offer, options) as component:
            yield component
        settle(harness, offer)


def settle(harness: Harness, offer: Offer[Any]) -> None:
    """Assert what must hold of a harness when everything in it has been closed."""
    assert not harness.failures, f"{offer.name}: its spawned work failed: {harness.failures[0]!r}"
    assert not harness.pool.keys, f"{offer.name}: shared resources are still held: {harness.pool.keys}"


@asynccontextmanager
async def nothing_left(what: str) -> AsyncIterator[None]:
    """Assert that the block leaves no task, file descriptor or child process behind. What is on its way out gets
    `GRACE` seconds."""
    before = _census()
    yield
    deadline = time.monotonic() + GRACE
    while True:
        left = sorted(_describe(thing) for thing in _census() - before)
        if not left:
            return
        assert time.monotonic() < deadline, f"{what} left behind: {', '.join(left)}"
        await asyncio.sleep(0.01)
        gc.collect()


def quick(what: str, call: Callable[[], T], limit: float = HOT) -> T:
    """Assert that a plain call does not block: the quickest of five takes less than `limit` seconds. Returns what
    the last one returned."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - start)
    assert best < limit, f"{what} took {best * 1000:.1f} ms; it runs in the event loop and must not block"
    return result


def _census() -> set[object]:
    """The tasks, descriptors and children of this process, as far as the platform tells."""
    here = asyncio.current_task()
    found: set[object] = {task for task in asyncio.all_tasks() if task is not here}
    found |= {("descriptor", number, target) for number, target in _descriptors()}
    found |= {("child process", pid, "") for pid in _children()}
    return found


def _descriptors() -> set[tuple[int, str]]:
    directory = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    found = set()
    for name in os.listdir(directory):
        try:
            found.add((int(name), os.readlink(f"{directory}/{name}")))
        except FileNotFoundError:
            continue  # That of the listing itself.
        except OSError:
            found.add((int(name), ""))  # Not a link on this platform.
    return found


def _children() -> set[int]:
    found: set[int] = set()
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(map(int, listing.read_text().split()))
        except OSError:
            continue  # The thread ended.
    return found


def _describe(thing: object) -> str:
    if isinstance(thing, asyncio.Task):
        return f"task {thing.get_name()!r} ({thing.get_coro()!r})"
    return " ".join(map(str, thing)) if isinstance(thing, tuple) else repr(thing)
