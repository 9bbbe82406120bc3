"""The raw client over Streamable HTTP, in both eras."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec

from tests.scenarios.raw import LEGACY, MODERN, NAMED_BY, Answer, Era, Peer, decode


class HttpStatus(Exception):
    """The endpoint refused at the level of HTTP."""

    def __init__(self, status: int, body: bytes, challenge: str = "") -> None:
        super().__init__(f"HTTP {status}: {body[:500]!r}")
        self.status = status
        self.body = body
        self.challenge = challenge


class HttpPeer(Peer):
    """One client of an MCP endpoint. A legacy one also holds the GET stream, if `listen` was called."""

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
        self.session = ""
        self._http: aiohttp.ClientSession | None = None
        self._listener: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=60), connector=aiohttp.TCPConnector(limit=0)
        )

    async def close(self) -> None:
        if self._http is None:
            return
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
                await self._listener
        if self.session:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await self._http.delete(self.url, headers=self._headers({}))
        await self._http.close()
        self._http = None

    async def listen(self) -> None:
        """Hold the legacy GET stream, on which notifications without a request arrive."""
        self._listener = asyncio.create_task(self._hold_stream())
        await asyncio.sleep(0.05)

    async def exchange_text(self, text: bytes, message: dict[str, Any]) -> bytes:
        http = self._connected()
        headers = {**self._headers(message), "Content-Type": "application/json"}
        async with http.post(self.url, data=text, headers=headers) as response:
            if "application/json" in response.headers.get("Content-Type", ""):
                body = await response.read()
                unknown_session = response.status == 404 and self.session
                if response.status in (401, 403) or unknown_session or (response.status >= 400 and not body):
                    raise HttpStatus(response.status, body, response.headers.get("WWW-Authenticate", ""))
            elif response.status == 200:
                body = await self._answer_in(response, message["id"])
            else:
                raise HttpStatus(response.status, await response.read())
            if message["method"] == "initialize":
                self.session = response.headers.get("Mcp-Session-Id", "")
            return body

    async def send(self, message: dict[str, Any]) -> None:
        http = self._connected()
        headers = {**self._headers(message), "Content-Type": "application/json"}
        async with http.post(self.url, data=msgspec.json.encode(message), headers=headers) as response:
            if response.status >= 400:
                raise HttpStatus(response.status, await response.read())

    def _connected(self) -> aiohttp.ClientSession:
        assert self._http is not None, "use opened(peer)"
        return self._http

    def _headers(self, message: dict[str, Any]) -> dict[str, str]:
        headers = {"Accept": "application/json, text/event-stream", **self.headers}
        if self.era == "modern":
            method = message["method"]
            headers |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
            if method in NAMED_BY:
                headers["Mcp-Name"] = message["params"][NAMED_BY[method]]
        elif self.session:
            headers |= {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": self.session}
        return headers

    async def _answer_in(self, response: aiohttp.ClientResponse, wanted: Any) -> bytes:
        async for event in events(response):
            message = decode(event)
            if "method" not in message and message.get("id") == wanted:
                return event
            await self._take(event, message)
        raise HttpStatus(response.status, b"the stream ended without an answer")

    async def _take(self, raw: bytes, message: dict[str, Any]) -> None:
        if "id" in message:
            self.heard(raw)
            await self.send(self.answer(message))
        else:
            self.noted(raw, message)

    async def _hold_stream(self) -> None:
        headers = {**self._headers({}), "Accept": "text/event-stream"}
        forever = aiohttp.ClientTimeout(total=None)
        async with self._connected().get(self.url, headers=headers, timeout=forever) as response:
            if response.status != 200:
                raise HttpStatus(response.status, await response.read())
            async for event in events(response):
                await self._take(event, decode(event))


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The data of each server-sent event that has any."""
    data: list[bytes] = []
    async for chunk in lines(response):
        if chunk.startswith(b"data:"):
            data.append(chunk[5:].removeprefix(b" "))
        elif not chunk:
            text = b"\n".join(data)
            data = []
            if text:
                yield text


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of any length (aiohttp's own reader limits them)."""
    rest = b""
    async for chunk in response.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r")
