"""The raw client over a child's stdin and stdout, in both eras."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tests.scenarios.raw import Answer, Era, Peer, decode


class StdioPeer(Peer):
    """The client of a program that speaks MCP on its standard streams. Closing it ends the program."""

    def __init__(
        self,
        command: list[str],
        env: Mapping[str, str],
        era: Era,
        answers: Mapping[str, Answer] | None = None,
        cwd: Path | None = None,
        errors: Path | None = None,
    ) -> None:
        super().__init__(era, answers)
        self.command = command
        self.env = dict(env)
        self.cwd = cwd
        self.errors = errors
        self.process: Process | None = None
        self._waiting: dict[Any, asyncio.Future[bytes]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        with contextlib.ExitStack() as stack:
            errors = stack.enter_context((self.errors or Path("/dev/null")).open("ab"))
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=errors,
                env=self.env,
                cwd=self.cwd,
                limit=1 << 26,
                start_new_session=True,
            )
        self._reader = asyncio.create_task(self._read(self.process))

    async def close(self) -> None:
        """Close stdin and wait; a program that stays is terminated, then killed."""
        process = self.process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None and process.returncode is None:
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 5)
                break
        if self._reader is not None:
            await self._reader
        self.process = None

    async def exchange_text(self, text: bytes, message: dict[str, Any]) -> bytes:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[message["id"]] = future
        await self._write(text)
        return await asyncio.wait_for(future, 60)

    async def send(self, message: dict[str, Any]) -> None:
        await self._write(msgspec.json.encode(message))

    async def _write(self, text: bytes) -> None:
        assert self.process is not None, "use opened(peer)"
        assert self.process.stdin is not None
        self.process.stdin.write(text + b"\n")
        await self.process.stdin.drain()

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            message = decode(line)
            if "method" not in message:
                future = self._waiting.pop(message.get("id"), None)
                if future is not None and not future.done():
                    future.set_result(line.strip())
            elif "id" in message:
                self.heard(line.strip())
                with contextlib.suppress(ConnectionError):  # it asked, and left
                    await self.send(self.answer(message))
            else:
                self.noted(line.strip(), message)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError(f"{self.command[0]} closed its output"))
