"""Nothing stays behind: no process, no descriptor, however often the gateway starts, stops or reloads."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios import processes
from tests.scenarios.farm import Server
from tests.scenarios.gateway import Gateway, tiny
from tests.scenarios.raw import opened
from tests.scenarios.raw_http import HttpPeer


def seven_of(servers: Mapping[str, Server]) -> dict[str, Any]:
    return {name: server.entry() for name, server in servers.items()}


async def used(gateway: Gateway, count: int) -> None:
    """Have every server started, in both eras."""
    for era in ("legacy", "modern"):
        async with opened(HttpPeer(gateway.url, era)) as peer:
            assert len(await peer.settled("tools", count)) == count


def ended(gateway: Gateway) -> None:
    """Stop; within two seconds of the end nothing of it runs."""
    gateway.stop()
    left = gateway.servers_alive
    assert processes.becomes(lambda: not left(), 2), [processes.command(pid) for pid in left()]


async def test_start_and_stop_with_seven(servers: dict[str, Server], folder: Path) -> None:
    with Gateway(folder, {"servers": seven_of(servers)}) as gateway:
        for turn in range(5):
            gateway.start()
            if turn % 2 == 0:  # every other time it is stopped while its servers are still starting
                await used(gateway, 52)
            ended(gateway)


async def test_reload_with_seven(servers: dict[str, Server], folder: Path) -> None:
    seven = seven_of(servers)
    with Gateway(folder, {"servers": seven}) as gateway:
        gateway.start()
        await used(gateway, 52)
        before, open_before = len(gateway.servers_alive()), 0
        for turn in range(5):
            changed = {
                **seven,
                "thinking": {**seven["thinking"], "env": {**seven["thinking"]["env"], "TURN": str(turn)}},
            }
            gateway.reload({"servers": changed})
            await used(gateway, 52)
            open_before = open_before or processes.descriptors(gateway.pid)
        settled = processes.becomes(lambda: len(gateway.servers_alive()) <= before, 10)
        assert settled, [processes.command(pid) for pid in gateway.servers_alive()]
        assert processes.becomes(lambda: processes.descriptors(gateway.pid) <= open_before + 4, 5)
        ended(gateway)


@pytest.mark.slow
async def test_start_and_stop_fifty_times(folder: Path) -> None:
    small = {name: tiny(name) for name in ("one", "two", "three")}
    with Gateway(folder, {"servers": small}) as gateway:
        for turn in range(50):
            gateway.start()
            if turn % 5 == 0:
                await used(gateway, 18)
            ended(gateway)


@pytest.mark.slow
async def test_reload_fifty_times(folder: Path) -> None:
    def config(turn: int) -> dict[str, Any]:
        return {
            "servers": {
                "kept": tiny("kept"),
                f"turn{turn}": tiny("turn"),
                "changing": tiny("c", f"delay=0.00{turn}"),
            }
        }

    with Gateway(folder, config(0)) as gateway:
        gateway.start()
        await used(gateway, 18)
        seen = []
        for turn in range(1, 51):
            gateway.reload(config(turn))
            if turn % 10 == 0:
                await used(gateway, 18)
                time.sleep(0.5)
                seen.append((processes.descriptors(gateway.pid), len(gateway.servers_alive())))
        assert seen[-1][0] <= seen[0][0] + 4, f"descriptors and processes: {seen}"
        assert processes.becomes(lambda: len(gateway.servers_alive()) <= seen[0][1], 10), seen
        ended(gateway)
