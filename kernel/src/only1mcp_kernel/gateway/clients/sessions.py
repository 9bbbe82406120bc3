"""Sessions of legacy clients: an adapter around stateless exchanges.

A session belongs to the process and to one principal. It pins no configuration: each message finds the current one.
"""

from __future__ import annotations

import itertools
import secrets
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from only1mcp_kernel.gateway.clients.events import Attachment, Budget, EventStream, Journal
from only1mcp_kernel.gateway.clients.load import Load, Share
from only1mcp_kernel.gateway.clients.sinks import Sink
from only1mcp_kernel.protocol.errors import Overload
from only1mcp_kernel.protocol.legacy import UNASKED_LEVEL, Hello
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_kernel.wire.seal import KeyRing
from only1mcp_sdk import Answer, Arrival, Caller, Failure, Json, Members, Principal, Question
from only1mcp_sdk.members import encode, join, split

if TYPE_CHECKING:
    from only1mcp_kernel.gateway.clients.legacy_request import LegacyRequest

MAX_SESSIONS = 20_000
IDLE_SECONDS = 3600.0
"""A session without an open stream that long unused is forgotten; its client starts a new one."""
MAX_STREAMS = 16
"""Streams that one session may listen on, or come back to."""
HELD_MESSAGES = 64
"""What is kept for a client that has no stream open to be told on."""
_PURPOSE = "session"

GONE = Failure.of(-32603, "The client is gone")

Reply = Callable[[bytes, bytes], None]
"""Called once, with a result or with an error object."""


class Session:
    """One initialized legacy client.

    There may be thousands, nearly all of them at rest: what a session needs now and then is made when it does.
    """

    __slots__ = (
        "_asked",
        "_held",
        "_progress",
        "_questions",
        "_streams",
        "_streams_share",
        "active",
        "alive",
        "asked_level",
        "caller",
        "channel",
        "id",
        "idle_since",
        "journal",
        "log_level",
        "requests",
        "share",
        "token",
    )

    def __init__(
        self,
        id: str,
        token: str,
        hello: Hello,
        principal: Principal,
        arrival: Arrival,
        budget: Budget,
        share: Share,
        streams_share: Share,
    ) -> None:
        self.id = id
        self.token = token
        """What the client knows it by."""
        self.caller = Caller(
            principal=principal,
            era="legacy",
            revision=hello.revision,
            profile=arrival.profile,
            capabilities=hello.capabilities,
            client_info=hello.client_info,
            session=id,
            context=arrival.context,
        )
        self.alive = True
        self.asked_level: str | None = None
        """The log level that the client asked for."""
        self.log_level = UNASKED_LEVEL
        """What it is to hear."""
        self.requests: dict[bytes, LegacyRequest] = {}
        """Under way, by the client's request id."""
        self.share = share
        """Of what may be under way."""
        self.active = True
        """It was used since `Sessions.expire` looked."""
        self.idle_since = 0.0
        """On the event loop's clock, as `Sessions.expire` saw it."""
        self.channel: Sink | None = None
        """On a duplex transport: the way to the client."""
        self.journal = Journal(budget)
        self._streams_share = streams_share
        self._streams: list[EventStream] = []
        """Over HTTP: what the client listens on, or may come back to; the newest last."""
        self._held: deque[bytes] | None = None
        """What is kept until it listens."""
        self._asked = 0
        """Questions so far; the id of the last one."""
        self._questions: dict[bytes, Reply] | None = None
        self._progress: dict[bytes, Callable[[Members], None]] | None = None
        """The questions whose server wants to hear how far the client is."""

    # -- to the client

    def tell(self, message: bytes) -> None:
        """Send a message that belongs to no request: on one of the streams opened for that, now or later."""
        if (
            self._held is None or message not in self._held
        ):  # such as a list change: told once, however often it was
            self._tell_or_hold(message)

    def tell_anywhere(self, message: bytes) -> None:
        """Send a message that may come on any stream: while none is open for that, on a request's."""
        self._tell_on(None, message)

    def ask(self, question: Question, reply: Reply, sink: Sink | None = None) -> bytes:
        """Put a question to the client, on a request's own stream or on an open one. Returns the id it was given."""
        self._asked += 1
        id = b"%d" % self._asked
        if self._questions is None:
            self._questions = {}
        self._questions[id] = reply
        params = question.params
        if question.progressed is not None:
            if self._progress is None:
                self._progress = {}
            self._progress[id] = question.progressed
            params = _with_token(params, id)
        self._tell_on(sink, wire.request(id, question.method, params))
        return id

    def _tell_on(self, sink: Sink | None, message: bytes) -> None:
        """On that stream, else on one of its own if there is one, else on the newest request's."""
        if sink is not None and sink.reachable:
            sink.send(message)
            return
        if self._open_stream() is None:
            for request in reversed(self.requests.values()):
                if request.sink.reachable:
                    request.sink.send(message)
                    return
        self._tell_or_hold(message)

    def _tell_or_hold(self, message: bytes) -> None:
        stream = self._open_stream()
        if stream is not None:
            stream.send(message)
        else:
            if self._held is None:
                self._held = deque(maxlen=HELD_MESSAGES)
            self._held.append(message)

    def _open_stream(self) -> Sink | None:
        if self.channel is not None:
            return self.channel
        return next((stream for stream in reversed(self._streams) if stream.attached), None)

    def withdraw(self, id: bytes, sink: Sink | None = None) -> None:
        """The answer to a question of ours is no longer wanted."""
        if self._taken(id) is not None:
            params = encode({"requestId": int(id)})
            self._tell_on(sink, wire.notification("notifications/cancelled", params))

    def _taken(self, id: bytes) -> Reply | None:
        """Who asked the question of this id; it is settled."""
        if self._progress is not None:
            self._progress.pop(id, None)
        return None if self._questions is None else self._questions.pop(id, None)

    def listen(self, answer: Answer) -> Attachment:
        """The client opened a stream to be told on. Raises `Overload`."""
        leave = self._entered()
        if len(self._streams) >= MAX_STREAMS:
            oldest = next((each for each in self._streams if not each.attached), self._streams[0])
            self._streams.remove(oldest)
            oldest.finish()
            self.journal.forget(oldest)
        stream = EventStream(self.journal)
        attachment = stream.begin(answer, leave)
        self._streams.append(stream)
        self._give_held(stream)
        return attachment

    def resume(self, event_id: str, answer: Answer) -> Attachment | None:
        """The client comes back to a stream it lost; None when what it missed is no longer there. Raises
        `Overload`."""
        found = self.journal.find(event_id)
        if found is None:
            return None
        stream, number = found
        attachment = stream.resume(number, answer, self._entered())
        if stream in self._streams:
            self._streams.remove(stream)
            self._streams.append(stream)
            self._give_held(stream)
        return attachment

    def _entered(self) -> Callable[[], None]:
        if not self._streams_share.enter():
            raise Overload("open streams")
        return self._streams_share.leave

    def _give_held(self, stream: EventStream) -> None:
        held, self._held = self._held, None
        for message in held or ():
            stream.send(message)

    @property
    def listening(self) -> bool:
        return self._open_stream() is not None

    # -- from the client

    def answered(self, message: Envelope) -> None:
        """The client answers a question; what nobody asked is ignored."""
        reply = self._taken(bytes(message.id))
        if reply is not None:
            reply(bytes(message.result), bytes(message.error))

    def progressed(self, params: Members) -> None:
        """The client tells how far it is with a question."""
        if self._progress is not None:
            tell = self._progress.get(bytes(params.get("progressToken", b"")))
            if tell is not None:
                tell(params)

    def cancel(self, id: Json | None, reason: str) -> None:
        request = self.requests.get(bytes(id)) if id is not None else None
        if request is not None:
            request.cancel(reason)

    def end(self) -> None:
        self.alive = False
        for request in list(self.requests.values()):
            request.cancel("the session ended")
        for stream in self._streams:
            stream.finish()
        self._streams.clear()
        self.journal.close()
        questions, self._questions = self._questions, None
        for reply in questions.values() if questions is not None else ():
            reply(b"", GONE.raw)


