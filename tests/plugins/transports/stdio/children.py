"""What the tests of the stdio connector start, and what they look at."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from only1mcp_sdk import Connector, Source, offer
from only1mcp_sdk.testing.harness import open_alone
from only1mcp_transports.stdio.config import ConnectorConfig
from only1mcp_transports.stdio.connector import open_connector

STDIO = offer("stdio", ConnectorConfig, open_connector)
NONE: Mapping[str, str] = {}
BARE = ("-I", "-S", "-c")

ECHO = "import sys\nfor line in sys.stdin:\n    print(line, end='', flush=True)"
"""Says everything again."""

STUBBORN = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if "family" in sys.argv and os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
print('{"up":%d}' % os.getpid(), flush=True)
while True:
    time.sleep(1)
"""
"""Ignores a closed input and SIGTERM. With `family`, so does a grandchild that left its group and session."""


class Inbox:
    """An `only1mcp_sdk.Inbox`."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.lost: dict[int, str] = {}
        self.problem: str | None = None
        self.changed = asyncio.Event()

    def received(self, message: bytes, stream: int | None) -> None:
        self.messages.append(message)
        self.changed.set()

    def answered(self, message: bytes, stream: int) -> None:
        raise AssertionError("a pipe has no streams")

    def arriving(self, start: bytes, source: Source, stream: int) -> None:
        raise AssertionError("a pipe has no streams")

    def paused(self, stream: int) -> None:
        """Not over a pipe."""

    def ended(self, stream: int, problem: str) -> None:
        assert stream not in self.lost
        self.lost[stream] = problem

    def closed(self, problem: str) -> None:
        self.problem = problem if self.problem is None else f"{self.problem}, and closed again: {problem}"
        self.changed.set()

    async def until(self, count: int) -> list[bytes]:
        async with asyncio.timeout(10):
            while len(self.messages) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.messages

    async def until_closed(self) -> str:
        async with asyncio.timeout(10):
            while self.problem is None:
                self.changed.clear()
                await self.changed.wait()
        return self.problem


@asynccontextmanager
async def python(code: str, *args: str, **options: Any) -> AsyncIterator[Connector]:
    """A connector whose server is a piece of Python."""
    arguments = [*BARE, textwrap.dedent(code), *args]
    async with open_alone(STDIO, command=sys.executable, args=arguments, **options) as connector:
        yield connector


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def cookie_of(pid: int) -> str:
    environ = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return next(each.partition("=")[2] for each in environ if each.startswith("ONLY1MCP_COOKIE="))


async def gone(pids: list[int], within: float) -> None:
    """Return when none of these runs any more."""
    deadline = time.monotonic() + within
    while left := [pid for pid in pids if alive(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        await asyncio.sleep(0.02)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
