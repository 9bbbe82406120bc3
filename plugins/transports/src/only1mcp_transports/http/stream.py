"""An event stream as the answer to a POST. One that breaks off before the answer is resumed with a GET.

MCP 2025-11-25, "Transports", Streamable HTTP, "Resumability and Redelivery". Messages are handed on as they are; the
only look inside one tells whether it is the answer that ends its stream.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from only1mcp_sdk import Pipe
from only1mcp_transports.http.lane import Head
from only1mcp_transports.http.problems import status_line
from only1mcp_transports.http.refusal import BRIEF, members
from only1mcp_transports.http.sse import Events, EventTooLarge
from only1mcp_transports.large import Share

if TYPE_CHECKING:
    from only1mcp_transports.http.replies import Reply

ATTEMPTS = 3
"""Attempts in a row to resume a stream that bring nothing new."""
DEFAULT_RETRY = 1.0
"""Seconds before a stream is resumed when the server names no time."""
MIN_RETRY, MAX_RETRY = 0.05, 30.0
LINGER = 1.0
"""Seconds a stream gets to end after its answer; one that ended leaves its TCP connection for the next request."""
_BEGINNING = 200
_PLAIN = b"data: "
_NAMED = (b"event: message\ndata: ", b"event: message\r\ndata: ")


class Stream:
    """A `Reading` of many messages."""

    __slots__ = (
        "_answered",
        "_attempts",
        "_events",
        "_known",
        "_pipe",
        "_problem",
        "_refused",
        "_reply",
        "_share",
        "_timer",
    )

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._events: Events | None = None
        self._share: Share | None = None
        self._pipe: Pipe | None = None
        """Where a large message goes that is on its way. Only answers are taken in that manner."""
        self._answered = False
        self._attempts = -1
        """-1 for the POST itself."""
        self._known = b""
        self._problem = ""
        self._refused = False
        """The answer at hand is no stream, but a refusal to resume it, and not the last word."""
        self._timer: asyncio.TimerHandle | None = None

    def begun(self, head: Head) -> None:
        if self._attempts < 0 or head.is_events:
            return
        reply = self._reply
        if head.status == 404:
            reply.connection.end_session()
        if head.status < 500:
            reply.finish(self._problem or f"the answer's stream ended early: {status_line(head)} on resuming")
        else:
            self._refused = True
            reply.limit(BRIEF)

    def took(self, piece: bytes | memoryview) -> None:
        if self._refused:
            return
        piece = bytes(piece)
        if self._events is None:
            message = lone_message(piece)
            if message is not None and len(message) <= self._reply.connection.limit:
                self._deliver(message)
                return
            self._events = self._read_events()
        self._feed(self._events, piece)

    def ended(self) -> None:
        if not self._refused:
            self._problem = ""
        self._next()

    def broke(self, problem: str) -> None:
        if not self._refused:
            self._problem = problem
        self._next()

    def overdue(self) -> None:
        if self._answered:
            self._reply.finish("")
        elif self._refused:
            self._reply.drop_errand()
            self._next()

    def dropped(self, problem: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._share is not None:
            self._share.release()
        if self._pipe is not None and self._events is not None:
            self._events.stop_pouring()
            if problem:
                self._pipe.fail(problem)
        self._pipe = None

    # -- messages

    def _read_events(self) -> Events:
        reply = self._reply
        if self._share is None:
            self._share = Share(reply.connection.buffers)
        last = self._events
        if last is None:
            return Events(reply.connection.limit, arriving=self._arriving)
        return Events(reply.connection.limit, last.last_id, last.retry, self._arriving)

    def _feed(self, events: Events, piece: bytes) -> None:
        reply = self._reply
        try:
            for event in events.feed(piece):
                if reply.over:
                    return
                if event.data and event.type in (b"", b"message"):
                    self._deliver(event.data)
        except EventTooLarge:
            reply.finish(reply.too_large)
            return
        if reply.over:
            return
        if self._pipe is not None and not events.pouring:
            self._pipe = None
            self._note_answer()
        if self._share is not None and not self._share.cover(events.held):
            reply.finish(reply.no_room)

    def _deliver(self, message: bytes) -> None:
        if not self._answered and is_answer(message):
            self._note_answer()
        self._reply.deliver(message)

    def _note_answer(self) -> None:
        self._answered = True
        self._reply.limit(LINGER)

    def _arriving(self, start: bytes) -> Pipe | None:
        pipe = self._reply.arriving(start)
        if pipe is not None and not self._reply.over:
            self._pipe = pipe
        return pipe

    # -- resuming

    def _next(self) -> None:
        """A stream ended, or broke, or could not be opened."""
        reply, events = self._reply, self._events
        self._refused = False
        if self._answered:
            reply.finish("")
        elif self._pipe is not None:  # its beginning is with the client already
            reply.finish(self._problem or "the answer's stream ended in the middle of the answer")
        elif events is None or not events.last_id or not reply.connection.in_session:
            reply.finish(self._problem)
        else:
            if self._attempts < 0 and not self._problem:
                reply.connection.paused(reply.stream)
            if not reply.over:
                self._wait(events)

    def _wait(self, events: Events) -> None:
        if self._attempts < 0 or events.last_id != self._known:
            self._attempts = 0
        if self._attempts == ATTEMPTS:
            self._reply.finish(
                self._problem
                or f"the answer's stream ended early, and {ATTEMPTS} attempts to resume it failed"
            )
            return
        self._attempts += 1
        self._timer = asyncio.get_running_loop().call_later(retry_delay(events), self._resume)

    def _resume(self) -> None:
        assert self._events is not None
        self._known = self._events.last_id
        self._events = self._read_events()
        self._reply.resume_stream(self._known)


def retry_delay(events: Events) -> float:
    """Seconds to wait before opening a stream again, as the server asked."""
    asked = DEFAULT_RETRY if events.retry is None else events.retry / 1000
    return min(max(asked, MIN_RETRY), MAX_RETRY)


def is_answer(message: bytes) -> bool:
    """Whether a JSON-RPC message is a response. Most are told by how they begin, or by words they do not contain."""
    if _begins_with(message, b'"result"') or _begins_with(message, b'"error"'):
        return True
    if b'"result"' not in message and b'"error"' not in message:
        return False
    if b'"method"' not in message:
        return True
    found = members(message)
    return "method" not in found and ("result" in found or "error" in found)


def _begins_with(message: bytes, member: bytes) -> bool:
    """Whether an object has a member of this name, and only plain values before it."""
    at = message.find(member, 0, _BEGINNING)
    after = at + len(member)
    return (
        at > 0
        and message[after : after + 1] == b":"
        and message[:1] == b"{"
        and message.count(b"{", 0, at) == 1
        and message.find(b'"method"', 0, at) < 0
    )


def lone_message(piece: bytes) -> bytes | None:
    """The message in `piece`, if that is one event of the plainest kind, as most are."""
    if piece.startswith(_PLAIN):
        start = len(_PLAIN)
    elif piece.startswith(_NAMED[0]):
        start = len(_NAMED[0])
    elif piece.startswith(_NAMED[1]):
        start = len(_NAMED[1])
    else:
        return None
    if piece.endswith(b"\r\n\r\n"):
        message = piece[start:-4]
    elif piece.endswith(b"\n\n"):
        message = piece[start:-2]
    else:
        return None
    return message if message and message.find(b"\n") < 0 and message.find(b"\r") < 0 else None
