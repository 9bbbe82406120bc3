"""Kind `listener`: take clients in.

A listener moves whole JSON-RPC messages between clients and the gate and knows nothing of what they say: which
revision a client speaks, what a session is and which HTTP status an error has are the gate's to know. All calls
between the two are plain, from the event loop's thread, and never block.

There are two shapes of transport. On a duplex one (stdio, WebSocket, HTTP+SSE) a client has one channel for everything:
`Gate.connect`. Over Streamable HTTP each message is a request of its own: `Gate.post`, `Gate.stream`, `Gate.end`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from only1mcp_sdk.flow import Pipe, Source
from only1mcp_sdk.messages import Arrival


class Answer(Protocol):
    """The reply to one HTTP request; a listener implements it. Ignores every call after `finish`, and after the
    client has gone. Bounds what it buffers: a client that does not read is disconnected."""

    def send(self, message: bytes, event: str = "") -> None:
        """A message before the last one: from the first of them on, the reply is an event stream. `event` is the
        SSE event id, if any; an empty `message` with an event id primes the stream for resumption."""

    def finish(self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = {}) -> None:
        """The last message and the end. As a JSON body with this status where nothing was sent before, else as the
        last event. Without a message: just the end (of a stream), or an empty body."""

    def pour(self, source: Source, headers: Mapping[str, str] = {}) -> Pipe | None:
        """The last message, in pieces: a JSON body with status 200. A client that reads slowly pauses `source`. When
        the pipe fails, the connection is aborted: nothing else tells a client that something is missing. `send` and
        `finish` are ignored from now on. A client that leaves holds nothing up: what comes is dropped. None where only
        whole messages can be sent, as on an event stream: `finish` with it once it is there."""


class Posting(Protocol):
    """An HTTP request at work."""

    def waiting(self) -> None:
        """The answer does not come at once. The gate may begin an event stream now, by which the client can come back
        when it loses the connection; if it does not, the listener makes it one later, to keep the connection open
        with comments. Called at most once, and not after `Answer.send`."""

    def disconnected(self) -> None:
        """The client closed before `Answer.finish`. What that means is the protocol's to know."""


class Channel(Protocol):
    """The way to a client of a duplex transport; a listener implements it."""

    def send(self, message: bytes) -> None:
        """One message. Ignored after the end. Bounded: a client that does not read is disconnected."""


class Conversation(Protocol):
    """A client of a duplex transport, as the gate sees it."""

    @property
    def busy(self) -> bool:
        """Whether the client still waits for an answer."""

    def admits(self, arrival: Arrival) -> bool:
        """Whether this is the principal that the conversation is with. Asked for each message of a transport whose
        messages come by requests of their own (HTTP+SSE). Raises `AccessDenied` when it is nobody's."""

    def received(self, message: bytes) -> None:
        """One message, without its framing."""

    def disconnected(self) -> None:
        """The client is gone; what it had under way is cancelled."""


class Gate(Protocol):
    """The way into the gateway. It outlives configurations: what is served is looked up per message."""

    @property
    def message_limit(self) -> int:
        """The largest message that is taken, in bytes. Stop reading there and call `too_large`."""

    def has_profile(self, name: str) -> bool:
        """Whether a profile of this name exists now. For unknown ones an HTTP listener answers 404."""

    def post(self, arrival: Arrival, body: bytes, answer: Answer) -> Posting:
        """An HTTP POST with its whole body. `answer` may be finished before this returns."""

    def stream(self, arrival: Arrival, answer: Answer) -> Posting:
        """An HTTP GET for an event stream."""

    def end(self, arrival: Arrival, answer: Answer) -> None:
        """An HTTP DELETE."""

    def connect(self, arrival: Arrival, channel: Channel) -> Conversation:
        """A client on a duplex transport. Raises `AccessDenied` when it may not come in."""

    def too_large(self) -> bytes:
        """The JSON-RPC error for a message over the limit (HTTP status 413)."""


class Listener(Protocol):
    """Takes clients in at one address."""

    @property
    def address(self) -> str:
        """Where clients find it, for people: a URL, or `stdio`."""

    @property
    def exposed(self) -> bool:
        """True when others than this machine's users can reach it. The gateway refuses to start such a listener
        without an authenticator, unless told otherwise."""

    def attach(self, gate: Gate) -> None:
        """Start taking clients in. Called once, after everything has been opened."""

    async def drain(self, seconds: float) -> None:
        """Take no new clients in, let requests at work finish for at most this long, then end every stream."""
