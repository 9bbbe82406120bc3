"""The two ways of HTTP+SSE at a server: an event stream from it, and the URL it names there for POSTs to it.

MCP 2024-11-05, "Transports", HTTP with SSE. The stream's first event, `endpoint`, says where messages go. It must be
of the same origin as the stream: they carry the configured credentials.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from only1mcp_transports.http.aiohttp_problems import BROKEN, unreachable
from only1mcp_transports.http.problems import host, origin, printable, redirected, refused
from only1mcp_transports.http.refusal import BRIEF
from only1mcp_transports.http.sse import Event, Events, EventTooLarge
from only1mcp_transports.sse.server import NoPair, Server

_REFERENCE = re.compile(r"[\x21-\x7e]{1,8000}")
_MAX_REFUSAL = 1 << 20


async def open_pair(server: Server) -> Pair:
    """Open the stream and wait for its `endpoint`. Raises `NoPair`. Not bounded in time; may be cancelled."""
    try:
        stream = URL(server.url).with_user(None).with_fragment(None)
        response = await server.request("GET", stream, {"Accept": "text/event-stream"})
    except BROKEN as error:
        raise NoPair(unreachable(server.url, error)) from None
    try:
        return await _opened(server, response)
    except BROKEN as error:
        response.close()
        raise NoPair(unreachable(server.url, error)) from None
    except EventTooLarge:
        response.close()
        raise NoPair(server.too_large()) from None
    except BaseException:
        response.close()
        raise


async def _opened(server: Server, response: aiohttp.ClientResponse) -> Pair:
    if 300 <= response.status < 400:
        raise NoPair(redirected(server.url, response.status, response.headers.get("Location", "")))
    if not _is_event_stream(response):
        problem = refused(server.url, response, await _brief_body(response))
        if response.status < 300:
            problem += f" is {response.content_type}, no event stream"
        raise NoPair(problem)
    events = Events(server.limit)
    while chunk := await response.content.readany():
        came = list(events.feed(chunk))
        for number, event in enumerate(came):
            if event.type == b"endpoint":
                return Pair(server, response, events, came[number + 1 :], _target(server, event.data))
    raise NoPair(f"{host(server.url)} ended the event stream before it said where messages go")


def _target(server: Server, reference: bytes) -> URL:
    """Where an `endpoint` event leads. Raises `NoPair`."""
    said = reference.decode("utf-8", "replace")
    try:
        if not _REFERENCE.fullmatch(said):
            raise ValueError
        target = urljoin(server.url, said)
        same = origin(target) == origin(server.url) and urlsplit(target).scheme in ("http", "https")
        url = URL(target, encoded=True).with_user(None).with_fragment(None)
    except ValueError:
        raise NoPair(f"{host(server.url)} named an endpoint that is no URL: {printable(said)}") from None
    if not same:
        raise NoPair(
            f"{host(server.url)} named an endpoint elsewhere, which would get the credentials: {printable(said)}"
        )
    return url


class Pair:
    """An open stream, and where messages go. Whoever has it calls `read` once; that closes it."""

    def __init__(
        self,
        server: Server,
        response: aiohttp.ClientResponse,
        events: Events,
        early: list[Event],
        target: URL,
    ) -> None:
        self._server = server
        self._response = response
        self._events = events
        self._early = early
        self._target = target

    async def read(self, received: Callable[[bytes], None]) -> str:
        """Hand on what the server says until the stream ends. Returns how it did, in words for people."""
        url = self._server.url
        try:
            _hand_on(self._early, received)
            while chunk := await self._response.content.readany():
                _hand_on(self._events.feed(chunk), received)
        except EventTooLarge:
            return self._server.too_large()
        except BROKEN as error:
            return unreachable(url, error)
        finally:
            self.close()
        return f"{host(url)} ended the event stream"

    async def post(self, message: bytes, headers: Mapping[str, str]) -> str:
        """Send a message. Returns why it was not accepted; nothing when it was."""
        url = self._server.url
        fields = {"Accept": "*/*", **headers, "Content-Type": "application/json"}
        try:
            response = await self._server.request("POST", self._target, fields, message)
        except BROKEN as error:
            return unreachable(url, error)
        try:
            # Read to its end, the TCP connection serves the next message as well.
            body = await _brief_body(response)
            if response.status < 300:
                return ""  # whatever it says: the answer comes on the stream
            if response.status < 400:
                return redirected(url, response.status, response.headers.get("Location", ""))
            return refused(url, response, body)
        finally:
            response.close()

    def close(self) -> None:
        self._response.close()


def _hand_on(events: Iterable[Event], received: Callable[[bytes], None]) -> None:
    for event in events:
        if event.data and event.type in (b"", b"message"):
            received(event.data)


def _is_event_stream(response: aiohttp.ClientResponse) -> bool:
    return 200 <= response.status < 300 and response.content_type == "text/event-stream"


async def _brief_body(response: aiohttp.ClientResponse) -> bytes:
    """The body of an answer whose head says enough: what comes of it without waiting long."""
    body = bytearray()
    with contextlib.suppress(*BROKEN):
        async with asyncio.timeout(BRIEF):
            while len(body) <= _MAX_REFUSAL and (chunk := await response.content.readany()):
                body += chunk
    return bytes(body)
