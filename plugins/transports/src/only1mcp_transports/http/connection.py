"""One connection of the `http` connector: a POST for each message, and one GET for what the server says unasked.

Implements `only1mcp_sdk.Connection`. Here is who sends what when; how an answer is read is in `replies`, and how bytes
come is the lane's affair. A server that turns out to speak HTTP+SSE is spoken to that way from then on: see `fallback`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from only1mcp_sdk import Context, Inbox, Pipe, Source
from only1mcp_transports.http.connector_config import ConnectorConfig
from only1mcp_transports.http.fallback import Fallback, Memory
from only1mcp_transports.http.farewell import say_farewell
from only1mcp_transports.http.lane import Head, Lane
from only1mcp_transports.http.listening import Listening
from only1mcp_transports.http.replies import Reply
from only1mcp_transports.http.turn import LISTENING, Turn
from only1mcp_transports.sse.connection import SseConnection
from only1mcp_transports.sse.server import Server

if TYPE_CHECKING:
    from only1mcp_transports.sse.pair import Pair

_SESSION_ID = re.compile(r"[\x21-\x7e]{1,1024}")


class HttpConnection:
    """A connection, and the session the server may attach to it."""

    def __init__(
        self,
        inbox: Inbox,
        config: ConnectorConfig,
        context: Context,
        lane: Lane,
        server: Server,
        siblings: set[HttpConnection],
        memory: Memory,
    ) -> None:
        self.lane = lane
        self.limit = config.max_message_bytes
        self.buffers = context.buffers
        self.url = config.url
        self.log = context.logger
        self.in_session = False
        """The server knows the client by a session."""
        self.inbox = inbox
        self._context = context
        self._siblings = siblings
        self.replies: dict[int, Reply] = {}
        self._searches: dict[int, asyncio.Task[None]] = {}
        """Messages that wait for `fallback` to find another way."""
        self._listening: Listening | None = None
        self._closing: asyncio.Task[None] | None = None
        self._over = False
        self._last_headers: Mapping[str, str] = {}
        self._session_ended = False
        self._turn = Turn(self._take_stock)
        self._known = False
        """The server does speak Streamable HTTP."""
        self.calm = False
        """Messages may go as they come: see `_take_stock`."""
        self._server = server
        self._fallback = Fallback(server, memory, self._fall_back)
        self._memory = memory

    # -- only1mcp_sdk.Connection

    @property
    def duplex(self) -> bool:
        return self._fallback.connection is not None

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        self._last_headers = headers
        if self.calm:
            reply = self.replies[stream] = Reply(self, message, headers, stream)
            self.lane.post(message, headers, reply)
        elif self._over:
            return
        elif self._fallback.connection is not None:
            self._fallback.connection.send(message, headers, stream)
        else:
            self._turn.take(stream, partial(self._start, message, headers, stream))
            self._take_stock()

    def abandon(self, stream: int) -> None:
        reply = self.replies.pop(stream, None)
        if reply is not None:
            reply.cut("")
        search = self._searches.get(stream)
        if search is not None:
            search.cancel()
        if self._turn.pending:
            self._turn.through(stream)

    def listen(self, headers: Mapping[str, str]) -> None:
        if not (self._over or self.duplex) and self._listening is None:
            self._last_headers = headers
            self._listening = Listening(self, headers)
            self._turn.take(LISTENING, self._listening.start)

    async def close(self) -> None:
        self._over = True
        self._take_stock()
        if self._closing is None:
            self._closing = self._context.spawn(self._shut(), name="closing the connection")
        await asyncio.shield(self._closing)

    # -- for replies and listening

    def knows(self, head: Head) -> bool:
        """Whether an answer tells nothing new about the server."""
        return self.calm and (not head.session or head.session == self.lane.session)

    def heard(self, reply: Reply, head: Head) -> None:
        """The head of the answer to a POST came."""
        self.learn(head)
        if head.status == 404 and reply.in_session:
            self.end_session()
        if self._turn.pending:
            self._turn.through(reply.stream)

    def learn(self, head: Head) -> None:
        """What the head of any answer says about the server."""
        if head.status >= 300:
            return
        self._speaks_http()
        session = head.session
        if (
            session
            and not self._session_ended
            and session != self.lane.session
            and _SESSION_ID.fullmatch(session)
        ):
            if self.lane.session is None:
                self._turn.begin()
                self._take_stock()
            self.lane.session = session
            self.in_session = True

    def end_session(self) -> None:
        """The server does not know the session any more. Reported when the request at hand has been."""
        self.lane.session = None
        self.in_session = False
        self._session_ended = True

    def report_session(self) -> None:
        if self._session_ended and not self._over:
            problem = "the server ended the session"
            self._over = True
            self._stop(problem)
            self.inbox.closed(problem)

    def received(self, message: bytes, stream: int | None) -> None:
        self._speaks_http()
        if not self._over:
            self.inbox.received(message, stream)

    def arriving(self, start: bytes, source: Source, stream: int) -> Pipe | None:
        return None if self._over else self.inbox.arriving(start, source, stream)

    def paused(self, stream: int) -> None:
        if not self._over:
            self.inbox.paused(stream)

    def finished(self, reply: Reply, problem: str, misunderstood: bool) -> None:
        stream = reply.stream
        self.replies.pop(stream, None)
        if self._turn.pending:
            self._turn.through(stream)
        if misunderstood and not self._known and not self._over:
            self._search(reply.message, reply.headers, stream, problem)
        else:
            self._end(stream, problem)

    # -- at work

    def _start(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        if self._memory.speaks_pair and not self._known:
            self._search(message, headers, stream, None)
        else:
            self._post(message, headers, stream)

    def _post(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        reply = self.replies[stream] = Reply(self, message, headers, stream)
        self.lane.post(message, headers, reply)

    def _end(self, stream: int, problem: str) -> None:
        if not self._over:
            self.inbox.ended(stream, problem)
        self.report_session()

    def _speaks_http(self) -> None:
        if not self._known:
            self._known = True
            self._fallback.rule_out()
            self._take_stock()

    def _take_stock(self) -> None:
        """Whether anything is out of the ordinary, which each message would have to be told about."""
        self.calm = self._known and not (self._over or self.duplex or self._turn.pending)

    # -- another way

    def _search(self, message: bytes, headers: Mapping[str, str], stream: int, problem: str | None) -> None:
        """See whether there is another way for a message: before it is posted, or after that brought a problem."""
        task = self._context.spawn(
            self._find(message, headers, stream, problem), name=f"looking for HTTP+SSE for message {stream}"
        )
        self._searches[stream] = task
        task.add_done_callback(lambda _: self._searches.pop(stream, None))

    async def _find(
        self, message: bytes, headers: Mapping[str, str], stream: int, problem: str | None
    ) -> None:
        try:
            other = await self._fallback.find()
        except Exception:
            self._end(stream, "the connector failed; see the gateway's log")
            raise
        if other is not None:
            other.send(message, headers, stream)
        elif problem is not None:
            self._end(stream, problem)
        elif not self._over:
            self._post(message, headers, stream)

    def _fall_back(self, pair: Pair) -> SseConnection:
        connection = SseConnection(self.inbox, self._context, self._server, pair, self._pair_over)
        self.calm = False
        return connection

    def _pair_over(self) -> None:
        if not self._over:  # it was lost, rather than closed: who knows what comes after it
            self._over = True
            self._memory.speaks_pair = False
        self._siblings.discard(self)

    # -- leaving

    def _stop(self, problem: str) -> None:
        """End everything that is under way, without a word to the inbox."""
        self._take_stock()
        self._turn.close()
        replies, self.replies = self.replies, {}
        for reply in replies.values():
            reply.cut(problem)
        for search in self._searches.values():
            search.cancel()
        if self._listening is not None:
            self._listening.stop()

    async def _shut(self) -> None:
        try:
            self._stop("the connection was closed")
            await asyncio.gather(*self._searches.values(), return_exceptions=True)
            if self._fallback.connection is not None:
                await self._fallback.connection.close()
            if self.lane.session is not None:
                await say_farewell(self.lane, self._last_headers)
        finally:
            await self._server.close()
            await self.lane.close()
            self._siblings.discard(self)
