"""However a child, a connection or a whole gateway ends, none of the processes behind it is left."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from only1mcp_sdk import Connection, Connector
from only1mcp_sdk.testing.harness import Harness
from only1mcp_transports.stdio import family
from tests.plugins.transports.stdio.children import (
    BARE,
    ECHO,
    STDIO,
    STUBBORN,
    Inbox,
    alive,
    cookie_of,
    gone,
    python,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="process families are found in /proc")

UV = shutil.which("uv", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]))

GATEWAY = """
import asyncio, json, sys
from only1mcp_sdk.testing.harness import open_alone
from tests.plugins.transports.stdio.children import STDIO

class Inbox:
    def received(self, message, stream): print(message.decode(), flush=True)
    def arriving(self, start, source, stream): pass
    def paused(self, stream): pass
    def ended(self, stream, problem): pass
    def closed(self, problem): print(json.dumps({"closed": problem}), flush=True)

async def main():
    async with open_alone(STDIO, **json.loads(sys.argv[1])) as connector:
        await connector.connect(Inbox())
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def started(connector: Connector, count: int) -> tuple[Connection, Inbox, list[int]]:
    """A connection to a stubborn child, and the processes that came up."""
    inbox = Inbox()
    connection = await connector.connect(inbox)
    return connection, inbox, [json.loads(each)["up"] for each in await inbox.until(count)]


def watchers() -> list[int]:
    """The watchers of this process."""
    listings = [each.read_text() for each in Path("/proc/self/task").glob("*/children")]
    children = [int(pid) for pid in " ".join(listings).split()]
    script = family.__file__.encode()
    return [pid for pid in children if script in command_line(pid)]


def command_line(pid: int) -> bytes:
    """It shows up a moment after the program is started."""
    deadline = time.monotonic() + 1
    while not (found := Path(f"/proc/{pid}/cmdline").read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.001)
    return found


# -- a connection that is closed


async def test_a_child_that_ends_with_its_input_is_not_signalled() -> None:
    code = "import sys; sys.stdin.read(); print('bye', file=sys.stderr)"
    async with python(code, stop_timeout=5.0) as connector:
        connection = await connector.connect(Inbox())
        start = time.monotonic()
        await connection.close()
        assert time.monotonic() - start < 2


async def test_a_child_is_asked_before_it_is_killed(tmp_path: Path) -> None:
    code = """
    import signal, sys, time
    def leave(*_):
        open(sys.argv[1], 'w').write('asked')
        sys.exit()
    signal.signal(signal.SIGTERM, leave)
    print('{}', flush=True)
    while True: time.sleep(1)
    """
    async with python(code, str(tmp_path / "note"), stop_timeout=0.2) as connector:
        inbox = Inbox()
        connection = await connector.connect(inbox)
        await inbox.until(1)
        await connection.close()
    assert (tmp_path / "note").read_text() == "asked"


async def test_nothing_is_left_after_close_not_even_who_left_the_group() -> None:
    async with python(STUBBORN, "family", stop_timeout=0.2) as connector:
        connection, inbox, pids = await started(connector, 2)
        assert len({os.getsid(pid) for pid in pids}) == 2
        await connection.close()
        assert not [pid for pid in pids if alive(pid)]
        assert inbox.problem is None


async def test_who_forgot_the_cookie_is_found_in_the_group() -> None:
    code = """
    import os, sys, time
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:4], sys.argv[1]], {})
    time.sleep(60)
    """
    async with python(code, STUBBORN, stop_timeout=0.2) as connector:
        connection, _, pids = await started(connector, 1)
        with pytest.raises(StopIteration):
            cookie_of(pids[0])
        await connection.close()
        await gone(pids, within=1)


async def test_a_connection_takes_nobody_else_with_it() -> None:
    async with python(STUBBORN, "family", stop_timeout=0.2) as connector:
        first, _, mine = await started(connector, 2)
        _, _, others = await started(connector, 2)
        await first.close()
        assert [alive(pid) for pid in mine + others] == [False, False, True, True]


async def test_many_end_at_the_same_time() -> None:
    async with python(STUBBORN, stop_timeout=0.5) as connector:
        all_of_them = [await started(connector, 1) for _ in range(8)]
        start = time.monotonic()
        await asyncio.gather(*(connection.close() for connection, _, _ in all_of_them))
        assert time.monotonic() - start < 3
        assert not [pid for _, _, pids in all_of_them for pid in pids if alive(pid)]


async def test_a_cancelled_close_ends_the_child_all_the_same() -> None:
    async with python(STUBBORN, "family", stop_timeout=0.3) as connector:
        connection, _, pids = await started(connector, 2)
        closing = asyncio.create_task(connection.close())
        await asyncio.sleep(0.05)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await gone(pids, within=3)


async def test_a_connect_that_is_cancelled_leaves_nothing() -> None:
    async with python(STUBBORN, "family", stop_timeout=0.2) as connector:
        await (await connector.connect(Inbox())).close()
        watcher = family_of(watchers()[0])
        for ticks in range(20):
            task = asyncio.create_task(connector.connect(Inbox()))
            for _ in range(ticks):
                await asyncio.sleep(0)
            if not task.cancel():
                break
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not family.bearers(watcher)
        assert ticks < 19
        await (await task).close()


