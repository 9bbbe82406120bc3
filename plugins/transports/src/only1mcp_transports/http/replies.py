"""The answer to one POST. Its head tells how it is to be read: as one message, a stream of them, or none.

MCP 2025-11-25, "Transports", Streamable HTTP. Where bytes come from is the lane's affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from only1mcp_sdk import Pipe
from only1mcp_transports.http.body import Body
from only1mcp_transports.http.lane import JSON, Head, Taker
from only1mcp_transports.http.problems import broken, redirected
from only1mcp_transports.http.refusal import Foreign, Nothing, Refusal
from only1mcp_transports.http.stream import Stream, lone_message

if TYPE_CHECKING:
    from only1mcp_transports.http.connection import HttpConnection


_OBJECT = ord("{")


class Reading(Protocol):
    """Reads the body of an answer. Calls `Reply.finish` once; nothing but `dropped` is called from then on."""

    def begun(self, head: Head) -> None: ...

    def took(self, piece: bytes | memoryview) -> None: ...

    def ended(self) -> None: ...

    def broke(self, problem: str) -> None: ...

    def overdue(self) -> None: ...

    def dropped(self, problem: str) -> None:
        """Let go of everything. With a `problem`, whoever was promised more is told."""


class Reply(Taker):
    """Takes one answer, and is the `Source` of a large message in it."""

    __slots__ = ("_reading", "connection", "headers", "in_session", "message", "stream")

    def __init__(
        self, connection: HttpConnection, message: bytes, headers: Mapping[str, str], stream: int
    ) -> None:
        self.errand = None
        self.over = False
        self.connection = connection
        self.message = message
        """What is answered."""
        self.stream = stream
        self.in_session = connection.in_session
        self.headers = headers
        self._reading: Reading | None = None

    # -- Taker

    def whole(self, head: Head, body: bytes) -> None:
        connection = self.connection
        if head.message and connection.calm and body and body[0] == _OBJECT and len(body) <= connection.limit:
            self.over = True
            del connection.replies[self.stream]
            connection.inbox.answered(body, self.stream)
            return
        if head.plain and len(body) <= connection.limit and connection.knows(head):
            # This and the above is nearly every answer. What follows could do the same, in more steps.
            message = body if head.type == JSON else lone_message(body)
            if message and not message.isspace():
                self.over = True
                del connection.replies[self.stream]
                connection.inbox.answered(message, self.stream)
                return
        super().whole(head, body)

    def begun(self, head: Head) -> None:
        if self._reading is None:
            self.connection.heard(self, head)
            if self.over:
                return
            self._reading = self._read(head)
        else:
            self.connection.learn(head)
        if self._reading is not None:
            self._reading.begun(head)

    def took(self, piece: bytes | memoryview) -> None:
        if self._reading is not None:
            self._reading.took(piece)

    def ended(self) -> None:
        if self._reading is not None:
            self._reading.ended()

    def broke(self, problem: str) -> None:
        if self._reading is None:
            self.finish(problem)
        else:
            self._reading.broke(problem)

    def overdue(self) -> None:
        if self._reading is not None:
            self._reading.overdue()

    def _read(self, head: Head) -> Reading | None:
        status, url = head.status, self.connection.url
        if 300 <= status < 400:
            self.finish(redirected(url, status, head.location))
        elif status >= 400:
            return Refusal(self)
        elif status in (202, 204):
            return Nothing(self)
        elif head.encoding:
            self.finish(broken(url, "the answer is compressed, which was not asked for"))
        elif head.is_events:
            return Stream(self)
        else:
            return Body(self) if head.type == JSON else Foreign(self)
        return None

    # -- Source

    def pause(self) -> None:
        if self.errand is not None:
            self.errand.pause()

    def resume(self) -> None:
        if self.errand is not None:
            self.errand.resume()

    def abort(self) -> None:
        if not self.over:
            self.connection.abandon(self.stream)

    # -- for readings

    def deliver(self, message: bytes) -> None:
        self.connection.received(message, self.stream)

    def arriving(self, start: bytes) -> Pipe | None:
        return self.connection.arriving(start, self, self.stream)

    def limit(self, seconds: float) -> None:
        """Be told if the answer has not ended by then."""
        if self.errand is not None:
            self.errand.limit(seconds)

    def drop_errand(self) -> None:
        """The rest of this answer is not wanted; another may be asked for."""
        errand, self.errand = self.errand, None
        if errand is not None:
            errand.abort()

    def resume_stream(self, last_id: bytes) -> None:
        """Ask for the rest of the messages."""
        self.connection.lane.get(last_id, self.headers, self)

    def finish(self, problem: str, *, misunderstood: bool = False) -> None:
        """There is no more, and why if there should be. `misunderstood`: the POST was refused as by somebody who does
        not know what it is."""
        self.cut(problem)
        self.connection.finished(self, problem, misunderstood)

    @property
    def too_large(self) -> str:
        return f"the server sent a message of more than {self.connection.limit} bytes (max_message_bytes)"

    @property
    def no_room(self) -> str:
        return "the server's message is large, and the gateway holds too many of those already; try again"

    # -- for the connection

    def cut(self, problem: str) -> None:
        """Stop, without a word to anybody but, with a `problem`, to whoever takes a large message in pieces."""
        self.stop()
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.dropped(problem)
