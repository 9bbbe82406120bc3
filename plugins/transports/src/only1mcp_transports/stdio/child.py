"""One child process: its pipes, its end, and the end of its family.

Implements `only1mcp_sdk.Connection` and asyncio's subprocess protocol: bytes are handled as they arrive, without a
task per child.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from typing import cast

from only1mcp_sdk import Inbox
from only1mcp_transports.stdio import family
from only1mcp_transports.stdio.lines import Lines, LineTooLong

MAX_UNREAD = 64 << 20
"""Bytes a child may leave unread on its input before it counts as stuck."""
MAX_STDERR_LINE = 64 << 10
PIPE_BYTES = 1 << 20
_LAST_WORDS = 3
_FAMILY_PATIENCE = 0.5
_F_SETPIPE_SZ = 1031


class Child(asyncio.SubprocessProtocol):
    """A running child."""

    duplex = True

    def __init__(
        self,
        inbox: Inbox,
        cookie: str,
        stop_timeout: float,
        max_line_bytes: int,
        log: logging.Logger,
        siblings: set[Child],
    ) -> None:
        self._inbox = inbox
        self._cookie = cookie.encode()
        self._stop_timeout = stop_timeout
        self._log = log
        self._siblings = siblings
        self._lines = Lines(max_line_bytes)
        self._stderr = Lines(MAX_STDERR_LINE)
        self._last_words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._exited = asyncio.Event()
        self._output_ended = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._reported = False
        self._garbage_seen = False

    # -- only1mcp_sdk.Connection

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        stdin = self._stdin
        if stdin is None or stdin.is_closing():
            return
        stdin.write(message.replace(b"\n", b" ") + b"\n" if b"\n" in message else message + b"\n")
        if stdin.get_write_buffer_size() > MAX_UNREAD:
            self._give_up(f"it left more than {MAX_UNREAD >> 20} MiB of its input unread")

    def abandon(self, stream: int) -> None:
        """Nothing to do: all messages share one pipe."""

    def listen(self, headers: Mapping[str, str]) -> None:
        """Nothing to do: the pipe is always open."""

    async def close(self) -> None:
        self._reported = True
        self._siblings.discard(self)
        await asyncio.shield(self._start_closing())

    # -- asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        self._siblings.add(self)
        output = self._transport.get_pipe_transport(1)
        pipe = output.get_extra_info("pipe") if output is not None else None
        if sys.platform == "linux" and pipe is not None:
            import fcntl

            with contextlib.suppress(OSError, ValueError):  # a convenience, and the pipe may be closed already
                fcntl.fcntl(pipe.fileno(), _F_SETPIPE_SZ, PIPE_BYTES)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._take_stderr(data)
            return
        try:
            lines = self._lines.feed(data)
        except LineTooLong:
            self._give_up("it sent a line that is too long")
            return
        for line in lines:
            self._take_line(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._output_ended.set()
            if not self._exited.is_set():
                self._give_up("it closed its output")

    def process_exited(self) -> None:
        self._exited.set()
        if not self._reported:
            # What it wrote last may still be in the pipe.
            asyncio.get_running_loop().call_later(0.05, self._report_exit)

    # -- what arrives

    def _take_line(self, line: bytes) -> None:
        text = line.strip()
        if text[:1] in (b"{", b"["):
            self._inbox.received(text, None)
        elif text and not self._garbage_seen:
            self._garbage_seen = True
            self._log.warning(
                "printed something that is no message, skipped (said once): %s", _printable(text[:200])
            )

    def _take_stderr(self, data: bytes) -> None:
        try:
            lines = self._stderr.feed(data)
        except LineTooLong:
            lines = [self._stderr.rest()[:200] + b"..."]
            self._stderr = Lines(MAX_STDERR_LINE)
        for line in lines:
            words = _printable(line)
            if words:
                self._last_words.append(words)
                self._log.info("%s", words)

    # -- ends

    def _report_exit(self) -> None:
        code = self._transport.get_returncode() if self._transport is not None else None
        killed = code is not None and code < 0
        how = f"was killed by signal {-code}" if killed and code is not None else f"exited with status {code}"
        said = f"; it said: {' | '.join(self._last_words)}" if self._last_words else ""
        self._report(f"the process {how}{said}")

    def _give_up(self, problem: str) -> None:
        # A child that exits closes its output a moment before: let the exit be the reason, if there is one.
        asyncio.get_running_loop().call_later(0.1, self._report, problem)

    def _report(self, problem: str) -> None:
        if not self._reported:
            self._reported = True
            self._start_closing()
            self._inbox.closed(problem)

    def _start_closing(self) -> asyncio.Task[None]:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._end())
        return self._closing

    async def _end(self) -> None:
        """Close its input, then ask it, then kill it; then end whatever of its family is left."""
        transport = self._transport
        if transport is not None:
            if self._stdin is not None:
                self._stdin.close()
            for number in (signal.SIGTERM, signal.SIGKILL):
                if await self._exits_within(self._stop_timeout):
                    break
                self._signal_group(transport.get_pid(), number)
            await self._exited.wait()
        await asyncio.to_thread(family.end_all, self._cookie, _FAMILY_PATIENCE)
        if transport is not None:
            transport.close()
        self._siblings.discard(self)

    async def _exits_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._exited.wait()
        return self._exited.is_set()

    def _signal_group(self, pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)


def _printable(line: bytes) -> str:
    text = line.decode(errors="replace").rstrip()
    return "".join(char if char.isprintable() or char == "\t" else f"\\x{ord(char):02x}" for char in text)
