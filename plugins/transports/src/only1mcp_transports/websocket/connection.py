"""One connection of the `websocket` connector. Implements `only1mcp_sdk.Connection`.

Two tasks: one reads, one writes what waits. Whichever way it ends, the inbox is told once, unless `close` asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import aiohttp
from aiohttp import WSCloseCode, WSMsgType

from only1mcp_sdk import Context, Inbox
from only1mcp_transports.http.problems import host, printable
from only1mcp_transports.websocket.config import ConnectorConfig
from only1mcp_transports.websocket.outbox import Outbox

FAREWELL = 2.0
"""Seconds the server gets to take what was sent before the end, and to confirm the end."""
MAX_UNREAD = 64 << 20
"""Bytes a server may leave unread before it counts as stuck."""


class WebSocketConnection:
    """An open WebSocket."""

    duplex = True

    def __init__(
        self,
        inbox: Inbox,
        config: ConnectorConfig,
        context: Context,
        pool: aiohttp.ClientSession,
        socket: aiohttp.ClientWebSocketResponse,
        cut: Callable[[], None],
        siblings: set[WebSocketConnection],
    ) -> None:
        self._inbox = inbox
        self._config = config
        self._context = context
        self._pool = pool
        self._socket = socket
        self._cut = cut
        self._siblings = siblings
        self._outbox = Outbox(MAX_UNREAD, self._stuck)
        self._problem = ""
        self._over = False
        self._closing: asyncio.Task[None] | None = None
        self._talking = context.spawn(self._talk(), name="WebSocket conversation")

    # -- only1mcp_sdk.Connection

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        if not self._over:
            self._outbox.put(message)

    def abandon(self, stream: int) -> None:
        """Nothing to do: all messages share one channel."""

    def listen(self, headers: Mapping[str, str]) -> None:
        """Nothing to do: the channel is always open."""

    async def close(self) -> None:
        self._over = True
        if self._closing is None:
            self._closing = self._context.spawn(self._shut(), name="closing the WebSocket")
        await asyncio.shield(self._closing)

    # -- at work

    async def _talk(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._outbox.deliver(self._socket))
                problem = await self._read()
                if not self._outbox.closing:
                    writing.cancel()
        finally:
            self._outbox.shut()
            self._cut()
            await self._pool.close()
            self._siblings.discard(self)
        if not self._over:
            self._over = True
            self._inbox.closed(self._problem or f"{host(self._config.url)} {problem}")

    async def _read(self) -> str:
        """Returns how it ended, as what the server did."""
        while True:
            message = await self._socket.receive()
            match message.type:
                case WSMsgType.TEXT:
                    if not self._over:
                        self._inbox.received(message.data.encode(), None)
                case WSMsgType.PING:
                    self._outbox.pong(message.data)
                case WSMsgType.PONG:
                    continue
                case WSMsgType.BINARY:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(FAREWELL):
                            await self._socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
                    return "sent a binary frame; messages of MCP come in text frames"
                case WSMsgType.CLOSE:
                    reason = printable(message.extra or "")
                    return f"closed the WebSocket with code {message.data}" + (
                        f": {reason}" if reason else ""
                    )
                case WSMsgType.ERROR:
                    return self._fault(message.data)
                case _:
                    return "ended the connection without closing the WebSocket"

    def _fault(self, error: object) -> str:
        match error:
            case aiohttp.WebSocketError(code=WSCloseCode.MESSAGE_TOO_BIG):
                return (
                    f"sent a message of more than {self._config.max_message_bytes} bytes (max_message_bytes)"
                )
            case aiohttp.WebSocketError(code=WSCloseCode.INVALID_TEXT):
                return "sent text that is no UTF-8"
            case aiohttp.WebSocketError():
                return f"broke the WebSocket protocol: {printable(str(error))}"
            case TimeoutError():
                return f"did not answer a ping within {self._config.keepalive / 2:g} s (keepalive)"
        return f"broke the connection: {printable(f'{type(error).__name__} {error}')}"

    def _stuck(self) -> None:
        self._problem = f"{host(self._config.url)} left more than {MAX_UNREAD >> 20} MiB unread"
        self._context.logger.debug("%s", self._problem)
        asyncio.get_running_loop().call_soon(self._cut)

    async def _shut(self) -> None:
        """Let what waits go out and say goodbye, for a moment; then cut."""
        self._outbox.goodbye(WSCloseCode.OK)
        await asyncio.wait([self._talking], timeout=FAREWELL)
        self._talking.cancel()
        await asyncio.gather(self._talking, return_exceptions=True)
