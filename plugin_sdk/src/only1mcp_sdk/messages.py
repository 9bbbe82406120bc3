"""What travels: callers, exchanges and their outcomes.

JSON values that nobody has to change travel as `Json`: the very bytes that were received. Decode one only to look
at it, and replace it only to change it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Literal, Protocol, TypeAlias

import msgspec
from msgspec import Struct

from only1mcp_sdk.flow import Pipe, Source

Era: TypeAlias = Literal["legacy", "modern"]
"""`legacy`: the revisions with an `initialize` handshake (2024-11-05 to 2025-11-25).
`modern`: the stateless ones (2026-07-28)."""

Json: TypeAlias = bytes
"""A JSON value as the very bytes that were received."""

Members: TypeAlias = dict[str, Json]
"""A JSON object, split into its members, in their order."""


class Principal(Struct, frozen=True, cache_hash=True):
    """Who is calling. `id` is unique over all authenticators and is what everything is bound to."""

    id: str
    source: str = "none"
    """The name of the authenticator that said so."""


ANONYMOUS = Principal("anonymous")


class Arrival(Struct, eq=False):
    """How a message came in, as far as the transport knows. Messages that come in alike, from one peer and with the
    same header fields, may come with the same arrival: what the gate finds out about it then holds for all."""

    transport: str
    profile: str = "default"
    headers: Mapping[str, str] = {}
    """HTTP header fields, names in lower case."""
    peer: str = ""
    local: bool = False
    """The peer is the very process that started this gateway: nobody asks it for credentials."""
    context: str = ""
    """How the URL asks for tools to be shown (`?context=slim`); empty where it does not."""
    found: Any = None
    """The gate's own: what it found out."""


class Capabilities(Struct, frozen=True, cache_hash=True):
    """What a client declared it can do for servers."""

    raw: Json = b"{}"
    asks: frozenset[str] = frozenset()
    """The capabilities a server may put questions by: of `sampling`, `elicitation`, `roots`."""
    details: frozenset[str] = frozenset()
    """`capability.member` of those, e.g. `elicitation.url`, `sampling.tools`."""

    group: str = "bare"
    """A stable name for clients that declared exactly this; `bare` for those that declared nothing."""


class Caller(Struct, frozen=True, cache_hash=True):
    """Who sent a request and what they can take."""

    principal: Principal
    era: Era
    revision: str
    profile: str
    capabilities: Capabilities
    client_info: Json = b""
    session: str = ""
    """The gateway's own id of the legacy session; empty for modern callers."""
    context: str = ""
    """How its URL asks for tools to be shown: see `Economy`."""


class Notification(Struct, frozen=True):
    """A message that expects no answer."""

    method: str
    params: Json = b""


class Result(Struct, frozen=True):
    """A JSON-RPC result, as raw JSON, and the era it was written in."""

    raw: bytes
    era: Era


class Poured(Result, frozen=True):
    """A result that has gone to the client piece by piece, as it came; `raw` is empty. Only filters that do not read
    results are given one."""

    size: int = 0
    """Its bytes."""


class Failure(Struct, frozen=True):
    """A JSON-RPC error. `raw` is the whole error object, unknown members included."""

    code: int
    message: str
    raw: bytes

    @staticmethod
    def of(code: int, message: str, data: Any = msgspec.UNSET) -> Failure:
        """An error of our own. `data` is any value msgspec can encode."""
        error: dict[str, Any] = {"code": code, "message": message}
        if data is not msgspec.UNSET:
            error["data"] = data
        return Failure(code, message, msgspec.json.encode(error))


class Question(Struct, frozen=True):
    """Something a server wants from the client: `elicitation/create`, `sampling/createMessage`, `roots/list`."""

    method: str
    params: Json = b""
    progressed: Callable[[Members], None] | None = None
    """Tells the server how far the client is, where it asked for that: with the params of the client's
    `notifications/progress`."""


class InputRequired(Struct, frozen=True):
    """The exchange can't go on before the client has answered. `state` names what waits (opaque to clients)."""

    questions: dict[str, Question]
    state: str | None = None
    raw: bytes = b""
    """The server's own result, where a modern server asked."""


Outcome: TypeAlias = Result | Failure | InputRequired
Done: TypeAlias = Callable[[Outcome], None]


