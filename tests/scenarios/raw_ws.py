"""The raw client over a WebSocket, in both eras."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from tests.scenarios.raw import Answer, Era, Peer, decode


class WsPeer(Peer):
    """The client of a URL that starts with `ws:`; an `http:` one is taken for it."""

    def __init__(
        self,
        url: str,
        era: Era,
        answers: Mapping[str, Answer] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(era, answers)
        self.url = url.replace("http://", "ws://")
        self.headers = dict(headers or {})
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._waiting: dict[Any, asyncio.Future[bytes]] = {}
        self._reader: asyncio.Task[None] | None = None

    @property
    def close_code(self) -> int | None:
        """With what the WebSocket was closed."""
        return self._socket.close_code if self._socket is not None else None

    async def open(self) -> None:
        self._http = aiohttp.ClientSession()
        try:
            self._socket = await self._http.ws_connect(
                self.url, protocols=("mcp",), headers=self.headers, max_msg_size=1 << 26
            )
        except aiohttp.ClientError:
            await self._http.close()
            raise
        self._reader = asyncio.create_task(self._read(self._socket))

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader
        if self._http is not None:
            await self._http.close()

    async def exchange_text(self, text: bytes, message: dict[str, Any]) -> bytes:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[message["id"]] = future
        await self._write(text)
        return await asyncio.wait_for(future, 60)

    async def send(self, message: dict[str, Any]) -> None:
        await self._write(msgspec.json.encode(message))

    async def _write(self, text: bytes) -> None:
        assert self._socket is not None, "use opened(peer)"
        await self._socket.send_str(text.decode())

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            assert frame.type is aiohttp.WSMsgType.TEXT, f"{frame.type.name} is no text frame"
            text = frame.data.encode()
            message = decode(text)
            if "method" not in message:
                future = self._waiting.pop(message.get("id"), None)
                if future is not None and not future.done():
                    future.set_result(text)
            elif "id" in message:
                with contextlib.suppress(ConnectionError):  # it asked, and left
                    await self.send(self.answer(message))
            else:
                self.noted(text, message)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError(f"the WebSocket was closed with {socket.close_code}"))
