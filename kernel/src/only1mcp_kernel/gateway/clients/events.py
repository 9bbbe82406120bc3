"""The event streams of a legacy session over HTTP, and the log they are resumed from.

What belongs to a request goes to that request's stream, whether or not a connection is attached to it; a client that
lost its connection comes back with the id of the last event it saw and is given the rest (specification 2025-11-25,
"Resumability and Redelivery"). The log is bounded: what has been dropped from it can't be resumed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from msgspec import Struct

from only1mcp_kernel.gateway.clients.sinks import NOTHING, Sink
from only1mcp_sdk import Answer, Pipe, Source

MAX_EVENTS = 1000
"""Events that one session's log keeps."""
MAX_BYTES = 8 * 1024 * 1024
"""Bytes that one session's log keeps."""


class Budget:
    """The bytes that the logs of all sessions together may keep."""

    def __init__(self, limit: int = 256 * 1024 * 1024) -> None:
        self.limit = limit
        self.used = 0


class _Event(Struct, gc=False):
    stream: int
    number: int
    message: bytes


class Journal:
    """One session's events, of all its streams, newest last."""

    __slots__ = ("_budget", "_bytes", "_entered", "_events", "_streams")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._events: deque[_Event] | None = None
        """Made with the first event: most sessions never hear one, and an empty deque has room for 64."""
        self._bytes = 0
        self._entered = 0
        """The number of the newest stream."""
        self._streams: dict[int, EventStream] = {}

    def enter(self, stream: EventStream) -> int:
        """Give a stream its number."""
        self._entered += 1
        self._streams[self._entered] = stream
        return self._entered

    def record(self, stream: int, number: int, message: bytes) -> None:
        events = self._events
        if events is None:
            events = self._events = deque()
        events.append(_Event(stream, number, message))
        self._bytes += len(message)
        self._budget.used += len(message)
        while events and (
            len(events) > MAX_EVENTS or self._bytes > MAX_BYTES or self._budget.used > self._budget.limit
        ):
            self._drop(events.popleft())

    def _drop(self, event: _Event) -> None:
        self._bytes -= len(event.message)
        self._budget.used -= len(event.message)
        stream = self._streams.get(event.stream)
        if stream is not None:
            stream.lost = event.number
            if stream.finished and stream.last == event.number:
                del self._streams[event.stream]

    def find(self, event_id: str) -> tuple[EventStream, int] | None:
        """The stream of an event, and the event's number, where everything after it is still here."""
        stream_id, _, number_text = event_id.partition("-")
        if not (_is_number(stream_id) and _is_number(number_text)):
            return None
        stream, number = self._streams.get(int(stream_id)), int(number_text)
        if stream is None or not stream.lost <= number <= stream.last:
            return None
        return stream, number

    def after(self, stream: int, number: int) -> list[tuple[int, bytes]]:
        return [
            (event.number, event.message)
            for event in self._events or ()
            if event.stream == stream and event.number > number
        ]

    def forget(self, stream: EventStream) -> None:
        """Nobody comes back to this stream."""
        self._streams.pop(stream.number, None)

    def close(self) -> None:
        self._budget.used -= self._bytes
        self._events = None
        self._streams.clear()
        self._bytes = 0


class EventStream(Sink):
    """One stream: a `Sink` for the gateway and a `Posting` for the listener.

    A request that says nothing before its answer is answered plainly, and leaves nothing here.
    """

    __slots__ = ("_answer", "_journal", "_leave", "_moved", "finished", "last", "lost", "number")

    def __init__(self, journal: Journal, answer: Answer | None = None) -> None:
        self.number = 0
        """Zero before the first event."""
        self.last = 0
        """The newest event's number within this stream."""
        self.lost = 0
        """The newest event that the log no longer has."""
        self.finished = False
        self._journal = journal
        self._answer = answer
        self._moved = False
        self._leave: Callable[[], None] | None = None
        """Tells that the connection it came back on, or began with, is no longer used."""

    @property
    def reachable(self) -> bool:
        """Whether what is sent now can reach the client, at once or when it comes back."""
        return not self.finished and (self._answer is not None or self.number > 0)

    # -- Sink

    def send(self, message: bytes) -> None:
        if not self.reachable:
            return
        self._open()
        self._event(message)

    def finish(self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = NOTHING) -> None:
        if self.finished:
            return
        if self.number:
            if message:
                self._event(message)
            self._end()
        else:
            self.finished = True
            if self._answer is not None:
                self._answer.finish(message, status, headers)
                self._detach()

    def pour(self, source: Source) -> Pipe | None:
        """Only as the plain answer to a request: what is in the log is whole."""
        if self.finished or self.number or self._answer is None:
            return None
        pipe = self._answer.pour(source)
        if pipe is not None:
            self.finished = True
            self._detach()
        return pipe

    def _end(self) -> None:
        self.finished = True
        if self.last == self.lost:
            self._journal.forget(self)
        if self._answer is not None:
            self._answer.finish()
            self._detach()

    # -- Posting

    def waiting(self) -> None:
        if not self.finished:
            self._open()

    def pause(self) -> None:
        """Close the connection for now; the client comes back for the rest."""
        self._open()
        if self._answer is not None:
            self._answer.finish()
            self._detach()

    def disconnected(self) -> None:
        """The first connection is gone; in this era that is no cancellation."""
        if not self._moved:
            self._detach()

    # -- on other connections

    def begin(self, answer: Answer, leave: Callable[[], None]) -> Attachment:
        """Be an event stream from the first moment on, as the answer to a GET is. `leave` is called once, when the
        connection is not used any more."""
        self._answer = answer
        self._leave = leave
        self._open()
        return Attachment(self, answer)

    def resume(self, number: int, answer: Answer, leave: Callable[[], None]) -> Attachment:
        """Go on with this stream on another connection, after the event of that number."""
        if self._answer is not None:
            self._answer.finish()  # the connection the client no longer has
            self._detach()
        self._moved = True
        self._leave = leave
        answer.send(b"", self._id(number))
        for each, message in self._journal.after(self.number, number):
            answer.send(message, self._id(each))
        if self.finished:
            answer.finish()
            self._detach()
        else:
            self._answer = answer
        return Attachment(self, answer)

    def let_go(self, answer: Answer) -> None:
        """That connection is gone; another one may have taken its place."""
        if self._answer is answer:
            self._detach()

    @property
    def attached(self) -> bool:
        return self._answer is not None

    # -- inside

    def _detach(self) -> None:
        self._answer = None
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def _open(self) -> None:
        if self.number:
            return
        self.number = self._journal.enter(self)
        if self._answer is not None:
            self._answer.send(b"", self._id(0))

    def _event(self, message: bytes) -> None:
        self.last += 1
        self._journal.record(self.number, self.last, message)
        if self._answer is not None:
            self._answer.send(message, self._id(self.last))

    def _id(self, number: int) -> str:
        return f"{self.number}-{number}"


class Attachment:
    """A connection to a stream; a `Posting`."""

    __slots__ = ("_answer", "_stream")

    def __init__(self, stream: EventStream, answer: Answer) -> None:
        self._stream = stream
        self._answer = answer

    def waiting(self) -> None:
        """It is an event stream already."""

    def disconnected(self) -> None:
        self._stream.let_go(self._answer)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
