"""One TCP connection of a client: reads requests, serves the plain ones, and has aiohttp serve the others.

The transport has this one protocol for good. What is not plain is handed over to a connection of aiohttp's, which is
given the same transport; while that is at work everything goes there, and once it rests and another request arrives it
is let go.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, cast

from only1mcp_sdk import Arrival, Pipe, Source
from only1mcp_transports.http.fast.answer import Answer, Chunks
from only1mcp_transports.http.fast.handover import Handover
from only1mcp_transports.http.fast.heads import END, MAX_HEAD, Head, Place, may_be_plain
from only1mcp_transports.http.fast.response import closing

if TYPE_CHECKING:
    from only1mcp_transports.http.fast.lane import Lane, Patience

EARLY = 64 * 1024
"""Bytes of further requests that are taken in while one is being answered."""
POURING = 512 * 1024
"""Bytes of a large answer that may wait to be sent."""


class Connection(asyncio.Protocol):
    """See above."""

    __slots__ = (
        "_begin",
        "_body",
        "_chunks",
        "_eof",
        "_handover",
        "_head",
        "_idle",
        "_missing",
        "_odd",
        "_paused",
        "_peer",
        "_rest",
        "_serving",
        "_source",
        "_stopped_reading",
        "_taken",
        "answer",
        "held",
        "lane",
        "since",
        "transport",
    )

    def __init__(self, lane: Lane) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: Answer | None = None
        """To the request that is being served."""
        self.since = 0.0
        """When it became the client's turn last, on the event loop's clock; 0 where that does not matter."""
        self.held = False
        """Waits for aiohttp to be loaded."""
        self.lane = lane
        self._peer = ""
        self._idle = False
        """Nothing is under way: what comes next is a request."""
        self._begin = 0
        """Where the body of the last request began: as a rule it is where that of the next one does."""
        self._rest = b""
        """What has come of a head, or of requests that have to wait."""
        self._head: Head | None = None
        """Of the request whose body is being collected."""
        self._body: list[bytes] = []
        self._missing = 0
        self._taken = 0
        self._chunks: Chunks | None = None
        """A large answer on its way."""
        self._source: Source | None = None
        self._serving = False
        self._paused = False
        self._stopped_reading = False
        self._eof = False
        self._odd = False
        """Something came after the request at hand."""
        self._handover: Handover | None = None
        """While aiohttp is in charge."""

    # -- from the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self.lane.met(self)
        self._idle = self.lane.open

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._idle = False
        self.lane.lost(self)
        handover, self._handover = self._handover, None
        if handover is not None:
            handover.lost(exc)
        answer, self.answer = self.answer, None
        if answer is not None:
            answer.lost()
        source, self._source = self._source, None
        if source is not None:  # nobody reads what comes, and nobody is held up by that
            source.resume()
        self._drop_body()

    def data_received(self, data: bytes) -> None:
        if not self._idle:
            self._read_on(data)
            return
        begin = self._begin
        placed = self.lane.heads.placed
        known = placed.get(data[:begin])
        if known is None:
            begin = self._begin = data.find(END) + 4
            known = placed.get(data[:begin])
        if known is not None:
            length, head, place = known
            if length == len(data) - begin and length <= place.gate.message_limit:
                self._serve(head, place, data[begin:])  # like one before, whole and alone: the rule
                return
        self._read(data)

    def _read_on(self, data: bytes) -> None:
        if self._handover is not None:
            if not self._handover.is_over(data):
                self._to_general(data)
                return
            self._handover.dismiss()
            self._handover = None
        if self._busy or not self.lane.open:
            self._wait_with(data)
        elif self._head is not None:
            self._more_of_body(data)
        else:
            rest, self._rest = self._rest, b""
            self._read(rest + data)

    def eof_received(self) -> bool:
        self._eof = self._odd = True
        transport = self.transport
        if transport is None or transport.get_extra_info("sslcontext") is not None:
            return False  # there are no halves with TLS
        if self._handover is not None:
            return self._handover.ended()
        if self.answer is not None:
            self.answer.probe()
        return self._busy or self.held

    def pause_writing(self) -> None:
        self._paused = True
        if self._handover is not None:
            self._handover.pause_writing()
        if self._source is not None:
            self._source.pause()
        self.lane.waits(self)

    def resume_writing(self) -> None:
        self._paused = False
        self.since = 0.0
        if self._handover is not None:
            self._handover.resume_writing()
        if self._source is not None:
            self._source.resume()
        if not self._busy:
            self.lane.waits(self)

    # -- requests

    @property
    def _busy(self) -> bool:
        return self.answer is not None or self._chunks is not None

    def _read(self, data: bytes) -> None:
        """Serve the requests in these bytes, one after the other."""
        self._idle = False
        self._rest = b""
        lane = self.lane
        while data:
            end = data.find(END)
            if end < 0 and may_be_plain(data):
                self._wait_for(data)
                return
            begin = end + 4
            found = lane.plain(data[:begin]) if 0 <= end <= MAX_HEAD else None
            if found is None:
                self._to_general(data)
                return
            head, length = found
            if begin + length <= len(data):
                body, data = data[begin : begin + length], data[begin + length :]
                self._serve_if_open(head, body)
                if data and (self._busy or not self._idle):
                    self._wait_with(data)
                    return
            elif not lane.take(length):
                self._to_general(data)
                return
            else:
                self._collect(head, length, data[begin:])
                return

    def _collect(self, head: Head, length: int, data: bytes) -> None:
        """A body that is not whole yet."""
        self._idle = False
        self._head, self._missing, self._taken = head, length, length
        self.lane.waits(self)
        if data:
            self._more_of_body(data)

    def _wait_for(self, data: bytes) -> None:
        """A head has begun."""
        self._idle = False
        self._rest = data
        self.lane.waits(self)

    def _more_of_body(self, data: bytes) -> None:
        head = self._head
        assert head is not None
        if len(data) < self._missing:
            self._missing -= len(data)
            self._body.append(data)
            return
        self._body.append(data[: self._missing])
        rest = data[self._missing :]
        body = b"".join(self._body)
        self._drop_body()
        self._serve_if_open(head, body)
        if rest:
            self.data_received(rest)

    def _drop_body(self) -> None:
        self.lane.give(self._taken)
        self._head, self._body, self._missing, self._taken = None, [], 0, 0

    def _serve_if_open(self, head: Head, body: bytes) -> None:
        place = self.lane.place(head)
        if place is not None:
            self._serve(head, place, body)
        else:
            self.write(closing(503, "Service Unavailable: the gateway is stopping"))
            self.end()

    def _serve(self, head: Head, place: Place, body: bytes) -> None:
        """Bring a request to the gate."""
        self._idle = False
        self._serving = True
        arrival = place.arrival
        if arrival is None or arrival.peer != self._peer:
            arrival = place.arrival = Arrival(
                "http", place.profile, head.headers, self._peer, False, place.context
            )
        answer = self.answer = Answer(self, place.route, place.cors, place.plain)
        try:
            if head.posts:
                route = place.route
                route.posts.add(answer)
                if route.timer is None:
                    route.look_later()
                answer.posting = place.gate.post(arrival, body, answer)
            elif head.method == "DELETE":
                place.route.posts.add(answer)
                place.gate.end(arrival, answer)
            else:
                self.since = 0.0  # there may be thousands of these, and nothing is to be looked after
                answer.posting = place.gate.stream(arrival, answer)
                answer.open_stream()
        except Exception:
            place.log.exception("a %s request failed", head.method)
            answer.fail()
        self._serving = False
        if answer.over:
            self.answer = answer.posting = None
            if self._chunks is not None and self._chunks.over:
                self._chunks = self._source = None
            if self._chunks is None:
                self._turn()

    def _wait_with(self, data: bytes) -> None:
        self._idle = False
        self._odd = True
        self._rest = self._rest + data if self._rest else data
        if len(self._rest) > EARLY and not self._stopped_reading and self.transport is not None:
            self._stopped_reading = True
            self.transport.pause_reading()

    def answered(self) -> None:
        """The answer has been written: go on with what has come meanwhile."""
        if self._serving:
            return  # `_serve` goes on
        self.answer = self._chunks = self._source = None
        self._turn()
        transport = self.transport
        if self._rest and transport is not None and not transport.is_closing():
            rest, self._rest = self._rest, b""
            self._read(rest)
            if self._eof and not self.eof_received():
                self.end()

    def _turn(self) -> None:
        """It is the client's turn."""
        transport = self.transport
        if transport is None:
            return
        lane = self.lane
        if (self._eof and not self._rest) or lane.ending:
            self.end()
            return
        if self._stopped_reading:
            self._stopped_reading = False
            transport.resume_reading()
        self.since = lane.now
        self._odd = bool(self._rest)
        self._idle = lane.open and self._handover is None

    # -- for answers

    def complete(self, data: bytes) -> None:
        """A whole answer."""
        lane, transport = self.lane, self.transport
        if transport is None:
            return
        waiting = lane.outbox.waiting
        if not waiting:
            lane.outbox.flush_soon()
        waiting.append((transport, data))
        if self._odd or self._serving or lane.ending:
            self.answered()
            return
        self.answer = None
        self.since = lane.now
        self._idle = True

    def _open_transport(self) -> asyncio.Transport | None:
        """To write to; what was to be written soon has been."""
        if self.lane.outbox.waiting:
            self.lane.outbox.flush()
        transport = self.transport
        return None if transport is None or transport.is_closing() else transport

    def write(self, data: bytes) -> None:
        transport = self._open_transport()
        if transport is not None:
            transport.write(data)

    def write_all(self, pieces: tuple[bytes | memoryview, ...]) -> None:
        transport = self._open_transport()
        if transport is not None:
            transport.writelines(pieces)

    def write_bounded(self, data: bytes, limit: int) -> None:
        """To a stream: a client that does not read is disconnected."""
        transport = self.transport
        if self._paused and transport is not None and transport.get_write_buffer_size() > limit:
            transport.abort()
        else:
            self.write(data)

    def pour(self, source: Source) -> Pipe:
        """The body of the answer comes in pieces."""
        chunks = self._chunks = Chunks(self)
        self.answer = None
        if self.transport is None or self.transport.is_closing():
            chunks.over = True
            return chunks
        self._source = source
        self.transport.set_write_buffer_limits(POURING)
        if self._paused:
            source.pause()
        return chunks

    def end(self) -> None:
        """Close it, once all is written."""
        transport = self._open_transport()
        if transport is not None:
            transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    # -- aiohttp

    @property
    def in_general(self) -> bool:
        """Whether aiohttp is in charge."""
        return self._handover is not None

    def _to_general(self, data: bytes) -> None:
        self._idle = False
        transport = self._open_transport()
        if transport is None:
            return
        if self.lane.ending:  # it would never be closed
            transport.close()
            return
        self._rest = b""
        if self._handover is None:
            general = self.lane.new_general()
            self.held = general is None
            if general is None:
                self.since = 0.0
                self._wait_with(data)
                return
            self._handover = Handover(general, self.lane, transport)
            if self._paused:
                self._handover.pause_writing()
        self.lane.waits(self)
        self._handover.feed(data)

    # -- time

    def has(self, patience: Patience) -> float | None:
        """How long the client may take for what it has to do now; None when that is nothing."""
        if self._paused:
            return patience.reading
        if self._handover is not None:
            return self._handover.has(patience)
        if self._busy:
            return None
        if self._head is not None:
            return patience.body
        return patience.head if self._rest else patience.next_request

    def hung_up(self) -> bool:
        """Whether the client is gone while nothing is read from it: nobody else would notice."""
        if not self._stopped_reading or self.transport is None:
            return False
        watched = select.poll()
        watched.register(self.transport.get_extra_info("socket"), 0)
        return bool(watched.poll(0))

    def out_of_time(self, patience: Patience) -> None:
        """It took longer."""
        transport = self.transport
        if transport is None:
            return
        if self._paused or self._rest or self._handover is not None:
            transport.abort()
            return
        if self._head is not None:
            self.write(closing(408, f"Request Timeout: no whole body within {patience.body:g} s"))
        self.end()
