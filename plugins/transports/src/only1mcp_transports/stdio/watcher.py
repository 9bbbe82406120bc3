"""The watcher's side in the gateway: one watcher process per gateway, started with the first stdio server.

Only the gateway holds the other end of the watcher's input. Closing it is the one thing ever said to the watcher: it
looks for who is left, ends them, and leaves. So a stop that was cut short leaves no more behind than a whole one.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from only1mcp_sdk import OpenFailed
from only1mcp_transports.stdio import family
from only1mcp_transports.stdio.process import Process

SHARED_KEY = "stdio-watcher"
_LEAVE_SECONDS = 5.0


class Watcher:
    """Gives out cookies. On Linux a process watches over whoever bears one."""

    def __init__(self, log: logging.Logger) -> None:
        self._cookie = secrets.token_hex(12)
        self._numbers = itertools.count(1)
        self._log = log
        self._process: Process | None = None
        self._input = -1
        self._gone = asyncio.Event()

    def next_cookie(self) -> str:
        """A new child's cookie. Brings the watcher back, should somebody have killed it. Raises `OSError`."""
        if self._gone.is_set():
            self._log.warning("the process that watches over child processes was gone; started another")
            self.start()
        return f"{self._cookie}.{next(self._numbers)}."

    def start(self) -> None:
        """Start the process. Raises `OSError`."""
        if sys.platform != "linux":
            return
        self._let_go()
        argv = (sys.executable, "-I", "-S", str(Path(family.__file__)), self._cookie + ".")
        theirs, self._input = os.pipe()
        streams = (theirs, subprocess.DEVNULL, subprocess.DEVNULL)
        try:
            self._process = Process(argv, {}, Path("/"), streams, self._gone.set)
        finally:
            os.close(theirs)
        self._gone.clear()

    async def stop(self) -> None:
        """Have it end whoever is left, and wait."""
        self._let_go()
        process = self._process
        if process is None:
            return
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._gone.wait()
        except TimeoutError:
            self._log.warning(
                "processes of a server could not be ended; see which bear ONLY1MCP_COOKIE=%s", self._cookie
            )
            os.kill(process.pid, signal.SIGKILL)
            await self._gone.wait()

    def _let_go(self) -> None:
        if self._input >= 0:
            os.close(self._input)
            self._input = -1


@asynccontextmanager
async def open_watcher(log: logging.Logger) -> AsyncIterator[Watcher]:
    """A running watcher. Raises `OpenFailed`."""
    watcher = Watcher(log)
    try:
        watcher.start()
    except OSError as error:
        raise OpenFailed(f"cannot start {sys.executable} to watch over child processes: {error}") from None
    try:
        yield watcher
    finally:
        await watcher.stop()
