"""What is on its way out through a WebSocket, at either end of one. Knows aiohttp's sockets by what they can do."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Protocol

from aiohttp import WSMsgType


class Sending(Protocol):
    """What aiohttp's two WebSocket classes have in common."""

    async def send_frame(self, message: bytes, opcode: WSMsgType) -> None: ...

    async def pong(self, message: bytes) -> None: ...

    async def close(self, *, code: int, message: bytes) -> bool: ...


class Outbox:
    """Messages for a peer that reads at its own pace: bounded in bytes.

    `overflowed` is called, once, when a message finds others waiting and exceeds the bound together with them. A single
    one may be of any size.
    """

    def __init__(self, limit: int, overflowed: Callable[[], None]) -> None:
        self.closing = False
        """It has said goodbye and waits for the peer's: leave it to that."""
        self._limit = limit
        self._overflowed = overflowed
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._pong: bytes | None = None
        self._goodbye: tuple[int, bytes] | None = None
        self._shut = False
        self._something = asyncio.Event()

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    def put(self, message: bytes) -> None:
        """One message, soon. Ignored after `shut`."""
        if self._shut:
            return
        if self._waiting and self._size + len(message) > self._limit:
            self.shut()
            self._overflowed()
            return
        self._waiting.append(message)
        self._size += len(message)
        self._something.set()

    def pong(self, payload: bytes) -> None:
        """Answer a ping, or the last of several (RFC 6455, section 5.5.3)."""
        self._pong = payload
        self._something.set()

    def goodbye(self, code: int, reason: bytes = b"") -> None:
        """Close when all that waits is sent."""
        self._goodbye = code, reason
        self._something.set()

    def shut(self) -> None:
        """Take no more, and forget what waits."""
        self._shut = True
        self._waiting.clear()
        self._size = 0

    async def deliver(self, socket: Sending) -> None:
        """Send what comes, until `goodbye` or until the peer is gone."""
        with contextlib.suppress(ConnectionError):
            while True:
                await self._something.wait()
                self._something.clear()
                await self._send(socket)
                if self._goodbye is not None:
                    code, reason = self._goodbye
                    self.closing = True
                    await socket.close(code=code, message=reason)
                    return

    async def _send(self, socket: Sending) -> None:
        while self._waiting or self._pong is not None:
            if self._pong is not None:
                payload, self._pong = self._pong, None
                await socket.pong(payload)
            if self._waiting:
                message = self._waiting.popleft()
                self._size -= len(message)
                await socket.send_frame(as_text(message), WSMsgType.TEXT)


def as_text(message: bytes) -> bytes:
    """The message as UTF-8, which a text frame must be, lest the peer ends the connection (section 8.1)."""
    try:
        message.decode()
    except UnicodeDecodeError:
        return message.decode(errors="replace").encode()
    return message
