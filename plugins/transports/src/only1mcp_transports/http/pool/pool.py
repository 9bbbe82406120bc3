"""The connections of one `HttpConnection` to its server. Those that are idle are used again, the latest first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial

from only1mcp_sdk import LARGE, Context
from only1mcp_transports.http.lane import Taker
from only1mcp_transports.http.outbox import Outbox
from only1mcp_transports.http.pool.heads import Heads
from only1mcp_transports.http.pool.opening import Opening
from only1mcp_transports.http.pool.requests import Requests
from only1mcp_transports.http.pool.wire import Wire
from only1mcp_transports.http.problems import unopened, unsendable
from only1mcp_transports.http.target import Target
from only1mcp_transports.http.way import IDLE

_LOOKS = 8
"""How often an idle connection is looked at before it is dropped."""


class Pool:
    """A `Lane`: any number of requests at a time, each on a connection of its own."""

    def __init__(
        self,
        url: str,
        target: Target,
        configured: Iterable[tuple[str, str]],
        opening: Opening,
        context: Context,
    ) -> None:
        self.url = url
        self.heads = Heads()
        self._outbox = Outbox()
        self.idle: list[Wire] = []
        self._target = target
        self._configured = tuple(configured)
        self._session: str | None = None
        self._requests = Requests(target, self._configured, None)
        self._opening = opening
        self._context = context
        self.wires: set[Wire] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._all_gone = asyncio.Event()
        self._all_gone.set()

    # -- Lane

    @property
    def session(self) -> str | None:
        return self._session

    @session.setter
    def session(self, session: str | None) -> None:
        self._session = session
        self._requests = Requests(self._target, self._configured, session)

    def post(self, message: bytes, headers: Mapping[str, str], taker: Taker) -> None:
        try:
            known, head = self._requests.last
            if known is not headers:
                head = self._requests.post(headers)
        except ValueError:
            self._refuse(taker)
            return
        size = len(message)
        if size > LARGE:
            self._send(taker, b"%b%d\r\n\r\n" % (head, size), message)
        else:
            self._send(taker, b"%b%d\r\n\r\n%b" % (head, size, message))

    def get(self, last_id: bytes, headers: Mapping[str, str], taker: Taker) -> None:
        try:
            head = self._requests.get(last_id, headers)
        except ValueError:
            self._refuse(taker)
        else:
            self._send(taker, head)

    def delete(self, headers: Mapping[str, str], taker: Taker) -> None:
        try:
            head = self._requests.delete(headers)
        except ValueError:
            self._refuse(taker)
        else:
            self._send(taker, head)

    async def close(self) -> None:
        self.idle.clear()
        if self._timer is not None:
            self._timer.cancel()
        openings = [wire.opening for wire in self.wires if wire.opening is not None]
        for wire in list(self.wires):
            wire.abort()
        await asyncio.gather(*openings, return_exceptions=True)
        await self._all_gone.wait()

    # -- for wires

    def lost(self, wire: Wire) -> None:
        """It is closed."""
        self.wires.discard(wire)
        if wire in self.idle:
            self.idle.remove(wire)
        if not self.wires:
            self._all_gone.set()

    # -- at work

    def _send(self, taker: Taker, request: bytes, body: bytes = b"") -> None:
        """On an idle connection, or a new one. A large body is not copied behind its head."""
        idle = self.idle
        while idle:
            wire = idle.pop()
            transport = wire.transport
            if transport is None or transport.is_closing():
                continue
            wire.taker, taker.errand = taker, wire
            if body:
                wire.write(request, body)
            else:
                waiting = self._outbox.waiting
                if not waiting:
                    self._outbox.flush_soon()
                waiting.append((transport, request))
            return
        self._open_one(taker, request, body)

    def _open_one(self, taker: Taker, request: bytes, body: bytes) -> None:
        wire = Wire(self, taker)
        self.wires.add(wire)
        self._all_gone.clear()
        task = self._context.spawn(self._open(wire, request, body), name=f"connecting to {self._target.host}")
        task.add_done_callback(partial(self._opened, wire))
        wire.opening = task
        if self._timer is None:
            self._timer = self._loop.call_later(IDLE / _LOOKS, self._look)

    def _refuse(self, taker: Taker) -> None:
        """The request can't be sent, as its taker learns in a moment."""
        self._loop.call_soon(Wire(self, taker).refuse, unsendable(self.url))

    async def _open(self, wire: Wire, request: bytes, body: bytes) -> None:
        try:
            await self._opening.open(wire)
        except OSError as error:
            wire.opening = None
            self.lost(wire)
            wire.refuse(unopened(self.url, error))
        except BaseException:
            wire.opening = None
            wire.abort()
            raise
        else:
            wire.opening = None
            wire.write(request, body)

    def _opened(self, wire: Wire, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self.lost(wire)  # which uvloop does not tell, and which may be before the task began

    def _look(self) -> None:
        now = self._loop.time()
        for wire in list(self.wires):
            wire.look(now, _LOOKS - 1)
        self._timer = self._loop.call_later(IDLE / _LOOKS, self._look) if self.wires else None
