"""The other end of the control socket: what commands use to talk to a running gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from only1mcp_kernel.daemon.home import Home, socket_of
from only1mcp_kernel.daemon.lines import Lines, frame
from only1mcp_sdk import Only1McpError

_CHUNK = 64 * 1024
_NO_LIMIT = 1 << 62
"""The gateway is trusted with our memory: it is the same user's."""


class NotRunning(Only1McpError):
    """No gateway serves this configuration."""

    def __init__(self, config: Path) -> None:
        super().__init__(f"not running: no gateway serves {config}; `only1mcp start -c {config}` starts one")


class Lost(Only1McpError):
    """The gateway ended while we talked to it."""

    def __init__(self) -> None:
        super().__init__("the gateway closed the connection before it answered; its log may tell why")


class Refused(Only1McpError):
    """The gateway did not do what we asked. `kind` is the name of the error's class over there."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class ControlClient:
    """A connection to a running gateway. Commands first; after `connect`, MCP messages with `send` and `receive`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._lines = Lines(_NO_LIMIT)

    async def command(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Ask, and return the answer. Raises `Refused` and `Lost`."""
        await self.send(json.dumps({"command": name, **arguments}).encode())
        answer = json.loads(await self.receive())
        if not answer.pop("ok"):
            raise Refused(answer["error"], answer["kind"])
        return dict(answer)

    async def connect(self, profile: str) -> None:
        """Turn the connection into an MCP channel. Raises `Refused` and `Lost`."""
        await self.command("connect", profile=profile)

    async def send(self, message: bytes) -> None:
        """Send one message. Raises `Lost`."""
        try:
            self._writer.write(frame(message))
            await self._writer.drain()
        except ConnectionError:
            raise Lost from None

    async def receive(self) -> bytes:
        """The next message. Raises `Lost`."""
        while (line := self._lines.next()) is None:
            data = await self._read()
            if not data:
                raise Lost
            self._lines.feed(data)
        return line

    async def ended(self) -> None:
        """Wait until the gateway has closed the connection."""
        while await self._read():
            pass

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK)
        except ConnectionError:
            return b""


@contextlib.asynccontextmanager
async def control(home: Home) -> AsyncIterator[ControlClient]:
    """Talk to the gateway of this home. Raises `NotRunning`."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket_of(home))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise NotRunning(home.config) from None
    except OSError as error:
        raise Only1McpError(f"can't reach the gateway at {socket_of(home)}: {error.strerror}") from None
    try:
        yield ControlClient(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def stop(home: Home, seconds: float) -> int:
    """Ask the gateway of this home to stop and wait until its process has gone; returns its pid.

    Raises `NotRunning`, and `TimeoutError` when it still drains after this many seconds.
    """
    async with asyncio.timeout(seconds), control(home) as client:
        pid = int((await client.command("stop"))["pid"])
        process = _process(pid)
        try:
            await client.ended()
            if process is not None:
                await _exit_of(process)
        finally:
            if process is not None:
                os.close(process)
    return pid


def _process(pid: int) -> int | None:
    """A handle of a process (pidfd_open(2)), where the system has such and the process is still there."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


async def _exit_of(process: int) -> None:
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(process)
