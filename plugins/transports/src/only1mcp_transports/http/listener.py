"""Clients over Streamable HTTP: requests in, answers out. What they say, and what a session is, the gate knows.

Those that ask for a WebSocket get one, after the same checks: see `websocket.serving`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from only1mcp_sdk import Arrival, Context, Gate
from only1mcp_transports.http import checks
from only1mcp_transports.http.answer import PendingAnswer
from only1mcp_transports.http.checks import Refused
from only1mcp_transports.http.config import ListenerConfig
from only1mcp_transports.http.server import BoundServer, Route, open_server
from only1mcp_transports.websocket.serving import converse

PROMPT = 1.0
"""Seconds within which an answer comes at once; one that takes longer may begin as a stream."""
BODY_SECONDS = 60.0
"""How long a client may take to send a request's body."""
_WILDCARDS = ("0.0.0.0", "::")
"""Every address of the machine, and the address of none."""
_STREAM = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would collect the events
}


class HttpListener:
    """One path at one port. Implements `Listener`, and `Owner` of its path at the server."""

    def __init__(self, config: ListenerConfig, context: Context, server: BoundServer) -> None:
        self._config = config
        self._log = context.logger
        self._server = server
        self._path = "" if config.path == "/" else config.path
        self._host = f"[{config.host}]" if ":" in config.host else config.host
        hosts = set(config.allowed_hosts)
        if (hosts or server.loopback) and config.host not in _WILDCARDS:
            hosts.add(self._host.lower())  # whoever follows `address` is served
        self._rules = checks.Rules(server.loopback, frozenset(hosts), frozenset(config.allowed_origins))
        self._gate: Gate

    @property
    def address(self) -> str:
        return f"http://{self._host}:{self._server.port}{self._config.path}"

    @property
    def exposed(self) -> bool:
        return not self._server.loopback

    def attach(self, gate: Gate) -> None:
        self._gate = gate
        self._server.attach(self._path, self)

    async def drain(self, seconds: float) -> None:
        await self._server.drain(self._path, self, seconds)

    def close(self) -> None:
        self._server.detach(self._path, self)

    # -- one request

    async def serve(self, request: web.BaseRequest, route: Route, profile: str) -> web.StreamResponse:
        cors: Mapping[str, str] = {}
        headers: Mapping[str, str] = {}
        try:
            headers = checks.fold(request.headers.items())
            cors = checks.cors_headers(headers, self._rules)
            checks.check_host(headers, self._rules)
            if request.method != "OPTIONS":
                checks.check_origin(headers, self._rules)
            if not self._gate.has_profile(profile):
                raise Refused(404, f"Not Found: there is no profile {profile!r}")
            if request.method == "OPTIONS":
                return web.Response(status=204, headers=checks.preflight_headers(headers, self._rules))
            if checks.wants_websocket(request.method, headers):
                return await self._converse(request, route, profile, headers)
            checks.check_request(request.method, headers)
            arrival = Arrival("http", profile, headers, request.remote or "")
            if request.method == "GET":
                return await self._get(request, route, arrival, cors)
            with route.posting():
                return await self._post_or_delete(request, route, arrival, cors)
        except Refused as refused:
            response = _whole(refused.body, refused.status, refused.headers, cors)
            if request.can_read_body or "upgrade" in headers:
                # The rest is not worth reading, so the next request can't be found.
                response.force_close()
            return response

    async def _post_or_delete(
        self, request: web.BaseRequest, route: Route, arrival: Arrival, cors: Mapping[str, str]
    ) -> web.StreamResponse:
        body = await self._read(request, arrival.headers)
        answer = self._new_answer(request)
        with route.answering(answer):
            try:
                if request.method == "POST":
                    answer.posting = self._gate.post(arrival, body, answer)
                else:
                    self._gate.end(arrival, answer)
            except Exception as error:
                raise self._fault(request) from error
            if not (answer.finished or answer.streaming):
                await answer.wait(min(PROMPT, self._config.keepalive))
            if not (answer.finished or answer.streaming or answer.gone):
                answer.take_time()
            if not (answer.finished or answer.streaming or answer.gone):
                await answer.wait(self._config.keepalive)
            if not answer.streaming:
                if answer.finished:
                    return _whole(answer.message, answer.status, answer.headers, cors)
                if answer.gone:
                    raise Refused(503, "Service Unavailable: the gateway is stopping")
                answer.keep_alive()
            return await self._stream(request, answer, cors)

    async def _get(
        self, request: web.BaseRequest, route: Route, arrival: Arrival, cors: Mapping[str, str]
    ) -> web.StreamResponse:
        answer = self._new_answer(request)
        with route.answering(answer):
            try:
                answer.posting = self._gate.stream(arrival, answer)
            except Exception as error:
                raise self._fault(request) from error
            if answer.finished and not answer.streaming:
                return _whole(answer.message, answer.status, answer.headers, cors)
            return await self._stream(request, answer, cors)

    async def _converse(
        self, request: web.BaseRequest, route: Route, profile: str, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        arrival = Arrival("websocket", profile, headers, request.remote or "")
        heartbeat = 2 * self._config.keepalive  # and a client has as long as `keepalive` to answer it
        return await converse(
            request, route, arrival, self._gate, self._config.buffer_bytes, heartbeat, self._log
        )

    async def _stream(
        self, request: web.BaseRequest, answer: PendingAnswer, cors: Mapping[str, str]
    ) -> web.StreamResponse:
        """The answer as an event stream: its head at once, then whatever comes, to the end."""
        answer.streaming = True
        response = web.StreamResponse(headers={**_STREAM, **cors})
        await response.prepare(request)
        while chunk := await answer.next(self._config.keepalive):
            await response.write(chunk)
        return response

    async def _read(self, request: web.BaseRequest, headers: Mapping[str, str]) -> bytes:
        """The body. Raises `Refused` as soon as it is known to be too large; the rest is not read."""
        limit = self._gate.message_limit
        if (request.content_length or 0) > limit:
            raise self._too_large()
        if headers.get("expect", "").lower() == "100-continue" and request.version >= (1, 1):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # that was no part of the answer
        chunks, size = [], 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while chunk := await request.content.readany():
                    size += len(chunk)
                    if size > limit:
                        raise self._too_large()
                    chunks.append(chunk)
        except TimeoutError:
            raise Refused(408, f"Request Timeout: no whole body within {BODY_SECONDS:.0f} s") from None
        except web.RequestPayloadError:
            raise Refused(400, "Bad Request: the body can't be decoded") from None
        return b"".join(chunks)

    def _too_large(self) -> Refused:
        return Refused(413, body=self._gate.too_large())

    def _new_answer(self, request: web.BaseRequest) -> PendingAnswer:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        return PendingAnswer(self._config.buffer_bytes, transport.abort)

    def _fault(self, request: web.BaseRequest) -> Refused:
        """For an exception of the gate, which should raise none."""
        self._log.exception("a %s request failed", request.method)
        return Refused(500, body=checks.error_body("Internal error", -32603))


def _whole(
    body: bytes, status: int, headers: Mapping[str, str], cors: Mapping[str, str]
) -> web.StreamResponse:
    kind = {"Content-Type": checks.JSON} if body else {}
    return web.Response(body=body or None, status=status, headers={**headers, **cors, **kind})


@asynccontextmanager
async def open_listener(config: ListenerConfig, context: Context) -> AsyncIterator[HttpListener]:
    """Bind the port, or take it over from the generation before. Raises `OpenFailed`. Clients are served from `attach`
    on."""
    key = ("http-listener", config.host, config.port)
    server = await context.shared(key, lambda: open_server(config.host, config.port))
    listener = HttpListener(config, context, server)
    try:
        yield listener
    finally:
        listener.close()
