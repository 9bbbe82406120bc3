"""Listener `stdio`: one client, on this process's own standard input and output.

The client belongs to the process and stays through reloads: a listener of a newer configuration takes it over.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from only1mcp_sdk import Arrival, Context, Conversation, Gate, Listener
from only1mcp_sdk.flow import Budget
from only1mcp_transports.large import Share
from only1mcp_transports.stdio.config import ListenerConfig
from only1mcp_transports.stdio.lines import Lines
from only1mcp_transports.stdio.pipes import Inflow, Outflow
from only1mcp_transports.stdio.streams import end_of, hung_up, put_aside

MAX_UNREAD = 64 << 20
"""Bytes a client may leave unread before it is disconnected."""
ANSWER_SECONDS = 30.0
"""How long answers may take that a client still waits for after closing its side."""
FLUSH_SECONDS = 5.0
"""How long a client may take, when all is over, to read what it was already sent."""
ROOM_PATIENCE = 10.0
"""Seconds to wait for room to hold a large message in."""
_GLANCE = 0.02


class OnlyClient:
    """Whoever is at the other end of the standard streams. Implements `only1mcp_sdk.Channel`."""

    def __init__(self, input: int, output: int, buffers: Budget) -> None:
        self.finished = asyncio.Event()
        self._input = end_of(input, os.O_RDONLY)
        self._output = end_of(output, os.O_WRONLY)
        self._held = Share(buffers)
        self._lines = Lines(0)
        self._owner: object = None
        self._gate: Gate
        self._conversation: Conversation | None = None
        self._inflow: Inflow | None = None
        self._outflow: Outflow | None = None

    def attach(self, owner: object, gate: Gate) -> None:
        """`owner` serves the client from now on, whoever did before."""
        self._owner = owner
        if self._inflow is None:
            self._gate = gate
            self._outflow = Outflow(self._output, Budget(MAX_UNREAD), self._end)
            self._conversation = gate.connect(Arrival("stdio", local=True), self)
            self._lines.limit = gate.message_limit
            self._inflow = Inflow(self._input, self._take, self._input_ended)

    async def drain(self, owner: object, seconds: float) -> None:
        """Let the client's requests finish for at most this long, then end. Nothing happens when somebody else serves
        it by now."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while owner is self._owner and self._busy and loop.time() < deadline:  # noqa: ASYNC110  (it does not signal)
            await asyncio.sleep(_GLANCE)
        if owner is self._owner:
            self._end()

    def send(self, message: bytes) -> None:
        if self._outflow is None or self.finished.is_set():
            return
        if not self._outflow.send(message):
            self._end()

    async def close(self) -> None:
        """Stop reading; write what is still to be written."""
        self._end()
        if self._inflow is None or self._outflow is None:
            self._input.close()
            self._output.close()
            return
        self._inflow.close()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + FLUSH_SECONDS
        self._outflow.close()
        try:
            while self._outflow.unread and loop.time() < deadline:  # noqa: ASYNC110  (it does not signal)
                await asyncio.sleep(_GLANCE)
        finally:
            self._outflow.abort()

    @property
    def _busy(self) -> bool:
        return self._conversation is not None and self._conversation.busy

    def _take(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._take_line(line)
        if self.finished.is_set():
            return
        self._lines.limit = self._gate.message_limit  # a newer configuration may have another one
        if not self._held.cover(self._lines.held):
            self._wait_for_room(asyncio.get_running_loop().time() + ROOM_PATIENCE)

    def _take_line(self, line: bytes) -> None:
        if len(line) > self._lines.limit:
            self.send(self._gate.too_large())
        elif self._conversation is not None and not line.isspace() and line:
            self._conversation.received(line)

    def _wait_for_room(self, deadline: float) -> None:
        """Hold the client up until others have let go of their large messages. Without room, its message is refused."""
        loop = asyncio.get_running_loop()
        if self._inflow is None or self.finished.is_set():
            return
        if self._held.cover(self._lines.held):
            self._inflow.resume()
        elif loop.time() < deadline:
            self._inflow.pause()
            loop.call_later(_GLANCE, self._wait_for_room, deadline)
        else:
            self._lines.skip()
            self._held.release()
            self.send(self._gate.too_large())
            self._inflow.resume()

    def _input_ended(self) -> None:
        self._take_line(self._lines.rest())
        self._held.release()
        self._wait_for_answers(asyncio.get_running_loop().time() + ANSWER_SECONDS)

    def _wait_for_answers(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        if self._busy and loop.time() < deadline and not hung_up(self._output):
            loop.call_later(_GLANCE, self._wait_for_answers, deadline)
        else:
            self._end()

    def _end(self) -> None:
        conversation, self._conversation = self._conversation, None
        self.finished.set()
        self._held.release()
        if conversation is not None:
            conversation.disconnected()


class StdioListener:
    """One configuration's hold on the client."""

    address = "stdio"
    exposed = False

    def __init__(self, client: OnlyClient) -> None:
        self._client = client

    def attach(self, gate: Gate) -> None:
        self._client.attach(self, gate)

    async def drain(self, seconds: float) -> None:
        await self._client.drain(self, seconds)

    async def finished(self) -> None:
        """Returns when the client has closed its side and has been answered, or is gone."""
        await self._client.finished.wait()


@asynccontextmanager
async def open_listener(config: ListenerConfig, context: Context) -> AsyncIterator[Listener]:
    """Take the standard streams, or take them over from the configuration before. Raises `OpenFailed`. Nothing is read
    before `attach`."""
    yield StdioListener(await context.shared("stdio-listener", partial(_take_streams, context.buffers)))


@asynccontextmanager
async def _take_streams(buffers: Budget) -> AsyncIterator[OnlyClient]:
    with put_aside() as (input, output):
        client = OnlyClient(input, output, buffers)
        try:
            yield client
        finally:
            await client.close()
