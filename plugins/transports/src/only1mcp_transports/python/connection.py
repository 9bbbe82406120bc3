"""One connection to a server in this process. Implements `only1mcp_sdk.Connection`.

The server is foreign code in a task of its own. It may fail, end or refuse to end; none of it reaches further than this
connection, except that it runs in the gateway's event loop: while it computes, nothing else does.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping

from only1mcp_sdk import Inbox
from only1mcp_transports.python.loading import Serve, said

MAX_UNREAD = 64 << 20
"""Bytes a server may leave unread before it counts as stuck."""


class PythonConnection:
    """A server at work. `gone` is called when it has ended, or was given up."""

    duplex = True

    def __init__(
        self,
        inbox: Inbox,
        serve: Serve,
        stop_timeout: float,
        log: logging.Logger,
        gone: Callable[[PythonConnection], None],
    ) -> None:
        self._inbox = inbox
        self._stop_timeout = stop_timeout
        self._log = log
        self._gone = gone
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._something = asyncio.Event()
        self._over = False
        self._ending: asyncio.Task[None] | None = None
        # Foreign code may not end when cancelled, so no owner may have to wait for it: `close` does, for a while.
        self._serving = asyncio.create_task(self._serve(serve), name="server in this process")  # noqa: TID251

    # -- only1mcp_sdk.Connection

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        if self._over:
            return
        self._waiting.append(message)
        self._size += len(message)
        self._something.set()
        if self._size > MAX_UNREAD and len(self._waiting) > 1:
            problem = f"it left more than {MAX_UNREAD >> 20} MiB unread"
            asyncio.get_running_loop().call_soon(self._fail, problem)

    def abandon(self, stream: int) -> None:
        """Nothing to do: all messages share one channel."""

    def listen(self, headers: Mapping[str, str]) -> None:
        """Nothing to do: the channel is always open."""

    async def close(self) -> None:
        self._over = True
        # A caller that is cancelled leaves; the server is ended all the same.
        await asyncio.shield(self._end())

    # -- for the server

    async def receive(self) -> bytes:
        """The next message; empty when there will be none."""
        while not self._waiting:
            if self._over:
                return b""
            self._something.clear()
            await self._something.wait()
        message = self._waiting.popleft()
        self._size -= len(message)
        return message

    async def reply(self, message: bytes) -> None:
        """One message of the server. Raises `TypeError` when it is none."""
        if not isinstance(message, bytes):
            raise TypeError(f"send takes bytes, not {type(message).__name__}")
        if not self._over:
            self._inbox.received(message, None)
        await asyncio.sleep(0)  # one that only talks lets others speak

    # -- its end

    async def _serve(self, serve: Serve) -> None:
        problem = "the server ended"
        try:
            await serve(self.receive, self.reply)
        except asyncio.CancelledError:
            problem = "the server was cancelled"
            raise
        except (Exception, SystemExit) as error:
            problem = f"the server failed: {said(error)}"
            if not self._over:
                self._log.exception("the server failed")
        finally:
            self._fail(problem)

    def _fail(self, problem: str) -> None:
        if not self._over:
            self._over = True
            self._end()
            self._inbox.closed(problem)

    def _end(self) -> asyncio.Task[None]:
        if self._ending is None:
            self._ending = asyncio.create_task(self._end_it(), name="end a server in this process")  # noqa: TID251
        return self._ending

    async def _end_it(self) -> None:
        try:
            self._something.set()
            await asyncio.wait([self._serving], timeout=self._stop_timeout)
            if not self._serving.done():
                self._serving.cancel()
                await asyncio.wait([self._serving], timeout=self._stop_timeout)
            if not self._serving.done():
                self._log.error("the server does not end, though cancelled; it is left behind")
        finally:
            self._serving.cancel()
            self._waiting.clear()
            self._gone(self)
