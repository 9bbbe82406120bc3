"""The watcher's side in the gateway: one watcher process per gateway, started with the first stdio server.

Only the gateway holds the other end of the watcher's input. Closing it is the one thing ever said to the watcher: it
looks for who is left, ends them, and leaves. So a stop that was cut short leaves no more behind than a whole one.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from only1mcp_sdk import OpenFailed
from only1mcp_transports.stdio import family

SHARED_KEY = "stdio-watcher"
_LEAVE_SECONDS = 5.0


class Watcher:
    """Gives out cookies. On Linux a process watches over whoever bears one."""

    def __init__(self, log: logging.Logger) -> None:
        self._cookie = secrets.token_hex(12)
        self._numbers = itertools.count(1)
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    async def next_cookie(self) -> str:
        """A new child's cookie. Brings the watcher back, should somebody have killed it. Raises `OSError`."""
        async with self._starting:
            if self._process is not None and self._process.returncode is not None:
                self._log.warning("the process that watches over child processes was gone; started another")
                await self.start()
        return f"{self._cookie}.{next(self._numbers)}."

    async def start(self) -> None:
        """Start the process. Raises `OSError`."""
        if sys.platform != "linux":
            return
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(Path(family.__file__)), self._cookie + ".",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={},
        )  # fmt: skip

    async def stop(self) -> None:
        """Have it end whoever is left, and wait."""
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await process.wait()
        except TimeoutError:
            self._log.warning(
                "processes of a server could not be ended; see which bear ONLY1MCP_COOKIE=%s", self._cookie
            )
            process.kill()
            await process.wait()


@asynccontextmanager
async def open_watcher(log: logging.Logger) -> AsyncIterator[Watcher]:
    """A running watcher. Raises `OpenFailed`."""
    watcher = Watcher(log)
    try:
        await watcher.start()
    except OSError as error:
        raise OpenFailed(f"cannot start {sys.executable} to watch over child processes: {error}") from None
    try:
        yield watcher
    finally:
        await watcher.stop()
