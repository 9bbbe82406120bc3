"""Kind `connector`: reach one endpoint of a server.

A connector moves whole JSON-RPC messages and knows nothing of what they say. The kernel hands it an `Inbox`
and gets a `Connection`; all methods are called from the event loop's thread and none of them blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from only1mcp_sdk.flow import Pipe, Source


class Inbox(Protocol):
    """Where a connection delivers what arrives. The kernel implements it; no method raises."""

    def received(self, message: bytes, stream: int | None) -> None:
        """One JSON-RPC message. `stream` is the number given to `send` for the message whose reply stream it came
        on; None when it came on a channel shared by all (a pipe, a GET stream)."""

    def answered(self, message: bytes, stream: int) -> None:
        """As `received` and then `ended`, in one: this message was all there was on that reply stream."""

    def arriving(self, start: bytes, source: Source, stream: int) -> Pipe | None:
        """A message beyond `LARGE` on that reply stream, as soon as its beginning is there. Where this returns a pipe,
        `start` has been taken and what follows goes into the pipe, which is told of the end; a client slower than
        the server holds up `source`. None: collect it whole, within `Context.buffers`, and let it be `received`."""

    def paused(self, stream: int) -> None:
        """The server closed the reply stream of that message and wants to be polled for the rest (specification
        2025-11-25, "Sending Messages to the Server"). The connection polls; clients may be let go meanwhile, too."""

    def ended(self, stream: int, problem: str) -> None:
        """The reply stream of that message is over. If it carried no answer there will be none; `problem` says
        why in words for people (empty when the stream simply ended)."""

    def closed(self, problem: str) -> None:
        """The whole connection is gone and delivers nothing more: the process exited, the session was
        terminated. Called at most once, and not after `Connection.close`."""


class Connection(Protocol):
    """An open way to an endpoint."""

    @property
    def duplex(self) -> bool:
        """True when all messages share one channel each way (stdio, WebSocket); False when each message sent
        has a reply stream of its own (Streamable HTTP). May become True with the first message that is answered,
        where only that tells what the server speaks; what was sent before then counts as sent that way."""

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        """Send one message. `headers` are the HTTP fields the protocol asks for; a transport without header
        fields ignores them; a mapping that was given once is never changed. `stream` is a number the caller chose,
        unique on this connection.

        Never blocks. Failures are reported by `Inbox.ended` or `Inbox.closed`, later, never from within the call.
        """

    def abandon(self, stream: int) -> None:
        """Stop reading the reply stream of that message and close it. Nothing to do on a duplex connection."""

    def listen(self, headers: Mapping[str, str]) -> None:
        """Open the stream on which the server speaks unasked (the GET of Streamable HTTP up to 2025-11-25) and
        keep it open. A server that offers none is fine. Nothing to do on a duplex connection."""

    async def close(self) -> None:
        """End the connection and wait until everything of it is gone, child processes included. Idempotent."""


class Connector(Protocol):
    """Reaches one endpoint: opens connections to it on demand. One connector serves one replica."""

    @property
    def target(self) -> str:
        """The endpoint in words for people and logs (a command line, a URL); without secrets."""

    async def connect(self, inbox: Inbox) -> Connection:
        """Open a new connection. For a child process: start one.

        Raises `ConnectFailed` with a reason the user can act on. The kernel bounds the time it takes by
        cancelling; a cancelled connect leaves nothing behind.
        """
