"""The gate: where listeners bring what clients send.

Tells the eras apart, who is calling, and which session a message belongs to; turns requests into exchanges. Implements
`only1mcp_sdk.Gate`.
"""

from __future__ import annotations

from collections.abc import Callable

from only1mcp_kernel.gateway.clients import admission
from only1mcp_kernel.gateway.clients.conversation import Duplex
from only1mcp_kernel.gateway.clients.events import EventStream
from only1mcp_kernel.gateway.clients.introduction import Introduction, introduction
from only1mcp_kernel.gateway.clients.legacy_request import LegacyRequest, first_exchange
from only1mcp_kernel.gateway.clients.listening import Listening, read_filter
from only1mcp_kernel.gateway.clients.load import Load
from only1mcp_kernel.gateway.clients.modern_request import ModernRequest, stateless_exchange
from only1mcp_kernel.gateway.clients.reading import open_params, read_message, subject
from only1mcp_kernel.gateway.clients.serving import Serving
from only1mcp_kernel.gateway.clients.sessions import Session, Sessions
from only1mcp_kernel.gateway.clients.sinks import Batch, Outlet, Sink
from only1mcp_kernel.protocol import modern
from only1mcp_kernel.protocol.errors import Overload, Refused
from only1mcp_kernel.protocol.legacy import Hello, read_initialize
from only1mcp_kernel.protocol.meta import NOTHING as NOTHING_SAID
from only1mcp_kernel.protocol.meta import Said
from only1mcp_kernel.protocol.revisions import HEADER_MISMATCH, INVALID_PARAMS, LEGACY, REVISIONS
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import BadMessage, Envelope
from only1mcp_sdk import (
    ANONYMOUS,
    AccessDenied,
    Answer,
    Arrival,
    Caller,
    Channel,
    Conversation,
    Done,
    Exchange,
    Failure,
    Members,
    Posting,
    Principal,
)

SESSION_HEADER = "Mcp-Session-Id"


class _Nothing:
    """A `Posting` that is already over."""

    def waiting(self) -> None:
        """Nobody waits."""

    def disconnected(self) -> None:
        """Nothing to give up."""


NOTHING_LEFT = _Nothing()


