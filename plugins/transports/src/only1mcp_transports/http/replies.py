"""The answer to one POST: a JSON body, an event stream, or a refusal. An event stream that breaks off is resumed.

MCP 2025-11-25, "Transports", Streamable HTTP. Messages are handed on as they are; the only look inside one tells
whether it is the answer that ends its stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import aiohttp

from only1mcp_transports.http.problems import BROKEN, redirected, refused, status_line, unreachable
from only1mcp_transports.http.sse import Events, EventTooLarge

if TYPE_CHECKING:
    from only1mcp_transports.http.connection import HttpConnection

ATTEMPTS = 3
"""Attempts in a row to resume a stream that bring nothing new."""
DEFAULT_RETRY = 1.0
"""Seconds before a stream is resumed when the server names no time."""
MIN_RETRY, MAX_RETRY = 0.05, 30.0
_STRANGE = (400, 404, 405)
"""How a server refuses what it does not know: the beginning of another transport, it may be."""
_LINGER = 1.0
"""Seconds a stream gets to end after its answer; one that ended leaves its TCP connection for the next request."""
_MAX_REFUSAL = 1 << 20
_BRIEF = 5.0


class Reply:
    """Fetches one answer. `fetch` returns why there is none, or nothing when the stream simply ended."""

    def __init__(self, connection: HttpConnection, stream: int, headers: Mapping[str, str]) -> None:
        self._connection = connection
        self._stream = stream
        self._headers = headers
        self._answered = False
        self.misunderstood = False
        """The POST was refused as by somebody who does not know what it is."""

    async def fetch(self, message: bytes, on_head: asyncio.Event | None) -> str:
        events = Events(self._connection.limit)
        try:
            async with self._connection.request("POST", self._headers, message) as response:
                if on_head is not None:
                    on_head.set()
                if not is_event_stream(response):
                    return await self._single(response)
                problem = await self._read(response, events)
        except EventTooLarge:
            return self._too_large()
        except BROKEN as error:
            return unreachable(self._connection.url, error)
        return await self._resume(events, problem)

    # -- one message, or none

    async def _single(self, response: aiohttp.ClientResponse) -> str:
        url = self._connection.url
        if 300 <= response.status < 400:
            return redirected(url, response.status, response.headers.get("Location", ""))
        if response.status in (202, 204):
            return ""
        if response.status >= 400:
            return await self._refusal(response)
        if response.content_type != "application/json":
            if not await brief_body(response):
                return ""
            return (
                f"{refused(url, response, b'')} is {response.content_type}, neither JSON nor an event stream; "
                "is the url that of an MCP endpoint?"
            )
        body = await _read_body(response, self._connection.limit)
        if len(body) > self._connection.limit:
            return self._too_large()
        if body.strip():
            self._connection.received(body, self._stream)
        return ""

    async def _refusal(self, response: aiohttp.ClientResponse) -> str:
        body = await brief_body(response)
        is_json = response.content_type == "application/json" and len(body) <= _MAX_REFUSAL
        if is_json and "jsonrpc" in _members(body):
            self._connection.received(body, self._stream)
            return status_line(response)
        self.misunderstood = response.status in _STRANGE and not self._connection.has_session
        return refused(self._connection.url, response, body)

    def _too_large(self) -> str:
        return f"the server sent a message of more than {self._connection.limit} bytes (max_message_bytes)"

    # -- many messages

    async def _read(self, response: aiohttp.ClientResponse, events: Events) -> str:
        """Hand on what the stream brings. Returns how it broke, if it did."""
        try:
            while True:
                async with asyncio.timeout(_LINGER if self._answered else None):
                    chunk = await response.content.readany()
                if not chunk:
                    return ""
                for event in events.feed(chunk):
                    if event.data and event.type in (b"", b"message"):
                        self._answered = self._answered or is_answer(event.data)
                        self._connection.received(event.data, self._stream)
        except BROKEN as error:
            return unreachable(self._connection.url, error)

    async def _resume(self, events: Events, problem: str) -> str:
        attempts = 0
        if not self._answered and not problem and events.last_id and self._connection.has_session:
            self._connection.paused(self._stream)
        while not self._answered:
            if not events.last_id or not self._connection.has_session:
                return problem
            if attempts == ATTEMPTS:
                return (
                    problem or f"the answer's stream ended early, and {ATTEMPTS} attempts to resume it failed"
                )
            attempts += 1
            await asyncio.sleep(retry_delay(events))
            known = events.last_id
            events = Events(self._connection.limit, known, events.retry)
            try:
                async with self._connection.request("GET", self._headers, last_id=known) as response:
                    if not is_event_stream(response):
                        if response.status == 404:
                            self._connection.end_session()
                        if response.status < 500:
                            return (
                                problem
                                or f"the answer's stream ended early: {status_line(response)} on resuming"
                            )
                        continue
                    problem = await self._read(response, events)
            except EventTooLarge:
                return self._too_large()
            except BROKEN as error:
                problem = unreachable(self._connection.url, error)
            if events.last_id != known:
                attempts = 0
        return ""


def retry_delay(events: Events) -> float:
    """Seconds to wait before opening a stream again, as the server asked."""
    asked = DEFAULT_RETRY if events.retry is None else events.retry / 1000
    return min(max(asked, MIN_RETRY), MAX_RETRY)


def is_answer(message: bytes) -> bool:
    """Whether a JSON-RPC message is a response. Most are told by words that they do not contain."""
    if b'"result"' not in message and b'"error"' not in message:
        return False
    if b'"method"' not in message:
        return True
    members = _members(message)
    return "method" not in members and ("result" in members or "error" in members)


def is_event_stream(response: aiohttp.ClientResponse) -> bool:
    return 200 <= response.status < 300 and response.content_type == "text/event-stream"


async def brief_body(response: aiohttp.ClientResponse) -> bytes:
    """The body of an answer whose head says enough: what comes of it without waiting long."""
    with contextlib.suppress(*BROKEN):
        async with asyncio.timeout(_BRIEF):
            return await _read_body(response, _MAX_REFUSAL)
    return b""


async def _read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or a little more than `limit` bytes of it. Raises one of `BROKEN`."""
    chunks = []
    size = 0
    while size <= limit and (chunk := await response.content.readany()):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _members(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
