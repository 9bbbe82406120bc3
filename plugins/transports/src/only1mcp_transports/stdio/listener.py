"""Listener `stdio`: one client, on this process's own standard input and output.

The client belongs to the process and stays through reloads: a listener of a newer configuration takes it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from only1mcp_sdk import Arrival, Context, Conversation, Gate, Listener
from only1mcp_transports.stdio.config import ListenerConfig
from only1mcp_transports.stdio.streams import Reader, Writer, put_aside

MAX_UNREAD = 64 << 20
"""Bytes a client may leave unread before it is disconnected."""
ANSWER_SECONDS = 30.0
"""How long answers may take that a client still waits for after closing its side."""
_GLANCE = 0.02


class OnlyClient:
    """Whoever is at the other end of the standard streams. Implements `only1mcp_sdk.Channel`."""

    def __init__(self, input: int, output: int) -> None:
        self.finished = asyncio.Event()
        self._input = input
        self._output = output
        self._owner: object = None
        self._gate: Gate
        self._conversation: Conversation | None = None
        self._reader: Reader | None = None
        self._writer: Writer | None = None

    def attach(self, owner: object, gate: Gate) -> None:
        """`owner` serves the client from now on, whoever did before."""
        self._owner = owner
        if self._reader is None:
            self._gate = gate
            self._writer = Writer(self._output, self._end)
            self._conversation = gate.connect(Arrival("stdio", local=True), self)
            self._reader = Reader(
                self._input, lambda: gate.message_limit, self._received, self._too_long, self._input_ended
            )

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
        if self._writer is None or self.finished.is_set():
            return
        self._writer.write(message)
        if self._writer.unread > MAX_UNREAD:
            self._end()

    async def close(self) -> None:
        """Stop reading; write what is still to be written."""
        self._end()
        if self._reader is not None:
            await self._reader.close()
        if self._writer is not None:
            await self._writer.close()

    @property
    def _busy(self) -> bool:
        return self._conversation is not None and self._conversation.busy

    def _received(self, line: bytes) -> None:
        if self._conversation is not None:
            self._conversation.received(line)

    def _too_long(self) -> None:
        self.send(self._gate.too_large())

    def _input_ended(self) -> None:
        self._wait_for_answers(asyncio.get_running_loop().time() + ANSWER_SECONDS)

    def _wait_for_answers(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        if self._busy and loop.time() < deadline and self._writer is not None and not self._writer.hung_up():
            loop.call_later(_GLANCE, self._wait_for_answers, deadline)
        else:
            self._end()

    def _end(self) -> None:
        conversation, self._conversation = self._conversation, None
        self.finished.set()
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
    yield StdioListener(await context.shared("stdio-listener", _take_streams))


@asynccontextmanager
async def _take_streams() -> AsyncIterator[OnlyClient]:
    with put_aside() as (input, output):
        client = OnlyClient(input, output)
        try:
            yield client
        finally:
            await client.close()
