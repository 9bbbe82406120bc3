"""A list is the same bytes after every start, in whichever order the servers came up."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.farm import Server
from tests.scenarios.gateway import Gateway, tiny
from tests.scenarios.raw import LISTS, Era, opened
from tests.scenarios.raw_http import HttpPeer

DELAYED = ["-c", 'sleep "$0"; exec "$@"']


def delayed(entry: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The same server, started by a launcher that waits first."""
    return {**entry, "command": "sh", "args": [*DELAYED, str(seconds), entry["command"], *entry["args"]]}


async def result_when(url: str, era: Era, method: str, count: int) -> bytes:
    """The result of a list, once it has `count` entries: none of our bytes, only the gateway's."""
    what = next(what for what, its_method in LISTS.items() if its_method == method)
    async with opened(HttpPeer(url, era)) as peer:
        found = await peer.settled(what, count)
        assert len(found) == count
        return await peer.result(method)


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_start_order_of_small_servers(era: Era, folder: Path) -> None:
    names = ["delta", "alpha", "charlie", "bravo"]
    seen = set()
    for delays in ([0, 0, 0, 0], [0.9, 0.6, 0.3, 0], [0, 0.3, 0.6, 0.9], [0.3, 2.5, 0, 0.6]):
        servers = {n: delayed(tiny(n), d) if d else tiny(n) for n, d in zip(names, delays, strict=True)}
        with Gateway(folder, {"servers": servers}) as gateway:
            gateway.start()
            seen.add(await result_when(gateway.url, era, "tools/list", 24))
    assert len(seen) == 1


async def test_restarts_of_the_seven(seven: Gateway, servers: dict[str, Server], folder: Path) -> None:
    counts = {"tools/list": 52, "prompts/list": 5, "resources/list": 8, "resources/templates/list": 2}

    async def lists(gateway: Gateway) -> dict[str, bytes]:
        return {m: await result_when(gateway.url, "legacy", m, count) for m, count in counts.items()}

    late = [3.0, 2.0, 1.5, 1.0, 0.5, 0.2, 0.0]
    entries = {n: delayed(s.entry(), d) for (n, s), d in zip(servers.items(), late, strict=True)}
    with Gateway(folder, {"servers": entries}) as gateway:
        gateway.start()
        end = time.monotonic() + 20
        # Until a slow server was listed in this client's era, it is shown as it lists itself in the other.
        while (first := await lists(seven)) != (again := await lists(gateway)) and time.monotonic() < end:
            await asyncio.sleep(0.5)
    assert first == again
