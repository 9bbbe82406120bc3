"""The gateway's own requests to a server: sent over a link, awaited, bounded in time."""

from __future__ import annotations

import asyncio

from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import Capabilities, ConnectionLost, Failure, Json, Members, Pipe, Source
from only1mcp_sdk.members import split, text


class ServerError(Exception):
    """The server answered with an error."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.message} ({failure.code})")
        self.failure = failure


class Awaited:
    """A future for one answer; a `Waiting`."""

    def __init__(self) -> None:
        self.future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()

    def answered(self, result: Json) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def refused(self, error: Json) -> None:
        if not self.future.done():
            self.future.set_exception(ServerError(read_error(error)))

    def arriving(self, start: bytes, source: Source) -> Pipe | None:
        return None

    def paused(self) -> None:
        """It is awaited all the same."""

    def lost(self, problem: str) -> None:
        if not self.future.done():
            self.future.set_exception(ConnectionLost(problem))

    def notified(self, message: Envelope, params: Members) -> None:
        """Nobody asked for progress."""


class Asking:
    """A request under way. Await `result`; `withdraw` when nobody does."""

    def __init__(
        self, link: Link, method: str, params: Members, capabilities: Capabilities | None = None
    ) -> None:
        self._link = link
        self._id = next(link.ids)
        self._waiting = Awaited()
        self.result = self._waiting.future
        message, headers = link.dialect.request(
            self._id, method, dict(params), {}, capabilities or link.capabilities
        )
        link.send(self._id, message, headers, self._waiting)

    def withdraw(self, reason: str) -> None:
        """Tell the server that nobody waits any more. Harmless when it has answered."""
        self._link.cancel(self._id, reason)
        if not self.result.cancel():
            self.result.exception()  # retrieved


async def ask(
    link: Link, method: str, params: Members, timeout: float, capabilities: Capabilities | None = None
) -> Json:
    """Send a request and await its result.

    Raises `ServerError`, `ConnectionLost`, or `TimeoutError` after `timeout` seconds; the server is then told.
    """
    asking = Asking(link, method, params, capabilities)
    try:
        async with asyncio.timeout(timeout):
            return await asking.result
    except (TimeoutError, asyncio.CancelledError):
        asking.withdraw("timed out")
        raise


def read_error(raw: Json) -> Failure:
    """An error object of a server, which may be anything."""
    try:
        members = split(raw)
        code = int(members.get("code", b"0"))
        message = text(members.get("message")) or ""
    except ValueError:
        return Failure.of(-32603, "The server answered with a malformed error")
    return Failure(code, message, bytes(raw))
