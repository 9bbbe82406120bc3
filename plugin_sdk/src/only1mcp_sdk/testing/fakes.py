"""Stand-ins for what a component meets in the gateway. Each keeps what it was given, in order, for tests to look at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from only1mcp_sdk.flow import Pipe, Source
from only1mcp_sdk.kinds import Answer, Channel
from only1mcp_sdk.messages import (
    ANONYMOUS,
    Arrival,
    Caller,
    Capabilities,
    Era,
    Exchange,
    Members,
    Notification,
    Principal,
)


class FakeClock:
    """A clock that stands still until it is told to `advance`."""

    def __init__(self, time: float = 1_800_000_000.0, monotonic: float = 1_000.0) -> None:
        self._time = time
        self._monotonic = monotonic

    def time(self) -> float:
        return self._time

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._time += seconds
        self._monotonic += seconds


class FakeCandidate(Struct, eq=False):
    """A replica a balancer may pick."""

    key: str
    weight: int = 1
    in_flight: int = 0


def make_caller(
    principal: Principal | str = ANONYMOUS,
    *,
    era: Era = "modern",
    profile: str = "default",
    session: str = "",
) -> Caller:
    """A caller that declares nothing."""
    return Caller(
        principal=Principal(principal) if isinstance(principal, str) else principal,
        era=era,
        revision="2026-07-28" if era == "modern" else "2025-11-25",
        profile=profile,
        capabilities=Capabilities(),
        session=session,
    )


def make_exchange(
    method: str = "tools/call",
    params: Mapping[str, Any] | None = None,
    *,
    caller: Caller | None = None,
    name: str = "",
    server: str = "",
    emit: Callable[[Notification], None] | None = None,
) -> Exchange:
    """An exchange. `params` are plain values, or bytes for JSON that is to be taken as it is.

    `name` and `server` are what the router would find out; without a `name`, that of the params counts.
    """
    members = None if params is None else raw_members(params)
    exchange = Exchange(method, members, b"", caller or make_caller())
    if emit is not None:
        exchange.origin = _Emits(emit)
    given = (params or {}).get("name", (params or {}).get("uri", ""))
    exchange.name = exchange.target = name or (given if isinstance(given, str) else "")
    exchange.server = server
    return exchange


class _Emits:
    """An `Origin` that takes nothing but notifications."""

    def __init__(self, emit: Callable[[Notification], None]) -> None:
        self._emit = emit

    def emit(self, notification: Notification) -> None:
        self._emit(notification)

    def pour(self, source: Source) -> Pipe | None:
        return None

    def paused(self) -> None:
        """Nobody cares."""

    def asked_more(self) -> None:
        """Nobody cares."""


def raw_members(values: Mapping[str, Any]) -> Members:
    """The members of a JSON object, as the gateway reads them off the wire."""
    return {
        name: value if isinstance(value, bytes) else msgspec.json.encode(value)
        for name, value in values.items()
    }


class RecordingInbox:
    """An `Inbox`. `arrived` is set whenever something comes in."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, int | None]] = []
        self.pauses: list[int] = []
        self.endings: list[tuple[int, str]] = []
        self.closings: list[str] = []
        self._arrived = asyncio.Event()

    def received(self, message: bytes, stream: int | None) -> None:
        self.messages.append((message, stream))
        self._arrived.set()

    def answered(self, message: bytes, stream: int) -> None:
        self.received(message, stream)
        self.ended(stream, "")

    def arriving(self, start: bytes, source: Source, stream: int) -> Pipe | None:
        """Everything whole, please."""

    def paused(self, stream: int) -> None:
        self.pauses.append(stream)
        self._arrived.set()

    def ended(self, stream: int, problem: str) -> None:
        self.endings.append((stream, problem))
        self._arrived.set()

    def closed(self, problem: str) -> None:
        self.closings.append(problem)
        self._arrived.set()

    async def wait_for(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Return when `condition` holds; it is asked after each arrival. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()


class RecordingAnswer:
    """An `Answer`. `done` is set when it is finished."""

    def __init__(self) -> None:
        self.events: list[tuple[bytes, str]] = []
        self.message = b""
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.done = asyncio.Event()

    def send(self, message: bytes, event: str = "") -> None:
        if not self.done.is_set():
            self.events.append((message, event))

    def finish(self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = {}) -> None:
        if not self.done.is_set():
            self.message, self.status, self.headers = message, status, headers
            self.done.set()

    def pour(self, source: Source, headers: Mapping[str, str] = {}) -> Pipe | None:
        """Everything whole, please."""


class RecordingChannel:
    """A `Channel`."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def send(self, message: bytes) -> None:
        self.messages.append(message)


class FakeGate:
    """A `Gate` that answers every request with its own params, as soon as it comes in.

    With `hold = True` it answers nothing, for tests of clients that leave.
    """

    def __init__(
        self, message_limit: int = 1 << 20, profiles: frozenset[str] = frozenset({"default"})
    ) -> None:
        self.message_limit = message_limit
        self.profiles = profiles
        self.hold = False
        self.arrivals: list[Arrival] = []
        self.bodies: list[bytes] = []
        self.clients: list[FakeClient] = []
        self.refused = 0

    def has_profile(self, name: str) -> bool:
        return name in self.profiles

    def post(self, arrival: Arrival, body: bytes, answer: Answer) -> FakeClient:
        client = self._meet(arrival)
        self.bodies.append(body)
        if not self.hold:
            reply = echo(body)
            answer.finish(reply or b"", 200 if reply else 202)
        return client

    def stream(self, arrival: Arrival, answer: Answer) -> FakeClient:
        client = self._meet(arrival)
        answer.send(b'{"jsonrpc":"2.0","method":"notifications/testing"}')
        if not self.hold:
            answer.finish()
        return client

    def end(self, arrival: Arrival, answer: Answer) -> None:
        self._meet(arrival)
        answer.finish(status=204)

    def connect(self, arrival: Arrival, channel: Channel) -> FakeConversation:
        conversation = FakeConversation(self, channel, arrival)
        self.arrivals.append(arrival)
        self.clients.append(conversation)
        return conversation

    def too_large(self) -> bytes:
        self.refused += 1
        return b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"too large"}}'

    def _meet(self, arrival: Arrival) -> FakeClient:
        client = FakeClient()
        self.arrivals.append(arrival)
        self.clients.append(client)
        return client


class FakeClient:
    """A `Posting`: somebody at a `FakeGate`. `gone` is set when they leave."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def waiting(self) -> None:
        """It has nothing to say before its answer."""

    def disconnected(self) -> None:
        self.gone.set()


class FakeConversation(FakeClient):
    """A `Conversation` at a `FakeGate`, with whoever sends the same Authorization."""

    def __init__(self, gate: FakeGate, channel: Channel, arrival: Arrival | None = None) -> None:
        super().__init__()
        self._gate = gate
        self._channel = channel
        self._credentials = arrival and arrival.headers.get("authorization")

    @property
    def busy(self) -> bool:
        return self._gate.hold and not self.gone.is_set()

    def admits(self, arrival: Arrival) -> bool:
        return arrival.headers.get("authorization") == self._credentials

    def received(self, message: bytes) -> None:
        self._gate.bodies.append(message)
        reply = None if self._gate.hold else echo(message)
        if reply is not None:
            self._channel.send(reply)


def echo(message: bytes) -> bytes | None:
    """The answer to a JSON-RPC request whose result is its params; None for what is no request."""
    try:
        request = msgspec.json.decode(message, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}'
    if "id" not in request or "method" not in request:
        return None
    result = request.get("params", msgspec.Raw(b"{}"))
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request["id"], "result": result})
