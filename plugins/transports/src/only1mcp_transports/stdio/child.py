"""One child process: its pipes, its end, and the end of its family.

Implements `only1mcp_sdk.Connection`: bytes are handled as they arrive, without a task per child.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from only1mcp_sdk import Context, Inbox
from only1mcp_transports.large import Share
from only1mcp_transports.stdio import family
from only1mcp_transports.stdio.config import ConnectorConfig
from only1mcp_transports.stdio.lines import Lines
from only1mcp_transports.stdio.pipes import Inflow, Outflow, PlainEnd
from only1mcp_transports.stdio.process import Process

MAX_UNREAD = 64 << 20
"""Bytes a child may leave unread on its input before it counts as stuck."""
MAX_STDERR_LINE = 8 << 10
FAMILY_PATIENCE = 0.5
"""Seconds that whatever outlives the child itself gets between SIGTERM and SIGKILL."""
EXIT_PATIENCE = 0.5
"""Seconds to wait for an exit that explains a closed pipe, and for output that was written before an exit."""
KILL_PATIENCE = 10.0
"""Seconds that SIGKILL may take. It takes none unless the process hangs in the kernel, on a dead network drive say."""
ROOM_PATIENCE = 10.0
"""Seconds to wait for room to hold a large line in."""
_ROOM_GLANCE = 0.05
NO_ROOM_FOR_OURS = (
    "the server reads too slowly, and the gateway holds too many large messages already; try again"
)
NO_ROOM_FOR_ITS = "it sent a large message, and the gateway held too many of those already"
_LAST_WORDS = 3
_WORD_CHARS = 300


class Child:
    """A running child. `gone` is called when nothing is left of it."""

    duplex = True

    def __init__(
        self,
        inbox: Inbox,
        cookie: str,
        config: ConnectorConfig,
        context: Context,
        gone: Callable[[Child], None],
    ) -> None:
        self._inbox = inbox
        self._cookie = cookie.encode()
        self._stop_timeout = config.stop_timeout
        self._log = context.logger
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._lines = Lines(config.max_line_bytes)
        self._buffers = context.buffers
        self._held = Share(context.buffers)
        self._stderr = Lines(MAX_STDERR_LINE)
        self._last_words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._process: Process | None = None
        self._input: Outflow | None = None
        self._output: Inflow | None = None
        self._errors: Inflow | None = None
        self._exited = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        self._over = False
        self._garbage_seen = False

    def start(self, argv: Sequence[str], environment: Mapping[str, str], cwd: Path | None) -> None:
        """Raises `OSError` and `ValueError`; to be closed all the same."""
        with contextlib.ExitStack() as theirs:
            input, ours = os.pipe()
            theirs.callback(os.close, input)
            self._input = Outflow(_end(ours), self._buffers, self._input_closed)
            self._input.watch()
            ours, output = os.pipe()
            theirs.callback(os.close, output)
            self._output = Inflow(_end(ours), self._take, self._output_closed)
            ours, errors = os.pipe()
            theirs.callback(os.close, errors)
            self._errors = Inflow(_end(ours), self._take_errors, self._errors_closed)
            self._process = Process(argv, environment, cwd, (input, output, errors), self._process_exited)

    # -- only1mcp_sdk.Connection

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        input = self._input
        if self._over or input is None:
            return
        if not input.send(message):
            self._loop.call_soon(self._inbox.ended, stream, NO_ROOM_FOR_OURS)
        elif input.unread > MAX_UNREAD:
            problem = f"it left more than {MAX_UNREAD >> 20} MiB of its input unread"
            self._loop.call_soon(self._fail, problem)

    def abandon(self, stream: int) -> None:
        """Nothing to do: all messages share one pipe."""

    def listen(self, headers: Mapping[str, str]) -> None:
        """Nothing to do: the pipe is always open."""

    async def close(self) -> None:
        # A caller that is cancelled leaves; the child is ended all the same.
        await asyncio.shield(self._end())

    # -- what arrives

    def _take(self, data: bytes) -> None:
        if self._over:  # what it still writes is taken from it, so that it can end
            return
        lines = self._lines
        for line in lines.feed(data):
            if self._ending is not None:  # one of them was its last
                return
            if line.startswith(b"{") and len(line) <= lines.limit:  # as a rule
                self._inbox.received(line, None)
            else:
                self._take_odd_line(line)
        if self._ending is None and not self._held.cover(self._lines.held):
            self._wait_for_room(self._loop.time() + ROOM_PATIENCE)

    def _wait_for_room(self, deadline: float) -> None:
        """Hold the child up until others have let go of their large messages."""
        if self._over or self._output is None:
            return
        if self._held.cover(self._lines.held):
            self._output.resume()
        elif self._loop.time() < deadline:
            self._output.pause()
            self._loop.call_later(_ROOM_GLANCE, self._wait_for_room, deadline)
        else:
            self._fail(NO_ROOM_FOR_ITS)

    def _take_errors(self, data: bytes) -> None:
        for line in self._stderr.feed(data):
            self._take_stderr(line)

    # One that exits closes its pipes a moment before: let the exit be the reason, if there is one.

    def _input_closed(self) -> None:
        self._loop.call_later(EXIT_PATIENCE, self._fail, "it closed its input")

    def _output_closed(self) -> None:
        self._loop.call_later(EXIT_PATIENCE, self._fail, "it closed its output")
        self._fail_when_all_ended()

    def _errors_closed(self) -> None:
        self._take_stderr(self._stderr.rest())
        self._fail_when_all_ended()

    def _take_odd_line(self, line: bytes) -> None:
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

    def _process_exited(self) -> None:
        self._exited.set()
        # What it wrote last may still be in the pipes, and a process it started may keep them open.
        self._loop.call_later(EXIT_PATIENCE, self._fail_by_exit)
        self._fail_when_all_ended()

    def _fail_when_all_ended(self) -> None:
        flows = (self._output, self._errors)
        if self._exited.is_set() and all(flow is None or flow.over for flow in flows):
            self._fail_by_exit()

    def _fail_by_exit(self) -> None:
        code = self._process.status if self._process is not None else None
        killed = code is not None and code < 0
        how = f"was killed by signal {-code}" if killed and code is not None else f"exited with status {code}"
        said = f"; it said: {' | '.join(self._last_words)}" if self._last_words else ""
        self._fail(f"the process {how}{said}")

    def _fail(self, problem: str) -> None:
        if not self._over:
            self._end()
            self._inbox.closed(problem)

    def _end(self) -> asyncio.Task[None]:
        if self._ending is None:
            self._over = True
            self._lines.rest()
            self._held.release()
            if self._output is not None:
                self._output.resume()
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
            if self._process is not None:
                self._process.close()
            if self._input is not None:
                self._input.abort()
            for flow in (self._output, self._errors):
                if flow is not None:
                    flow.close()
            self._gone(self)

    async def _end_child(self) -> None:
        """Close its input, then ask it to end, then kill it."""
        if self._process is None:
            return  # it never started
        if self._input is not None:
            self._input.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if await self._exits_within(self._stop_timeout):
                return
            self._signal_group(number)
        if not await self._exits_within(KILL_PATIENCE):
            self._log.error("process %d can't be killed and is left behind", self._process.pid)

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
        if self._process is None:
            return False
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def _end(descriptor: int) -> PlainEnd:
    os.set_blocking(descriptor, False)
    return PlainEnd(descriptor)


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
