"""Listener `stdio`: one client, on this process's own standard input and output.

Nothing but messages may reach the client, so the real output is put aside at once and whatever else prints goes to
standard error. Input and output may be pipes, files or terminals: each has a thread of its own.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from only1mcp_sdk import Arrival, Context, Conversation, Gate, Listener
from only1mcp_transports.stdio.config import ListenerConfig
from only1mcp_transports.stdio.lines import Lines, LineTooLong

CHUNK = 1 << 16
MAX_UNREAD = 64 << 20
ANSWER_SECONDS = 30.0
"""How long answers may take that a client still waits for after closing its side."""


class StdioListener:
    """Also the channel to its one client."""

    address = "stdio"
    exposed = False

    def __init__(self, output: int) -> None:
        self._output = output
        self._unsent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._unsent_bytes = 0
        self._finished = asyncio.Event()
        self._conversation: Conversation | None = None
        self._gate: Gate | None = None
        self._writer = threading.Thread(target=self._write, name="stdout", daemon=True)
        self._loop = asyncio.get_running_loop()

    async def finished(self) -> None:
        """Return when the client has closed its side and has been answered."""
        await self._finished.wait()

    # -- only1mcp_sdk.Listener

    def attach(self, gate: Gate) -> None:
        if self._gate is not None:
            return
        self._gate = gate
        self._conversation = gate.connect(Arrival("stdio", local=True), self)
        self._writer.start()
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    async def drain(self, seconds: float) -> None:
        conversation = self._conversation
        deadline = self._loop.time() + seconds
        if conversation is not None and conversation.busy and not self._finished.is_set():
            self._wait_for_answers(deadline)
            await self._finished.wait()
        self._end()

    # -- only1mcp_sdk.Channel

    def send(self, message: bytes) -> None:
        if self._finished.is_set():
            return
        if self._unsent_bytes > MAX_UNREAD:
            self._end()
            return
        self._unsent_bytes += len(message)
        self._unsent.put(message.replace(b"\n", b" ") if b"\n" in message else message)

    # -- threads

    def _read(self) -> None:
        limit = self._gate.message_limit if self._gate is not None else 0
        lines = Lines(limit)
        skipping = False
        while data := _read_some():
            if skipping:
                _, newline, data = data.partition(b"\n")
                if not newline:
                    continue
                skipping = False
            try:
                complete = lines.feed(data)
            except LineTooLong:
                # The rest of this chunk is lost with it: whoever breaks the limit can't expect more.
                skipping = not data.endswith(b"\n")
                lines = Lines(limit)
                self._loop.call_soon_threadsafe(self._too_large)
                continue
            for line in complete:
                if line.strip():
                    self._loop.call_soon_threadsafe(self._received, line)
        self._loop.call_soon_threadsafe(self._input_ended)

    def _write(self) -> None:
        while (message := self._unsent.get()) is not None:
            unwritten = memoryview(message + b"\n")
            self._unsent_bytes -= len(message)
            try:
                while unwritten:
                    unwritten = unwritten[os.write(self._output, unwritten) :]
            except OSError:
                self._loop.call_soon_threadsafe(self._end)
                return

    # -- in the event loop

    def _received(self, line: bytes) -> None:
        if self._conversation is not None:
            self._conversation.received(line)

    def _too_large(self) -> None:
        if self._gate is not None:
            self.send(self._gate.too_large())

    def _input_ended(self) -> None:
        self._wait_for_answers(self._loop.time() + ANSWER_SECONDS)

    def _wait_for_answers(self, deadline: float) -> None:
        busy = self._conversation is not None and self._conversation.busy
        if busy and self._loop.time() < deadline and not self._finished.is_set():
            self._loop.call_later(0.02, self._wait_for_answers, deadline)
        else:
            self._end()

    def _end(self) -> None:
        if self._finished.is_set():
            return
        self._finished.set()
        if self._conversation is not None:
            self._conversation.disconnected()
            self._conversation = None
        self._unsent.put(None)

    async def close(self) -> None:
        self._end()
        if self._writer.is_alive():
            await asyncio.to_thread(self._writer.join, 2.0)


def _read_some() -> bytes:
    try:
        return os.read(0, CHUNK)
    except OSError:
        return b""


@asynccontextmanager
async def open_listener(config: ListenerConfig, context: Context) -> AsyncIterator[Listener]:
    """Put standard output aside for the client, for as long as the listener is open."""
    listener = await context.shared("stdio-listener", _open_output)
    yield listener


@asynccontextmanager
async def _open_output() -> AsyncIterator[StdioListener]:
    output = os.dup(1)
    os.dup2(2, 1)
    listener = StdioListener(output)
    try:
        yield listener
    finally:
        await listener.close()
        os.dup2(output, 1)
        os.close(output)