class Gate:
    """One per process; it outlives configurations."""

    def __init__(self, serving: Serving, sessions: Sessions, load: Load) -> None:
        self.message_limit = 0
        """Set with each configuration."""
        self._serving = serving
        self._sessions = sessions
        self._load = load
        self._again = self._serve_again

    def has_profile(self, name: str) -> bool:
        return name in self._serving.handlers

    def too_large(self) -> bytes:
        limit = self.message_limit
        return _error(
            BadMessage(wire.INVALID_REQUEST, f"Invalid Request: a message may have at most {limit} bytes")
        )

    # -- HTTP

    def post(self, arrival: Arrival, body: bytes, answer: Answer) -> Posting:
        authenticators = self._serving.authenticators
        try:
            principal = admission.admit(arrival, authenticators) if authenticators else ANONYMOUS
            read = read_message(body)
            if isinstance(read, list):
                return self._batch(arrival, principal, read, answer)
        except AccessDenied as denied:
            admission.refuse(denied, answer)
            return NOTHING_LEFT
        except BadMessage as bad:
            answer.finish(_error(bad), 400)
            return NOTHING_LEFT
        message, params, said = read
        session = arrival.found
        if (
            type(session) is not Session
            or not session.alive
            or session.caller.principal is not principal
            or said.version
            or message.method == "initialize"
        ):
            if said.version or modern.is_modern(arrival.headers, said):
                return self._modern(arrival, principal, message, params, said, answer)
            if message.method == "initialize" and message.id:
                self._initialize(arrival, principal, message, params, answer)
                return NOTHING_LEFT
            session = arrival.found = self._session(arrival, principal, answer, message.id)
            if session is None:
                return NOTHING_LEFT
        else:
            session.active = True
        return self.within_session(session, message, params, said, answer) or NOTHING_LEFT

    def stream(self, arrival: Arrival, answer: Answer) -> Posting:
        session = self._session_of_bare_request(arrival, answer, "POST")
        if session is None:
            return NOTHING_LEFT
        missed = arrival.headers.get("last-event-id")
        try:
            if missed is None:
                return session.listen(answer)
            resumed = session.resume(missed, answer)
        except Refused as refused:
            _finish(answer, refused, wire.NO_ID)
            return NOTHING_LEFT
        if resumed is None:
            _refuse(answer, 404, "Not Found: what came after this Last-Event-ID is gone", wire.NO_ID)
            return NOTHING_LEFT
        return resumed

    def end(self, arrival: Arrival, answer: Answer) -> None:
        session = self._session_of_bare_request(arrival, answer, "POST")
        if session is not None:
            self._sessions.end(session)
            answer.finish(status=204)

    def _session_of_bare_request(self, arrival: Arrival, answer: Answer, allow: str) -> Session | None:
        """The session of a GET or DELETE; those exist in the legacy era alone."""
        try:
            principal = self.principal(arrival)
        except AccessDenied as denied:
            admission.refuse(denied, answer)
            return None
        if modern.is_modern(arrival.headers, NOTHING_SAID):
            answer.finish(status=405, headers={"Allow": allow})
            return None
        return self._session(arrival, principal, answer, wire.NO_ID)

    def _session(self, arrival: Arrival, principal: Principal, answer: Answer, id: bytes) -> Session | None:
        token = arrival.headers.get("mcp-session-id")
        if token is None:
            _refuse(answer, 400, f"Bad Request: {SESSION_HEADER} is missing; initialize first", id)
            return None
        session = self._sessions.find(token, principal)
        if session is None or session.caller.profile != arrival.profile:
            _refuse(answer, 404, "Session not found; initialize again", id)
            return None
        version = arrival.headers.get("mcp-protocol-version")
        if version is not None and version not in LEGACY:
            _refuse(answer, 400, f"Bad Request: unsupported MCP-Protocol-Version {version!r}", id)
            return None
        return session

    def _initialize(
        self, arrival: Arrival, principal: Principal, message: Envelope, params: Members, sink: Outlet
    ) -> None:
        try:
            session = self.begin(read_initialize(params), arrival, principal)
        except Refused as refused:
            _finish(sink, refused, message.id)
            return
        result = self._serving.initialize_result(arrival.profile, session.caller.revision)
        sink.finish(wire.response(message.id, result), 200, {SESSION_HEADER: session.token})

    def _batch(
        self, arrival: Arrival, principal: Principal, messages: list[Envelope | BadMessage], answer: Answer
    ) -> Posting:
        session = self._session(arrival, principal, answer, wire.NO_ID)
        if session is None:
            return NOTHING_LEFT
        if not REVISIONS[session.caller.revision].batches:
            raise BadMessage(
                wire.INVALID_REQUEST, "Invalid Request: batches exist in revision 2025-03-26 only"
            )
        stream = EventStream(session.journal, answer)
        self.batch(session, messages, stream)
        return stream

    # -- duplex transports

    def connect(self, arrival: Arrival, channel: Channel) -> Conversation:
        return Duplex(self, arrival, self.principal(arrival), channel)

    # -- both

    def principal(self, arrival: Arrival) -> Principal:
        """Who is calling. Raises `AccessDenied`."""
        return admission.admit(arrival, self._serving.authenticators)

    def begin(self, hello: Hello, arrival: Arrival, principal: Principal) -> Session:
        """Start a session. Raises `Refused`."""
        if not self.has_profile(arrival.profile):
            raise Refused(404, wire.INVALID_REQUEST, f"The profile {arrival.profile!r} is gone")
        session = self._sessions.start(hello, principal, arrival)
        if session is None:
            raise Overload("sessions")
        if arrival.context:
            try:
                self._check_context(session.caller)
            except Refused:
                self._sessions.end(session)
                raise
        return session

    def _check_context(self, caller: Caller) -> None:
        """Raises `Refused` where the URL asks for tools to be shown in a way there is not."""
        problem = self._serving.context_problem(caller)
        if problem:
            raise Refused(400, INVALID_PARAMS, problem)

    def end_session(self, session: Session) -> None:
        self._sessions.end(session)

    def initialize_result(self, session: Session) -> bytes:
        return self._serving.initialize_result(session.caller.profile, session.caller.revision)

    def within_session(
        self,
        session: Session,
        message: Envelope,
        params: Members,
        said: Said,
        outlet: Sink | Answer,
    ) -> LegacyRequest | None:
        """Any message of a legacy session but `initialize`. A request comes back, started."""
        id, share = message.id, session.share
        if not id or not message.method:
            self._session_heard(session, message, params)
            outlet.finish(status=202)
        elif id in session.requests:
            _refuse(outlet, 400, "Invalid Request: this id is in use", id)
        elif not share.enter():
            _finish(outlet, Overload("requests under way"), id)
        else:
            exchange = first_exchange(session, message, params, said)
            request = LegacyRequest(exchange, session, message, params, said, outlet, share, self._again)
            exchange.origin = session.requests[id] = request
            self._serving.handlers.get(session.caller.profile, _no_profile)(exchange, request.done)
            return request
        return None

    def _serve_again(self, exchange: Exchange, done: Done) -> None:
        """By the configuration in force, which may be another in each round of one request."""
        self._serving.handlers.get(exchange.caller.profile, _no_profile)(exchange, done)

    def batch(self, session: Session, messages: list[Envelope | BadMessage], sink: Sink) -> None:
        batch = Batch(sink, len(messages))
        for message in messages:
            part = batch.part()
            try:
                if isinstance(message, BadMessage):
                    raise message
                if message.method == "initialize":
                    problem = "Invalid Request: already initialized"
                    raise BadMessage(wire.INVALID_REQUEST, problem, message.id or wire.NO_ID)
                _, params, said = open_params(message)
            except BadMessage as bad:
                part.finish(_error(bad))
                continue
            self.within_session(session, message, params, said, part)

    def _session_heard(self, session: Session, message: Envelope, params: Members) -> None:
        """An answer to a question, or a notification."""
        if not message.method:
            session.answered(message)
        elif message.method == "notifications/cancelled":
            session.cancel(params.get("requestId"), "the client cancelled")
        elif message.method == "notifications/progress":
            session.progressed(params)
        else:
            self._serving.notified(session, message, params)

    def _modern(
        self,
        arrival: Arrival,
        principal: Principal,
        message: Envelope,
        params: Members,
        said: Said,
        sink: Outlet,
    ) -> Posting:
        if not message.method:
            _refuse(sink, 400, "Invalid Request: this revision has no messages to answer", message.id)
            return NOTHING_LEFT
        if not message.id:
            sink.finish(status=202)
            return NOTHING_LEFT
        try:
            request = self.modern_request(arrival, principal, message, params, said, sink, None)
        except Refused as refused:
            _finish(sink, refused, message.id)
            return NOTHING_LEFT
        return request

    def modern_request(
        self,
        arrival: Arrival,
        principal: Principal,
        message: Envelope,
        params: Members,
        said: Said,
        sink: Outlet,
        on_end: Callable[[], None] | None,
    ) -> ModernRequest | Listening:
        """A request that stands alone; started. `on_end` is called when it is over. Raises `Refused`."""
        method, serving = message.method, self._serving
        name = message.name or subject(message, params)
        known = arrival.found
        if (
            type(known) is not Introduction
            or known.method != method
            or known.name != name
            or known.version != said.version
            or known.capabilities != said.capabilities
            or known.client_info != said.client_info
            or known.caller.principal != principal
        ):
            known = introduction(method, name, said, arrival, principal, self._load.share(principal.id))
            if arrival.context:
                self._check_context(known.caller)
            arrival.found = known
        caller, repeated = known.caller, known.repeated
        if method == "subscriptions/listen":
            read_filter(params)
            return serving.listen(caller, message.id, params, sink, on_end or _ignore)
        exchange = stateless_exchange(message, params, said, caller, name)
        if method == "tools/call" and arrival.headers:
            problem = serving.header_problem(caller, name, params, repeated)
            if problem is not None:
                raise Refused(400, HEADER_MISMATCH, f"Header mismatch: {problem}")
            if repeated:
                exchange.param_headers = repeated
        if not known.share.enter():
            raise Overload("requests under way")
        request = ModernRequest(exchange, message.id, sink, known.share, on_end)
        request.start(serving.handlers.get(arrival.profile, _no_profile))
        return request


def _error(bad: BadMessage) -> bytes:
    return wire.error(bad.id, Failure.of(bad.code, bad.message).raw)


def _refuse(sink: Outlet, status: int, message: str, id: bytes) -> None:
    _finish(sink, Refused(status, wire.INVALID_REQUEST, message), id)


def _finish(sink: Outlet, refused: Refused, id: bytes) -> None:
    sink.finish(wire.error(id or wire.NO_ID, refused.failure.raw), refused.status, refused.headers)


def _no_profile(exchange: Exchange, done: Done) -> None:
    done(Failure.of(wire.INVALID_REQUEST, f"The profile {exchange.caller.profile!r} is gone"))


def _ignore() -> None:
    """Nobody keeps count."""
