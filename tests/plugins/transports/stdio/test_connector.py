"""The stdio connector with real child processes: how they are started."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import pytest

from only1mcp_sdk.testing import check_connector
from only1mcp_sdk.testing.harness import Harness, open_alone
from tests.plugins.transports.stdio.children import BARE, ECHO, NONE, STDIO, Inbox, descriptors, python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="process families are found in /proc")

ANSWERING = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"jsonrpc": "2.0", "id": json.loads(line)["id"], "result": {}}), flush=True)
"""


async def test_keeps_to_the_contract() -> None:
    options = {"command": sys.executable, "args": [*BARE, ANSWERING]}
    await check_connector(STDIO, options, broken={"command": "no-such-command-here"})


async def test_arguments_are_not_shown() -> None:
    async with open_alone(STDIO, command="server", args=["--token", "hunter2"]) as connector:
        assert connector.target == "server with 2 arguments"


async def test_the_environment_and_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOME": "/h", "OWN_TOKEN": "t", "OTHER": "o", "PATH": "/usr/bin"}.items():
        monkeypatch.setenv(name, value)
    code = "import json, os; print(json.dumps([dict(os.environ), os.getcwd()]), flush=True)"
    options = {"args": [*BARE, code], "env": {"SET": "s"}, "pass_env": ["OWN_*"], "cwd": "sub"}
    with Harness() as harness:
        (harness.base_dir / "sub").mkdir()
        async with harness.open(STDIO, {"command": sys.executable, **options}) as connector:
            inbox = Inbox()
            await connector.connect(inbox)
            environment, cwd = json.loads((await inbox.until(1))[0])
        assert cwd == str(harness.base_dir / "sub")
    assert environment["PATH"] == f"/usr/bin:{os.path.dirname(sys.executable)}"
    assert environment.items() >= {"HOME": "/h", "OWN_TOKEN": "t", "SET": "s"}.items()
    assert "OTHER" not in environment


async def test_a_relative_command_is_looked_for_in_the_working_directory() -> None:
    with Harness() as harness:
        script = harness.base_dir / "sub" / "server"
        script.parent.mkdir()
        script.write_text("#!/bin/sh\nread line; echo '{}'\n")
        script.chmod(0o755)
        async with harness.open(STDIO, {"command": "./server", "cwd": "sub"}) as connector:
            inbox = Inbox()
            connection = await connector.connect(inbox)
            connection.send(b"{}", NONE, 1)
            assert await inbox.until(1) == [b"{}"]


async def test_an_exit_is_noticed_where_there_are_no_handles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    async with python("raise SystemExit(7)") as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until_closed() == "the process exited with status 7"
    async with python(ECHO, stop_timeout=5) as connector:
        connection = await connector.connect(Inbox())
        async with asyncio.timeout(2):
            await connection.close()


async def test_fifty_connections_leave_no_descriptor() -> None:
    async with python(ECHO) as connector:
        first = await connector.connect(Inbox())
        await first.close()
        before = descriptors()
        for _ in range(5):
            inboxes = [Inbox() for _ in range(10)]
            connections = await asyncio.gather(*(connector.connect(inbox) for inbox in inboxes))
            for connection, inbox in zip(connections, inboxes, strict=True):
                connection.send(b"{}", NONE, 1)
                await inbox.until(1)
            await asyncio.gather(*(connection.close() for connection in connections))
        await asyncio.sleep(0.05)
        assert descriptors() <= before


async def test_starting_does_not_hold_up_the_event_loop() -> None:
    async with python(ECHO) as connector:
        pauses = [0.0]

        async def watch() -> None:
            while True:
                start = time.perf_counter()
                await asyncio.sleep(0)
                pauses.append(time.perf_counter() - start)

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(connector.connect(Inbox()) for _ in range(10)))
        watching.cancel()
        assert max(pauses) < 0.5, "ten starts in a row hold up everybody else"
