"""The watcher's side in the gateway: one watcher process per gateway, started with the first stdio server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from only1mcp_transports.stdio import family

SHARED_KEY = "stdio-watcher"
_FAREWELL_SECONDS = 5.0


class Watcher:
    """Gives out cookies. On Linux a process watches over whoever bears one."""

    def __init__(self, log: logging.Logger) -> None:
        self._cookie = secrets.token_hex(12)
        self._numbers = itertools.count(1)
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    def next_cookie(self) -> str:
        """A new child's cookie."""
        return f"{self._cookie}.{next(self._numbers)}."

    async def start(self) -> None:
        if sys.platform != "linux":
            return
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(Path(family.__file__)), self._cookie + ".",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={},
        )  # fmt: skip

    async def stop(self) -> None:
        """Say farewell; without it the watcher would take the gateway for dead."""
        process = self._process
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(ConnectionError):
            process.stdin.write(b"q")
            await process.stdin.drain()
        process.stdin.close()
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await process.wait()
        except TimeoutError:
            self._log.warning("the watcher process did not end and was killed")
            process.kill()
            await process.wait()


@asynccontextmanager
async def open_watcher(log: logging.Logger) -> AsyncIterator[Watcher]:
    """A running watcher."""
    watcher = Watcher(log)
    await watcher.start()
    try:
        yield watcher
    finally:
        await watcher.stop()