def family_of(watcher: int) -> bytes:
    """The cookie that a watcher looks for."""
    return Path(f"/proc/{watcher}/cmdline").read_bytes().rstrip(b"\0").rpartition(b"\0")[2]


# -- a child that ends


async def test_nothing_is_left_after_a_crash() -> None:
    async with python(STUBBORN, "family", stop_timeout=0.2) as connector:
        _, inbox, pids = await started(connector, 2)
        os.kill(next(pid for pid in pids if os.getpgid(pid) == pid), signal.SIGKILL)
        assert "killed by signal 9" in await inbox.until_closed()
        await gone(pids, within=3)


# -- a gateway that ends


async def test_a_hurried_end_leaves_nothing() -> None:
    """Closing everything is cancelled while children still have time to end by themselves."""
    with Harness() as harness:
        options = {"command": sys.executable, "args": [*BARE, STUBBORN, "family"], "stop_timeout": 30.0}
        opening = harness.open(STDIO, options)
        _, _, pids = await started(await opening.__aenter__(), 2)
        leaving = asyncio.create_task(_leave(opening))
        await asyncio.sleep(0.2)
        leaving.cancel()
        start = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert time.monotonic() - start < 3
        await gone(pids, within=2)


async def _leave(opening: Any) -> None:
    await opening.__aexit__(None, None, None)


async def test_there_is_one_watcher_which_leaves_with_the_last_connector() -> None:
    assert not watchers()
    with Harness() as harness:
        options = {"command": sys.executable, "args": [*BARE, ECHO]}
        async with harness.open(STDIO, options):
            async with harness.open(STDIO, options):
                assert len(watchers()) == 1
            assert len(watchers()) == 1
    assert not watchers()


async def test_a_watcher_that_was_killed_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    async with python(STUBBORN, stop_timeout=0.2) as connector:
        (before,) = watchers()
        os.kill(before, signal.SIGKILL)
        await gone([before], within=2)
        await asyncio.sleep(0.1)
        await asyncio.gather(*(connector.connect(Inbox()) for _ in range(3)))
        (after,) = watchers()
        assert after != before
    assert caplog.text.count("started another") == 1


async def test_the_watcher_holds_nothing_of_the_gateway() -> None:
    async with python(ECHO) as connector:
        await connector.connect(Inbox())
        (watcher,) = watchers()
        assert os.readlink(f"/proc/{watcher}/cwd") == "/"
        async with asyncio.timeout(5):
            while set(os.listdir(f"/proc/{watcher}/fd")) != {"0", "1", "2"}:
                await asyncio.sleep(0.02)  # it still reads its script
        assert Path(f"/proc/{watcher}/environ").read_bytes() == b""
        assert os.getsid(watcher) == watcher


@asynccontextmanager
async def gateway(
    options: dict[str, Any], count: int
) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[int]]]:
    """A process with a connector, whose child's processes say that they are up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GATEWAY, json.dumps(options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[4],
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            pids = [json.loads(await process.stdout.readline())["up"] for _ in range(count)]
        cookie = cookie_of(pids[0]).partition(".")[0] + "."
        everybody = family.bearers(cookie.encode())
        assert set(pids) <= set(everybody)
        yield process, everybody
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def stubborn(way: str, script: Path) -> dict[str, Any]:
    """Options that start a stubborn family in one of the ways people start servers."""
    script.write_text(STUBBORN)
    argv = [sys.executable, *BARE[:-1], str(script), "family"]
    if way == "shell":
        return {"command": "sh", "args": ["-c", f"{' '.join(argv)}; true"]}
    if way == "uv":
        run = [
            "run",
            "--no-project",
            "--offline",
            "--no-config",
            "--python",
            sys.executable,
            str(script),
            "family",
        ]
        return {"command": str(UV), "args": run, "env": {"UV_CACHE_DIR": str(script.parent / "cache")}}
    return {"command": argv[0], "args": argv[1:]}


@pytest.mark.parametrize("way", ["plain", "shell", "uv"])
async def test_a_killed_gateway_leaves_nothing_within_two_seconds(tmp_path: Path, way: str) -> None:
    if way == "uv" and UV is None:
        pytest.skip("uv is not installed")
    async with gateway(stubborn(way, tmp_path / "stubborn.py"), 2) as (process, everybody):
        assert len(everybody) >= (3 if way != "plain" else 2)
        process.kill()
        await process.wait()
        await gone(everybody, within=2.0)


async def test_a_frozen_child_does_not_outlive_a_killed_gateway(tmp_path: Path) -> None:
    async with gateway(stubborn("plain", tmp_path / "stubborn.py"), 2) as (process, everybody):
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        process.kill()
        await process.wait()
        await gone(everybody, within=2.0)


async def test_a_gateway_that_stops_leaves_nothing(tmp_path: Path) -> None:
    options = {**stubborn("shell", tmp_path / "stubborn.py"), "stop_timeout": 0.2}
    async with gateway(options, 2) as (process, everybody):
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        assert not [pid for pid in everybody if alive(pid)]


async def test_of_two_gateways_in_one_process_each_has_its_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with python(STUBBORN, stop_timeout=0.2) as one:
        _, _, mine = await started(one, 1)
        async with python(STUBBORN, stop_timeout=0.2) as other:
            _, _, others = await started(other, 1)
            assert len(watchers()) == 2
        assert [alive(pid) for pid in mine + others] == [True, False]
    assert not caplog.records
