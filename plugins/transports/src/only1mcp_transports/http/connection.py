"""One connection of the `http` connector: a POST for each message, and one GET for what the server says unasked.

Implements `only1mcp_sdk.Connection`. Each request is one task, which the connection cancels when it is closed. Here is
who sends what when; how an answer is read is in `replies`. A server that turns out to speak HTTP+SSE is spoken to that
way from then on: see `fallback`.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from only1mcp_sdk import Context, Inbox
from only1mcp_transports.http.connector_config import ConnectorConfig
from only1mcp_transports.http.fallback import Fallback, Memory
from only1mcp_transports.http.listening import Listening
from only1mcp_transports.http.problems import BROKEN
from only1mcp_transports.http.replies import Reply
from only1mcp_transports.sse.connection import SseConnection
from only1mcp_transports.sse.pair import Pair, Server

FAREWELL = 2.0
"""Seconds the server gets to acknowledge the end of its session."""
_HANDSHAKE = 5.0
"""Seconds other messages wait for the one that completes the handshake."""
_LARGE = 1 << 20
_SESSION = "Mcp-Session-Id"
_SESSION_ID = re.compile(r"[\x21-\x7e]{1,1024}")
_EVENTS = "text/event-stream"


class HttpConnection:
    """A connection, and the session the server may attach to it."""

    def __init__(
        self,
        inbox: Inbox,
        config: ConnectorConfig,
        context: Context,
        url: URL,
        fixed_headers: Mapping[str, str],
        pool: aiohttp.ClientSession,
        siblings: set[HttpConnection],
        memory: Memory,
    ) -> None:
        self.limit = config.max_message_bytes
        self.url = config.url
        self.log = context.logger
        self._inbox = inbox
        self._context = context
        self._target = url
        self._fixed_headers = fixed_headers
        self._pool = pool
        self._siblings = siblings
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._listening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._over = False
        self._last_headers: Mapping[str, str] = {}
        self._session: str | None = None
        self._session_ended = False
        # The first message after the session was opened completes the handshake; servers refuse what overtakes it.
        self._handshake_due = False
        self._handshake: asyncio.Event | None = None
        self._server = Server(config.url, pool, CIMultiDict(fixed_headers), config.max_message_bytes)
        self._fallback = Fallback(self._server, memory, self._fall_back)
        self._memory = memory

    # -- only1mcp_sdk.Connection

    @property
    def duplex(self) -> bool:
        return self._fallback.connection is not None

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        if self._over:
            return
        if self._fallback.connection is not None:
            self._fallback.connection.send(message, headers, stream)
            return
        self._last_headers = headers
        before, turn = self._handshake, None
        if self._handshake_due:
            self._handshake_due = False
            self._handshake = turn = asyncio.Event()
        task = self._context.spawn(
            self._post(message, headers, stream, before, turn), name=f"POST of message {stream}"
        )
        self._tasks[stream] = task

        def done(_: asyncio.Task[None]) -> None:
            self._tasks.pop(stream, None)
            if turn is not None:
                turn.set()

        task.add_done_callback(done)

    def abandon(self, stream: int) -> None:
        task = self._tasks.get(stream)
        if task is not None:
            task.cancel()

    def listen(self, headers: Mapping[str, str]) -> None:
        if not (self._over or self.duplex) and self._listening is None:
            self._last_headers = headers
            self._listening = self._context.spawn(
                self._listen(headers, self._handshake), name="GET stream for what the server says unasked"
            )

    async def close(self) -> None:
        self._over = True
        if self._closing is None:
            self._closing = self._context.spawn(self._shut(), name="closing the connection")
        await asyncio.shield(self._closing)

    # -- for replies and listening

    @property
    def has_session(self) -> bool:
        return self._session is not None

    def received(self, message: bytes, stream: int | None) -> None:
        self._fallback.rule_out()
        if not self._over:
            self._inbox.received(message, stream)

    def paused(self, stream: int) -> None:
        if not self._over:
            self._inbox.paused(stream)

    @asynccontextmanager
    async def request(
        self, method: str, headers: Mapping[str, str], body: bytes | None = None, last_id: bytes = b""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request; the response is closed on leaving. Raises one of `problems.BROKEN`."""
        fields = CIMultiDict(self._fixed_headers)
        fields["Accept"] = _EVENTS if method == "GET" else f"application/json, {_EVENTS}"
        if body is not None:
            fields["Content-Type"] = "application/json"
        if last_id:
            fields["Last-Event-ID"] = last_id.decode("utf-8", "replace")
        for name, value in headers.items():
            fields[name] = value
        session = self._session
        if session is not None:
            fields[_SESSION] = session
        data = io.BytesIO(body) if body is not None and len(body) > _LARGE else body
        response = await self._pool.request(
            method, self._target, headers=fields, data=data, allow_redirects=False
        )
        try:
            if response.status < 300:
                self._fallback.rule_out()
                self._keep_session(response)
            elif response.status == 404 and session is not None and method == "POST":
                self.end_session()
            yield response
        finally:
            response.close()

    def end_session(self) -> None:
        """The server does not know the session any more. Reported when the request at hand has been."""
        self._session = None
        self._session_ended = True

    # -- at work

    def _keep_session(self, response: aiohttp.ClientResponse) -> None:
        session = response.headers.get(_SESSION, "")
        if self._session_ended or not _SESSION_ID.fullmatch(session):
            return
        if self._session is None:
            self._handshake_due = True
        self._session = session

    async def _post(
        self,
        message: bytes,
        headers: Mapping[str, str],
        stream: int,
        before: asyncio.Event | None,
        turn: asyncio.Event | None,
    ) -> None:
        await _wait_for(before)
        reply = Reply(self, stream, headers)
        problem = "the connector failed; see the gateway's log"
        try:
            other = await self._fallback.expected()
            if other is None:
                problem = await reply.fetch(message, turn)
                other = await self._fallback.find() if reply.misunderstood else None
            if other is not None:
                other.send(message, headers, stream)
                return
        except asyncio.CancelledError:
            raise  # abandoned or closing: nobody waits
        except BaseException:
            self._end(stream, problem)
            raise
        self._end(stream, problem)

    def _end(self, stream: int, problem: str) -> None:
        if not self._over:
            self._inbox.ended(stream, problem)
        self._report_session()

    async def _listen(self, headers: Mapping[str, str], before: asyncio.Event | None) -> None:
        await _wait_for(before)
        await Listening(self, headers).run()
        self._report_session()

    def _report_session(self) -> None:
        if self._session_ended and not self._over:
            self._over = True
            for task in self._pending():
                task.cancel()
            self._inbox.closed("the server ended the session")

    def _fall_back(self, pair: Pair) -> SseConnection:
        return SseConnection(self._inbox, self._context, self._server, pair, self._pair_over)

    def _pair_over(self) -> None:
        if not self._over:  # it was lost, rather than closed: who knows what comes after it
            self._over = True
            self._memory.speaks_pair = False
        self._siblings.discard(self)

    def _pending(self) -> list[asyncio.Task[None]]:
        """What is under way, without the task that asks."""
        tasks = [*self._tasks.values(), *([self._listening] if self._listening else [])]
        return [task for task in tasks if task is not asyncio.current_task()]

    async def _shut(self) -> None:
        try:
            tasks = self._pending()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._fallback.connection is not None:
                await self._fallback.connection.close()
            if self._session is not None:
                with contextlib.suppress(*BROKEN):
                    async with asyncio.timeout(FAREWELL), self.request("DELETE", self._last_headers):
                        pass
        finally:
            await self._pool.close()
            self._siblings.discard(self)


async def _wait_for(turn: asyncio.Event | None) -> None:
    if turn is not None and not turn.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HANDSHAKE):
                await turn.wait()