def _with_token(params: Json, token: bytes) -> Json:
    """The params of a question with a progress token of ours: those of two servers may be the same."""
    members = split(params)
    return join({**members, "_meta": join({**split(members["_meta"]), "progressToken": token})})


class Sessions:
    """The sessions of this process."""

    def __init__(
        self, keys: KeyRing, requests: Load, streams: Load, ended: Callable[[Session], None]
    ) -> None:
        self._keys = keys
        self._requests = requests
        self._streams = streams
        self._budget = Budget()
        self._ended = ended
        self._sessions: dict[str, Session] = {}
        self._by_token: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> itertools.chain[Session]:
        return itertools.chain(list(self._sessions.values()))

    def start(self, hello: Hello, principal: Principal, arrival: Arrival) -> Session | None:
        """A new session; None when there are too many."""
        if len(self._sessions) >= MAX_SESSIONS:
            return None
        id = secrets.token_urlsafe(16)
        token = self._keys.seal(_PURPOSE, principal.id, [id])
        share, streams_share = self._requests.share(principal.id), self._streams.share(principal.id)
        session = Session(id, token, hello, principal, arrival, self._budget, share, streams_share)
        self._sessions[id] = self._by_token[token] = session
        return session

    def find(self, token: str, principal: Principal) -> Session | None:
        """The session of a token, if it is this principal's and still there."""
        session = self._by_token.get(token)
        if session is None or session.caller.principal.id != principal.id:
            return None
        session.active = True
        return session

    def by_id(self, id: str) -> Session | None:
        return self._sessions.get(id)

    def end(self, session: Session) -> None:
        if self._sessions.pop(session.id, None) is not None:
            del self._by_token[session.token]
            session.end()
            self._ended(session)

    def expire(self, now: float) -> None:
        """Forget the sessions nobody came back to. Called every now and then, with the event loop's time."""
        for session in list(self._sessions.values()):
            if session.active or session.listening or session.requests:
                session.active, session.idle_since = False, now
            elif now - session.idle_since > IDLE_SECONDS:
                self.end(session)

    def close(self) -> None:
        for session in list(self._sessions.values()):
            self.end(session)