class Origin(Protocol):
    """The client's side of an exchange, for whoever serves it."""

    def emit(self, notification: Notification) -> None:
        """Something to tell the client before the outcome."""

    def pour(self, source: Source) -> Pipe | None:
        """Where a large result may go as it arrives: a pipe for the bytes of the result alone. None where it has to be
        whole."""

    def paused(self) -> None:
        """The server takes its time and holds no connection meanwhile: neither need the client."""

    def asked_more(self) -> None:
        """The server asks something more while the client thinks about what it was asked before."""


class Exchange(Struct, eq=False):
    """One client request on its way through the gateway.

    `params` holds the request's members as the client sent them; `arguments` is decoded on demand. `cancelled` turns
    true when the client gave up; then nothing more reaches it, and whoever works for the exchange is told through
    `on_cancel`.
    """

    method: str
    params: Members | None
    as_sent: Json | Members
    """The `_meta` as it came (empty where none did), while it may go on as it is within its era, and nobody has looked
    into it through `meta`."""
    caller: Caller
    name: str = ""
    """What the client asked for by name or URI; empty where the method has none. This, and not what `params` say, is
    looked up: a filter that changes it before routing has something else called."""
    server: str = ""
    """The configured server this exchange goes to; empty before routing."""
    target: str = ""
    """`name` in that server's own words."""
    endpoint: str = ""
    """The replica that was picked; empty before balancing."""
    started: float = msgspec.field(default_factory=monotonic)
    """When the gateway took the request in, on `Context.clock.monotonic()`."""
    param_headers: Mapping[str, str] = {}
    """The `Mcp-Param-*` header fields that came with the request, names in lower case."""
    progress_token: Json | None = None
    log_level: str | None = None
    deadline: float | None = None
    """On `Context.clock.monotonic()`."""
    answers: Members | None = None
    """A retry's answers to the questions of an earlier round."""
    refusals: Members | None = None
    """A retry's errors in place of answers (only a legacy client can send them)."""
    state: str | None = None
    """A retry's request state, as the client returned it."""
    repeated: Members | None = None
    """The params as a retry repeats them, where filters may have changed `params` since."""
    cancelled: bool = False
    on_cancel: Callable[[str], None] | None = None
    origin: Origin | None = None
    """None where nobody waits for more than the outcome, and after the end."""
    whole: bool = False
    """Somebody has to see the result whole: set it, and it is not handed on while it arrives."""
    _arguments: Any = msgspec.UNSET

    def emit(self, notification: Notification) -> None:
        """Send a notification to the client on this request's own stream, while anybody waits there."""
        if self.origin is not None:
            self.origin.emit(notification)

    @property
    def meta(self) -> Members:
        """The members of the request's `_meta`. From the first look on, what was looked at is what is forwarded.

        Raises `ValueError` for JSON that is no object, which is never the case for what came over the gate.
        """
        if isinstance(self.as_sent, bytes):
            from only1mcp_sdk.members import split

            self.as_sent = split(self.as_sent) if self.as_sent else {}
        return self.as_sent

    @meta.setter
    def meta(self, value: Members) -> None:
        self.as_sent = value

    @property
    def arguments(self) -> Any:
        """The decoded `arguments` of a call. From the first look on, what was looked at is what is forwarded:
        the re-encoded value goes out, never bytes that might read differently elsewhere.

        Raises `DuplicateMember` when an object in it names a member twice.
        """
        if self._arguments is msgspec.UNSET:
            raw = self.params.get("arguments") if self.params else None
            self.arguments = {} if raw is None else decode_strictly(raw)
        return self._arguments

    @arguments.setter
    def arguments(self, value: Any) -> None:
        self._arguments = value
        self.params = {**(self.params or {}), "arguments": msgspec.json.encode(value)}

    def cancel(self, reason: str = "") -> None:
        """The client gave up. Harmless after the end, and when repeated."""
        if self.cancelled:
            return
        self.cancelled = True
        if self.on_cancel is not None:
            self.on_cancel(reason)


Handler: TypeAlias = Callable[[Exchange, Done], None]
"""Serves an exchange and calls `done` once, now or later, from the event loop's thread."""


class DuplicateMember(ValueError):
    """A JSON object names the same member twice."""


def decode_strictly(raw: bytes) -> Any:
    """Decode JSON, refusing objects with duplicate members."""
    import json

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DuplicateMember(f"duplicate member {twice!r}")
        return members

    return json.loads(raw, object_pairs_hook=no_duplicates)
