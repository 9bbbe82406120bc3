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
from collections.abc import Callable, Iterator, Mapping
from typing import cast

from only1mcp_sdk import Inbox
from only1mcp_transports.stdio import family
from only1mcp_transports.stdio.lines import Lines, as_line

MAX_UNREAD = 64 << 20
"""Bytes a child may leave unread on its input before it counts as stuck."""
MAX_STDERR_LINE = 8 << 10
PIPE_BYTES = 1 << 20
FAMILY_PATIENCE = 0.5
"""Seconds that whatever outlives the child itself gets between SIGTERM and SIGKILL."""
EXIT_PATIENCE = 0.5
"""Seconds to wait for an exit that explains a closed pipe, and for output that was written before an exit."""
KILL_PATIENCE = 10.0
"""Seconds that SIGKILL may take. It takes none unless the process hangs in the kernel, on a dead network drive say."""
_LAST_WORDS = 3
_WORD_CHARS = 300
_F_SETPIPE_SZ = 1031


class Child(asyncio.SubprocessProtocol):
    """A running child. `gone` is called when nothing is left of it."""

    duplex = True

    def __init__(
        self,
        inbox: Inbox,
        cookie: str,
        stop_timeout: float,
        max_line_bytes: int,
        log: logging.Logger,
        gone: Callable[[Child], None],
    ) -> None:
        self._inbox = inbox
        self._cookie = cookie.encode()
        self._stop_timeout = stop_timeout
        self._log = log
        self._gone = gone
        self._lines = Lines(max_line_bytes)
        self._stderr = Lines(MAX_STDERR_LINE)
        self._last_words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._pid = 0
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._exited = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        self._over = False
        self._garbage_seen = False

    # -- only1mcp_sdk.Connection

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        stdin = self._stdin
        if self._over or stdin is None or stdin.is_closing():
            return
        stdin.write(as_line(message))
        if stdin.get_write_buffer_size() > MAX_UNREAD:
            problem = f"it left more than {MAX_UNREAD >> 20} MiB of its input unread"
            asyncio.get_running_loop().call_soon(self._fail, problem)

    def abandon(self, stream: int) -> None:
        """Nothing to do: all messages share one pipe."""

    def listen(self, headers: Mapping[str, str]) -> None:
        """Nothing to do: the pipe is always open."""

    async def close(self) -> None:
        self._over = True
        # A caller that is cancelled leaves; the child is ended all the same.
        await asyncio.shield(self._end())

    # -- asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._pid = self._transport.get_pid()
        self._stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        output = self._transport.get_pipe_transport(1)
        pipe = output.get_extra_info("pipe") if output is not None else None
        if sys.platform == "linux" and pipe is not None:
            import fcntl

            # Fewer wake-ups for long messages; not vital, and the pipe may be closed already.
            with contextlib.suppress(OSError, ValueError):
                fcntl.fcntl(pipe.fileno(), _F_SETPIPE_SZ, PIPE_BYTES)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            for line in self._stderr.feed(data):
                self._take_stderr(line)
            return
        for line in self._lines.feed(data):
            self._take_line(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 2:
            self._take_stderr(self._stderr.rest())
        elif not self._over:
            # One that exits closes its pipes a moment before: let the exit be the reason, if there is one.
            problem = f"it closed its {'output' if fd == 1 else 'input'}"
            asyncio.get_running_loop().call_later(EXIT_PATIENCE, self._fail, problem)

    def process_exited(self) -> None:
        self._exited.set()
        # What it wrote last may still be in the pipes, and a process it started may keep them open.
        asyncio.get_running_loop().call_later(EXIT_PATIENCE, self._fail_by_exit)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail_by_exit()

    # -- what arrives

    def _take_line(self, line: bytes) -> None:
        if self._over:
            return
        if len(line) > self._lines.limit:
            self._fail(f"it sent a line of more than {self._lines.limit} bytes (max_line_bytes)")
            return
        text = line.strip()
        if text[:1] in (b"{", b"["):
            self._inbox.received(text, None)
        elif text and not self._garbage_seen:
            self._garbage_seen = True
            self._log.warning(
                "printed something that is no message, skipped (said once): %s", _printable(text[:200])
            )

    def _take_stderr(self, line: bytes) -> None:
        words = _printable(line[:MAX_STDERR_LINE])
        if not words:
            return
        if len(line) > MAX_STDERR_LINE:
            words += " ..."
        self._last_words.append(words[:_WORD_CHARS])
        self._log.info("%s", words)

    # -- ends

    def _fail_by_exit(self) -> None:
        code = self._transport.get_returncode() if self._transport is not None else None
        killed = code is not None and code < 0
        how = f"was killed by signal {-code}" if killed and code is not None else f"exited with status {code}"
        said = f"; it said: {' | '.join(self._last_words)}" if self._last_words else ""
        self._fail(f"the process {how}{said}")

    def _fail(self, problem: str) -> None:
        if not self._over:
            self._over = True
            self._end()
            self._inbox.closed(problem)

    def _end(self) -> asyncio.Task[None]:
        if self._ending is None:
            self._ending = asyncio.create_task(self._end_all(), name="end a child process")  # noqa: TID251  (close awaits it)
        return self._ending

    async def _end_all(self) -> None:
        try:
            await self._end_child()
            await self._end_family()
        except asyncio.CancelledError:  # the whole process is in a hurry; the watcher sees to the rest
            self._signal_group(signal.SIGKILL)
            raise
        finally:
            if self._transport is not None:
                self._transport.close()
            self._gone(self)

    async def _end_child(self) -> None:
        """Close its input, then ask it to end, then kill it."""
        if self._transport is None:
            return  # it never started, or asyncio ended it when `connect` was cancelled
        if self._stdin is not None:
            self._stdin.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if await self._exits_within(self._stop_timeout):
                return
            self._signal_group(number)
        if not await self._exits_within(KILL_PATIENCE):
            self._log.error("process %d can't be killed and is left behind", self._pid)

    async def _end_family(self) -> None:
        """Ask those to end that are left of its group, or bear its cookie; then kill them."""
        group_left = self._signal_group(signal.SIGTERM)
        deadline = asyncio.get_running_loop().time() + FAMILY_PATIENCE
        looks = family.ending(self._cookie, FAMILY_PATIENCE)
        while await asyncio.to_thread(_step, looks):  # noqa: ASYNC110  (nobody signals who ends)
            await asyncio.sleep(family.POLL)
        while group_left and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(family.POLL)
            group_left = self._signal_group(0)
        if group_left:
            self._signal_group(signal.SIGKILL)

    async def _exits_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._exited.wait()
        return self._exited.is_set()

    def _signal_group(self, number: int) -> bool:
        """Signal whoever is in the child's process group; whether there is anybody."""
        if not self._pid:
            return False
        try:
            os.killpg(self._pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def _step(looks: Iterator[None]) -> bool:
    """Take one more look; False when there was none to take."""
    for _ in looks:
        return True
    return False


def _printable(line: bytes) -> str:
    text = line.decode(errors="replace").rstrip()
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode()
        for char in text
    )
