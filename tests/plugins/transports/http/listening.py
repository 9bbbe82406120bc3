"""An HTTP listener before a scripted gate, and clients that write their requests byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeAlias

from only1mcp_sdk import Answer, Arrival, Gate, Listener, offer
from only1mcp_sdk.testing import FakeGate, Harness
from only1mcp_transports.http.config import ListenerConfig
from only1mcp_transports.http.listener import open_listener

HTTP = offer("http", ListenerConfig, open_listener)
Script: TypeAlias = Callable[[Answer], None]
Fields: TypeAlias = list[tuple[str, str]]

POST: Fields = [
    ("Host", "127.0.0.1:8080"),
    ("Content-Type", "application/json"),
    ("Accept", "application/json, text/event-stream"),
]
GET: Fields = [("Host", "localhost"), ("Accept", "text/event-stream")]


class ScriptedPosting:
    """A `Posting`; counts."""

    def __init__(self) -> None:
        self.left = 0
        self.waited = 0
        self.on_waiting: Callable[[], None] | None = None
        self.gone = asyncio.Event()

    def waiting(self) -> None:
        self.waited += 1
        if self.on_waiting is not None:
            self.on_waiting()

    def disconnected(self) -> None:
        self.left += 1
        self.gone.set()


class ScriptedGate(FakeGate):
    """Answers as `script` does; keeps the answers and postings."""

    def __init__(self, script: Script = lambda answer: answer.finish(b'{"ok":1}')) -> None:
        super().__init__()
        self.script = script
        self.on_waiting: Script | None = None
        self.answers: list[Answer] = []
        self.postings: list[ScriptedPosting] = []
        self.asked = asyncio.Event()

    def post(self, arrival: Arrival, body: bytes, answer: Answer) -> Any:
        self.bodies.append(body)
        return self.stream(arrival, answer)

    def stream(self, arrival: Arrival, answer: Answer) -> Any:
        self.arrivals.append(arrival)
        self.answers.append(answer)
        posting = ScriptedPosting()
        self.postings.append(posting)
        if self.on_waiting is not None:
            posting.on_waiting = partial(self.on_waiting, answer)
        self.asked.set()
        self.script(answer)
        return self.postings[-1]


def silent(answer: Answer) -> None:
    """Says nothing yet."""


LANES = {"fast": True, "general": False}
"""Each has to pass the same tests: see `lane` in conftest."""
default_lane = True


@asynccontextmanager
async def listening(gate: Gate, **options: Any) -> AsyncIterator[Listener]:
    with Harness() as harness:
        async with harness.open(HTTP, {"port": 0, "fast_lane": default_lane, **options}) as listener:
            listener.attach(gate)
            yield listener
        assert not harness.failures
        assert not harness.pool.keys


def port_of(listener: Listener) -> int:
    return int(listener.address.rpartition(":")[2].partition("/")[0])


def head(method: str, target: str, fields: Fields) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def post(body: bytes = b"{}", fields: Fields = POST, target: str = "/mcp") -> bytes:
    return head("POST", target, [*fields, ("Content-Length", str(len(body)))]) + body


def changed(fields: Fields, **values: str | None) -> Fields:
    """With these header fields instead; None for without."""
    new = {name.replace("_", "-"): value for name, value in values.items()}
    kept = [(name, value) for name, value in fields if name.lower() not in new]
    return kept + [(name, value) for name, value in new.items() if value is not None]


class Reply:
    """The head of a response; the body is read on demand."""

    def __init__(self, raw: bytes, reader: asyncio.StreamReader) -> None:
        status, *lines = raw.decode("latin-1").split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
        self._reader = reader

    async def chunk(self) -> bytes:
        size = int(await self._reader.readline(), 16)
        data = await self._reader.readexactly(size + 2)
        return data[:-2]

    async def chunks(self, size: int) -> bytes:
        """As many as it takes to have that many bytes."""
        found = b""
        while len(found) < size:
            found += await self.chunk()
        return found

    async def body(self) -> bytes:
        if self.headers.get("transfer-encoding") == "chunked":
            whole = b""
            while chunk := await self.chunk():
                whole += chunk
            return whole
        return await self._reader.readexactly(int(self.headers.get("content-length", "0")))


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        if not self.writer.transport.is_closing():  # uvloop would raise
            self.writer.write(data)

    async def reply(self) -> Reply:
        async with asyncio.timeout(5):
            return Reply((await self.reader.readuntil(b"\r\n\r\n"))[:-4], self.reader)

    async def received(self) -> int:
        """How many bytes still come before the connection ends."""
        count = 0
        async with asyncio.timeout(5):
            with suppress(ConnectionError):
                while data := await self.reader.read(1 << 16):
                    count += len(data)
        return count

    async def ended(self) -> bool:
        return await self.received() == 0


@asynccontextmanager
async def client(listener: Listener) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def ask(listener: Listener, data: bytes) -> tuple[Reply, bytes]:
    """One request on a connection of its own."""
    async with client(listener) as it, asyncio.timeout(5):
        it.send(data)
        reply = await it.reply()
        return reply, await reply.body()
