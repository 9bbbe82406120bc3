"""A link: one open connection to an endpoint, spoken to in one era.

A link is multiplexed: many requests are under way at once, matched by ids of the link's own. It takes messages apart
and hands each to whom it belongs; what servers say unasked goes to its host.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from only1mcp_kernel.gateway.servers.turns import Turns
from only1mcp_kernel.gateway.servers.visits import Visits
from only1mcp_kernel.protocol import modern
from only1mcp_kernel.protocol.revisions import LATEST_LEGACY
from only1mcp_kernel.protocol.tasks import RELATED_BYTES, STATUS
from only1mcp_kernel.protocol.upstream import Dialect, LegacyDialect
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import BadAnswer, BadMessage, Envelope
from only1mcp_kernel.wire.plain import read_result
from only1mcp_sdk import (
    Capabilities,
    Connection,
    Connector,
    Era,
    Failure,
    Json,
    Members,
    Pipe,
    Question,
    Source,
)
from only1mcp_sdk.members import encode, join, split, text

if TYPE_CHECKING:
    from only1mcp_kernel.gateway.servers.watching import Watch


UNASKED = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
        *STATUS.values(),
    }
)
"""What a server tells everybody, on whichever stream it says it."""


MAX_GIVEN_UP = 10_000
"""How many requests a link remembers that were given up."""
NO_ANSWER = Failure.of(-32603, "The client answered with something that is no object")
_SUBSCRIPTION_ID = modern.SUBSCRIPTION_ID.encode()


class Waiting(Protocol):
    """Somebody who sent a request over a link. Exactly one of `answered`, `refused` and `lost` is called, once."""

    def answered(self, result: Json) -> None: ...

    def refused(self, error: Json) -> None:
        """The server answered with an error."""

    def arriving(self, start: bytes, source: Source) -> Pipe | None:
        """A large answer begins. None: it is to be collected first."""

    def paused(self) -> None:
        """The server lets the answer wait, and is polled for it."""

    def lost(self, problem: str) -> None:
        """There will be no answer; `problem` in words for people."""

    def notified(self, message: Envelope, params: Members) -> None:
        """A notification that belongs to this request."""


class Host(Protocol):
    """Whoever opened a link and hears what the server says unasked."""

    def link_asked(self, link: Link, id: Json, question: Question, stream: int | None) -> None: ...

    def link_withdrew(self, link: Link, id: Json) -> None:
        """The server cancels a question of its own."""

    def link_notified(self, link: Link, message: Envelope, params: Members) -> None: ...

    def link_closed(self, link: Link, problem: str) -> None: ...

    def link_failed(self, link: Link) -> None:
        """A request was lost although the link is not closed: the endpoint may be gone."""


class Link:
    """One open connection. `owner` is the session (or principal) that alone may use it, once it has one."""

    __slots__ = (
        "_complained",
        "_connection",
        "_connector",
        "_host",
        "_log",
        "_roots_questions",
        "abandoned",
        "alive",
        "asked",
        "capabilities",
        "dialect",
        "era",
        "fixes",
        "given_up",
        "given_up_at",
        "gone",
        "greeting",
        "held_until",
        "ids",
        "lasting",
        "log_level",
        "members",
        "opener",
        "owner",
        "problem",
        "related",
        "requested_level",
        "roots_answered",
        "subscriptions",
        "turns",
        "used",
        "users",
        "visits",
        "waiting",
        "watch",
        "watched_tasks",
    )

    def __init__(
        self, connector: Connector, capabilities: Capabilities, host: Host, log: logging.Logger
    ) -> None:
        self.capabilities = capabilities
        self.owner: str | None = None
        self.alive = True
        self.opener: str | None = None
        """The legacy session the link was first used for."""
        self.requested_level: str | None = None
        """The most verbose level that modern requests over this link came with."""
        self.log_level: str | None = None
        """What a legacy server was asked to send."""
        self.used = 0.0
        """When it was last used, on the event loop's clock."""
        self.held_until = 0.0
        """It holds tasks of the server until then, on the event loop's clock: it must not be closed before."""
        self.abandoned = False
        """The session that owned it is gone: it is closed when it holds tasks no longer."""
        self.waiting: dict[int, Waiting] = {}
        self.lasting: dict[int, Waiting] = {}
        """Who hears of progress by the token of a request that was answered: with a task that goes on."""
        self.fixes: dict[Json, Callable[[Json], Json]] = {}
        """What has to be put right in the answers to the server's questions."""
        self.related: Callable[[Envelope, Waiting | None], bool] | None = None
        """Delivers a notification that belongs to a task; False where the task is not known."""
        self.watched_tasks: Mapping[str, Mapping[str, str]] = {}
        """The modern server's tasks that somebody listens to -> listen stream -> the client's id of the task."""
        self.asked: dict[Json, Callable[[], None]] = {}
        """The server's questions outside of any call that are with a client -> what withdraws them."""
        self.visits = Visits()
        """Who is told that a visit to a URL is complete."""
        self.members: set[str] = set()
        """The legacy sessions that ever used this link."""
        self.users: set[str] = set()
        """The principals that ever did. Where they are several, what the server says without saying to whom is told
        to none of them."""
        self.given_up: dict[int, str] = {}
        """Requests nobody waits for any more, but that the server may still be working on -> the principal."""
        self.given_up_at = 0.0
        """When the last of them was, on the event loop's clock."""
        self.subscriptions: dict[str, set[str]] = {}
        """Resource URI -> who wants to hear of it (a session's name, or a listen stream's)."""
        self.turns = Turns()
        """Who subscribes to a resource, or no more, with a legacy server."""
        self.dialect: Dialect
        self.era: Era
        self.speak(LegacyDialect(LATEST_LEGACY))
        self.greeting: Members = {}
        """What the server said of itself: the result of `server/discover` or `initialize`."""
        self.watch: Watch | None = None
        """The stream on which a modern server tells of changes."""
        self._connector = connector
        self._connection: Connection | None = None
        self._host = host
        self._log = log
        self.ids = itertools.count(1)
        """Of requests, and of all else that is sent."""
        self.roots_answered = asyncio.Event()
        """Set once the server has asked for roots over this link and has been answered."""
        self._roots_questions: set[Json] = set()
        self.gone = asyncio.Event()
        """Set once the link is closed, from either side."""
        self._complained = False
        self.problem = ""

    def speak(self, dialect: Dialect) -> None:
        """From now on."""
        self.dialect, self.era = dialect, dialect.era

    async def connect(self) -> None:
        """Open the connection. Raises `ConnectFailed`."""
        self._connection = await self._connector.connect(self)

    async def close(self) -> None:
        """End the connection; whoever still waits learns that it is closed. Idempotent."""
        self._fail("the connection was closed")
        if self._connection is not None:
            await self._connection.close()

    # -- towards the server

    @property
    def duplex(self) -> bool:
        return self._connection is not None and self._connection.duplex

    def send(self, id: int, message: bytes, headers: Mapping[str, str], waiting: Waiting) -> None:
        """Send a request made with an id of `ids`."""
        if not self.alive or self._connection is None:
            waiting.lost(self.problem or "the connection is closed")
            return
        self.waiting[id] = waiting
        self._connection.send(message, headers, id)

    def notify(self, method: str, params: bytes = b"") -> None:
        if not self.alive or self._connection is None:
            return
        message, headers = self.dialect.notification(method, params)
        self._connection.send(message, headers, next(self.ids))

    def reply(self, id: Json, *, result: bytes = b"", error: bytes = b"") -> None:
        """Answer a question of the server, with either a result or an error object."""
        if not self.alive or self._connection is None:
            return
        if id in self._roots_questions:
            self._roots_questions.discard(id)
            self.roots_answered.set()
        fix = self.fixes.pop(id, None)
        if result and result[:1] != b"{":  # no message of MCP: servers drop it, and wait on
            result, error = b"", NO_ANSWER.raw
        if fix is not None and result:
            result = fix(result)
        message = wire.error(id, error) if error else wire.response(id, result)
        _, headers = self.dialect.notification("", b"")
        self._connection.send(message, headers, next(self.ids))

    def cancel(self, id: int, reason: str, principal: str = "") -> None:
        """Tell the server that nobody wants the answer to this request (of that principal's) any more; a late one is
        dropped."""
        if self.waiting.pop(id, None) is None or not self.alive or self._connection is None:
            return
        if principal:
            self.given_up[id] = principal
            self.given_up_at = asyncio.get_running_loop().time()
            if len(self.given_up) > MAX_GIVEN_UP:
                del self.given_up[next(iter(self.given_up))]
        if self.era == "modern" and not self._connection.duplex:
            self._connection.abandon(id)
            return
        params: dict[str, object] = {"requestId": id}
        if reason:
            params["reason"] = reason
        self.notify("notifications/cancelled", encode(params))
        if not self._connection.duplex:
            self._connection.abandon(id)

    def listen(self) -> None:
        """Open the stream on which a legacy server speaks unasked, where the transport has one."""
        if self._connection is not None:
            self._connection.listen(self.dialect.notification("", b"")[1])

    # -- from the connection (only1mcp_sdk.Inbox)

    def received(self, message: bytes, stream: int | None) -> None:
        if not self.alive:
            return
        plain = read_result(message)
        if plain is not None:
            id, result = plain
            waiting = self.waiting.pop(id, None)
            if waiting is not None:
                waiting.answered(result)
            else:
                self.given_up.pop(id, None)
            return
        try:
            read = wire.read(message)
        except BadMessage as bad:
            self._misread(bad)
            return
        if not isinstance(read, list):
            self._take(read, stream)
            return
        for one in read:
            if isinstance(one, BadMessage):
                self._misread(one)
            else:
                self._take(one, stream)

    def answered(self, message: bytes, stream: int) -> None:
        plain = read_result(message) if self.alive else None
        if plain is not None and plain[0] == stream:
            waiting = self.waiting.pop(stream, None)
            if waiting is not None:
                waiting.answered(plain[1])
            else:
                self.given_up.pop(stream, None)
        else:
            self.received(message, stream)
            self.ended(stream, "")

    def _misread(self, bad: BadMessage) -> None:
        self._complain(f"sent a message that is not JSON-RPC: {bad.message}")
        waiting = self.waiting.pop(_number(bad.id), None) if isinstance(bad, BadAnswer) else None
        if waiting is not None:
            waiting.lost(f"answered with a message that is not JSON-RPC: {bad.message}")

    def arriving(self, start: bytes, source: Source, stream: int) -> Pipe | None:
        waiting = self.waiting.get(stream) if self.alive else None
        return waiting.arriving(start, source) if waiting is not None else None

    def paused(self, stream: int) -> None:
        waiting = self.waiting.get(stream)
        if waiting is not None:
            waiting.paused()

    def ended(self, stream: int, problem: str) -> None:
        waiting = self.waiting.pop(stream, None)
        if waiting is not None:
            waiting.lost(problem or "the answer ended without a result")
            if self.alive:
                self._host.link_failed(self)

    def closed(self, problem: str) -> None:
        if self.alive:
            self._fail(problem)
            self._host.link_closed(self, problem)

    def poured(self, id: int) -> None:
        """The answer to this request went to its client in pieces."""
        self.waiting.pop(id, None)

    def _take(self, message: Envelope, stream: int | None) -> None:
        if message.method:
            try:
                params = split(message.params) if message.params else {}
            except ValueError as error:
                self._complain(f"sent {message.method} with bad params: {error}")
                return
            if message.id:
                self._question(message, params, stream)
            else:
                self._notification(message, params, stream)
            return
        id = _number(message.id)
        if id not in self.waiting and message.error and stream is not None:
            id = stream  # an error about a message whose id the server could not read, or did not care to
        waiting = self.waiting.pop(id, None)
        if waiting is None:
            self.given_up.pop(id, None)
        elif message.error:
            waiting.refused(message.error)
        else:
            waiting.answered(message.result)

    def _question(self, message: Envelope, params: Members, stream: int | None) -> None:
        if message.method == "ping":
            self.reply(message.id, result=b"{}")
            return
        if message.method == "roots/list":
            self._roots_questions.add(message.id)
        question = Question(message.method, message.params, self._progressed(params))
        self._host.link_asked(self, message.id, question, stream)

    def _progressed(self, params: Members) -> Callable[[Members], None] | None:
        """How the server hears of a client's progress with its question, where it wants to."""
        if b'"progressToken"' not in params.get("_meta", b""):
            return None
        try:
            token = split(params["_meta"]).get("progressToken")
        except ValueError:
            return None
        if token is None:
            return None
        return lambda told: self.notify("notifications/progress", join({**told, "progressToken": token}))

    def _notification(self, message: Envelope, params: Members, stream: int | None) -> None:
        if message.method == "notifications/cancelled":
            if "requestId" in params:
                self.fixes.pop(params["requestId"], None)
                self._roots_questions.discard(params["requestId"])
                self._host.link_withdrew(self, params["requestId"])
                if self.era == "modern":
                    self._torn_down(_number(params["requestId"]))
            return
        if message.method == "notifications/progress":
            waiting = self._by_token(params.get("progressToken"))
            if waiting is None:
                return
        else:
            waiting = self._by_subscription(params)
            if waiting is None and stream is not None and message.method not in UNASKED:
                waiting = self.waiting.get(stream)
        if self.related is not None and RELATED_BYTES in message.params and self.related(message, waiting):
            return
        if waiting is not None:
            waiting.notified(message, params)
        else:
            self._host.link_notified(self, message, params)

    def _torn_down(self, id: int) -> None:
        """A modern server cancels nothing but the listen streams it ends."""
        waiting = self.waiting.pop(id, None)
        if waiting is not None:
            if self._connection is not None and not self._connection.duplex:
                self._connection.abandon(id)
            waiting.lost("the server cancelled the request")

    def _by_token(self, token: Json | None) -> Waiting | None:
        if token is None:
            return None
        number = _number(token)
        return self.waiting.get(number) or self.lasting.get(number)

    def _by_subscription(self, params: Members) -> Waiting | None:
        if "_meta" not in params or params["_meta"].find(_SUBSCRIPTION_ID) < 0:
            return None
        try:
            id = split(params["_meta"]).get(modern.SUBSCRIPTION_ID, b"")
        except ValueError:
            return None
        return self.waiting.get(_number((text(id) or "").encode() or id))

    def _fail(self, problem: str) -> None:
        if not self.alive:
            return
        self.alive = False
        self.problem = problem
        self.gone.set()
        asked, self.asked = self.asked, {}
        for withdraw in asked.values():
            withdraw()
        waiting, self.waiting = self.waiting, {}
        for one in waiting.values():
            one.lost(problem)

    def _complain(self, problem: str) -> None:
        if not self._complained:
            self._complained = True
            self._log.warning("%s (said once per connection)", problem)


def _number(raw: Json) -> int:
    """An id as this link makes them; -1 for anything else."""
    return int(raw) if raw.isdigit() and len(raw) < 20 else -1
