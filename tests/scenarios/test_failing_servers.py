"""A server that dies or says nothing hurts nobody but its own callers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.scenarios import processes
from tests.scenarios.farm import Server
from tests.scenarios.gateway import Gateway, tiny
from tests.scenarios.names import Tools
from tests.scenarios.raw import Era, Peer, Refused, opened
from tests.scenarios.raw_http import HttpPeer, HttpStatus

STARTUP_WAIT = 2.0
QUICK: dict[str, tuple[str, dict[str, Any]]] = {  # a call of each of the seven that is answered at once
    "time": ("convert_time", {"source_timezone": "UTC", "time": "12:30", "target_timezone": "UTC"}),
    "git": ("git_branch", {"repo_path": "", "branch_type": "local"}),
    "fetch": ("fetch", {"url": ""}),
    "everything": ("echo", {"message": "x"}),
    "files": ("list_allowed_directories", {}),
    "memory": ("read_graph", {}),
    "thinking": (
        "sequentialthinking",
        {"thought": "t", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1},
    ),
}


class Caller:
    """Calls one tool again and again, and keeps a record of what came and when."""

    def __init__(self, peer: Peer, tool: str, arguments: dict[str, Any]) -> None:
        self.peer = peer
        self.tool = tool
        self.arguments = arguments
        self.good: list[float] = []
        self.bad: list[tuple[float, str]] = []
        self.slowest = 0.0

    async def run(self, until: asyncio.Event) -> None:
        while not until.is_set():
            began = time.monotonic()
            try:
                result = await self.peer.call(self.tool, self.arguments)
                assert not result.get("isError"), result
                self.good.append(time.monotonic())
            except (Refused, HttpStatus) as error:
                self.bad.append((time.monotonic(), str(error)))
            except AssertionError as error:
                self.bad.append((time.monotonic(), str(error)))
            self.slowest = max(self.slowest, time.monotonic() - began)
            await asyncio.sleep(0.02)


def running(gateway: Gateway, word: str) -> list[int]:
    """The gateway's server processes that have this word on their command line."""
    return [pid for pid in gateway.servers_alive() if word in processes.command(pid)]


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_kill_one_of_seven(era: Era, servers: dict[str, Server], page: str, folder: Path) -> None:
    repo = next(step["arguments"]["repo_path"] for step in servers["git"].steps)
    config = {"servers": {name: server.entry() for name, server in servers.items()}}
    with Gateway(folder, config) as gateway:
        gateway.start()
        async with opened(HttpPeer(gateway.url, era)) as peer:
            tools = await Tools.of(peer, 52)
            callers = {}
            for name, (tool, arguments) in QUICK.items():
                given = {**arguments, **({"repo_path": repo} if name == "git" else {})}
                given |= {"url": page} if name == "fetch" else {}
                callers[name] = Caller(peer, tools.named(name, tool), given)
            for caller in callers.values():  # a server may have to be started for this sort of client
                await peer.call(caller.tool, caller.arguments)
            done = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for caller in callers.values():
                    group.create_task(caller.run(done))
                await asyncio.sleep(1.5)
                victims = running(gateway, "server-memory")
                assert victims, "the memory server runs"
                killed = time.monotonic()
                for pid in victims:
                    processes.kill(pid)
                await asyncio.sleep(6)
                done.set()
    for name, caller in callers.items():
        if name != "memory":
            assert caller.bad == [], f"{name} noticed: {caller.bad[:3]}"
            assert len(caller.good) > 10
            assert caller.slowest < 3, f"{name} waited {caller.slowest:.1f} s"
    mourned = callers["memory"]
    for _, error in mourned.bad:
        assert "memory" in error, f"the error does not name the server: {error}"
    back = [when for when in mourned.good if when > killed]
    assert back, f"the server did not return: {mourned.bad[-1:]}"
    assert back[0] - killed < 5


async def test_call_in_flight_fails_by_name(folder: Path) -> None:
    with Gateway(folder, {"servers": {"frail": tiny("frail"), "sturdy": tiny("sturdy")}}) as gateway:
        gateway.start()
        async with opened(HttpPeer(gateway.url, "legacy")) as peer:
            tools = await Tools.of(peer, 12)
            async with asyncio.TaskGroup() as group:
                doomed = group.create_task(outcome(peer, tools.named("frail", "wait"), {"seconds": 20}))
                spared = group.create_task(outcome(peer, tools.named("sturdy", "wait"), {"seconds": 2}))
                await asyncio.sleep(0.5)
                began = time.monotonic()
                for pid in running(gateway, "tiny.py frail"):
                    processes.kill(pid)
            assert time.monotonic() - began < 4
            assert isinstance(doomed.result(), Refused), doomed.result()
            assert "frail" in str(doomed.result())
            assert "waited in sturdy" in str(spared.result())


async def outcome(peer: Peer, tool: str, arguments: dict[str, Any]) -> Any:
    try:
        return await peer.call(tool, arguments)
    except Refused as refused:
        return refused


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_silent_server(era: Era, folder: Path) -> None:
    """It delays the first list by no more than `startup_wait`, and no call at all."""
    servers = {"mute": tiny("mute", "silent"), "one": tiny("one"), "two": tiny("two")}
    with Gateway(folder, {"servers": servers}) as gateway:
        gateway.start()
        began = time.monotonic()
        async with opened(HttpPeer(gateway.url, era)) as peer:
            greeted = time.monotonic() - began
            found = await peer.entries("tools")
            listed = time.monotonic() - began
            assert len(found) == 12
            assert greeted < STARTUP_WAIT + 1
            assert listed < STARTUP_WAIT + 1
            tools = sorted(msgspec.json.decode(raw)["name"] for raw in found)
            echo = next(t for t in tools if t.endswith("echo"))
            for _ in range(20):
                began = time.monotonic()
                await peer.call(echo, {"text": "quick"})
                assert time.monotonic() - began < 0.5
            began = time.monotonic()
            assert len(await peer.entries("tools")) == 12
            assert time.monotonic() - began < 0.5, "later lists do not wait again"


async def test_missing_program(folder: Path) -> None:
    """A server that can't even be started does not keep the others."""
    servers = {"none": {"command": "/nonexistent/program"}, "quits": {"command": "false"}, "one": tiny("one")}
    with Gateway(folder, {"servers": servers}) as gateway:
        gateway.start()
        async with opened(HttpPeer(gateway.url, "legacy")) as peer:
            assert len(await peer.settled("tools", 6, 5)) == 6
        status = str(gateway.status())
        assert "none" in status
        assert "quits" in status
