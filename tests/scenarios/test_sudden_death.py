"""A gateway that is killed takes everything it started with it, in whatever way that was started."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios import processes
from tests.scenarios.gateway import Gateway, tiny
from tests.scenarios.raw import opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.tools import TINY, VENV_BIN, machine

STUBBORN = ("linger", "deaf")
SCRIPT = [sys.executable, "-S", "-I", str(TINY)]
WAYS: dict[str, dict[str, Any]] = {
    "plain": tiny("plain", *STUBBORN),
    "shell": {"command": "sh", "args": ["-c", f"{' '.join(SCRIPT)} shell linger deaf; true"]},
    "uv": {
        "command": str(VENV_BIN / "uv"),
        "args": ["run", "--no-project", "--offline", "--python", sys.executable, str(TINY), "uv", *STUBBORN],
        "env": machine(),
    },
    "grandchild": tiny("grandchild", "grandchild", *STUBBORN),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_all_gone(way: str, end: str, folder: Path) -> None:
    with Gateway(folder, {"servers": {way: WAYS[way]}}) as gateway:
        gateway.start()
        async with opened(HttpPeer(gateway.url, "legacy")) as peer:
            assert len(await peer.settled("tools", 6)) == 6
        assert len(gateway.servers_alive()) >= (2 if way in ("shell", "uv", "grandchild") else 1)
        if end == "kill":
            processes.kill(gateway.pid)
        gateway.stop()
        left = gateway.servers_alive
        assert processes.becomes(lambda: not left(), 2), [processes.command(pid) for pid in left()]


async def test_next_start_works(folder: Path) -> None:
    """What a killed gateway left in its state folder does not keep the next one from starting."""
    with Gateway(folder, {"servers": {"one": tiny("one")}}) as gateway:
        gateway.start()
        processes.kill(gateway.pid)
        gateway.stop()
        gateway.start()
        async with opened(HttpPeer(gateway.url, "legacy")) as peer:
            assert len(await peer.settled("tools", 6)) == 6
