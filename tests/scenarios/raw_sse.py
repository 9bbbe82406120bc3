"""The raw client over HTTP+SSE, the transport of revision 2024-11-05, in both eras."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import aiohttp
import msgspec

from tests.scenarios.raw import Answer, Era, Peer, decode
from tests.scenarios.raw_http import HttpStatus, lines


class SsePeer(Peer):
    """The client of the URL of an event stream."""

    def __init__(
        self,
        url: str,
        era: Era,
        answers: Mapping[str, Answer] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(era, answers)
        self.url = url
        self.headers = dict(headers or {})
        self._http: aiohttp.ClientSession | None = None
        self._waiting: dict[Any, asyncio.Future[bytes]] = {}
        self._target: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        self._reader = asyncio.create_task(self._read(self._http))
        async with asyncio.timeout(30):
            await asyncio.shield(self._target)

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, HttpStatus, aiohttp.ClientError):
                await self._reader
        if self._http is not None:
            await self._http.close()

    async def exchange_text(self, text: bytes, message: dict[str, Any]) -> bytes:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[message["id"]] = future
        await self._post(text)
        return await asyncio.wait_for(future, 60)

    async def send(self, message: dict[str, Any]) -> None:
        await self._post(msgspec.json.encode(message))

    async def _post(self, text: bytes) -> None:
        assert self._http is not None, "use opened(peer)"
        headers = {**self.headers, "Content-Type": "application/json"}
        async with self._http.post(await self._target, data=text, headers=headers) as response:
            if response.status != 202:
                raise HttpStatus(response.status, await response.read())

    async def _read(self, http: aiohttp.ClientSession) -> None:
        try:
            headers = {**self.headers, "Accept": "text/event-stream"}
            async with http.get(self.url, headers=headers) as response:
                if response.status != 200:
                    raise HttpStatus(response.status, await response.read())
                kind, data = b"", b""
                async for line in lines(response):
                    name, _, value = line.partition(b": ")
                    if name == b"event":
                        kind = value
                    elif name == b"data":
                        assert not data, "an event of several lines"
                        data = value
                    elif not line and data:
                        await self._event(kind, data)
                        kind, data = b"", b""
            raise ConnectionError("the stream ended")
        except Exception as error:
            if not self._target.done():
                self._target.set_exception(error)
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)
            raise

    async def _event(self, kind: bytes, data: bytes) -> None:
        if kind == b"endpoint":
            self._target.set_result(urljoin(self.url, data.decode()))
            return
        assert kind == b"message", kind
        message = decode(data)
        if "method" not in message:
            future = self._waiting.pop(message.get("id"), None)
            if future is not None and not future.done():
                future.set_result(data)
        elif "id" in message:
            await self.send(self.answer(message))
        else:
            self.noted(data, message)
