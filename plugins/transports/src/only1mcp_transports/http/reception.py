"""What every request passes that aiohttp has read, whichever transport it belongs to: who may ask, and how much.

What comes after is in `serving` (Streamable HTTP) and `sse.serving` (HTTP+SSE).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import web

from only1mcp_sdk import LARGE, AccessDenied
from only1mcp_transports.http import checks
from only1mcp_transports.http.answer import PendingAnswer
from only1mcp_transports.http.checks import Refused
from only1mcp_transports.http.entrance import Entrance
from only1mcp_transports.http.fast.response import SERVER, STREAM

_UNAUTHORIZED = -32001

Fields: TypeAlias = Mapping[str, str]
Inside: TypeAlias = Callable[[Fields, Fields], Awaitable[web.StreamResponse]]
"""Answers a request that may come in, given its header fields by lower-case name, and those of CORS for the answer."""


async def admit(
    entrance: Entrance, request: web.BaseRequest, profile: str, inside: Inside
) -> web.StreamResponse:
    """The answer of `inside`, or a refusal, which `inside` may raise as well."""
    cors: Fields = {}
    headers: dict[str, str] = {}
    try:
        headers = checks.fold(request.headers.items())
        headers.pop("content-length", None)  # of use to whoever reads the body only
        cors = checks.cors_headers(headers, entrance.rules)
        checks.check_host(headers, entrance.rules)
        if request.method != "OPTIONS":
            checks.check_origin(headers, entrance.rules)
        if not entrance.gate.has_profile(profile):
            raise Refused(404, f"Not Found: there is no profile {profile!r}")
        if request.method == "OPTIONS":
            allowed = checks.preflight_headers(headers, entrance.rules)
            return web.Response(status=204, headers={**allowed, "Server": SERVER})
        return await inside(headers, cors)
    except Refused as refused:
        response = whole(refused.body, refused.status, refused.headers, cors)
        if request.can_read_body or "upgrade" in headers:
            # The rest is not worth reading, so the next request can't be found.
            response.force_close()
        return response


def asked_context(request: web.BaseRequest) -> str:
    """How the URL asks for tools to be shown."""
    return request.rel_url.query.get("context", "")


async def stream(
    entrance: Entrance, request: web.BaseRequest, answer: PendingAnswer, cors: Fields
) -> web.StreamResponse:
    """The answer as an event stream: its head at once, then whatever comes, to the end."""
    answer.streaming = True
    response = web.StreamResponse(headers={**STREAM, **cors, "Server": SERVER})
    await response.prepare(request)
    while chunk := await answer.next(entrance.config.keepalive):
        await response.write(chunk)
    return response


async def read(entrance: Entrance, request: web.BaseRequest, headers: Fields) -> bytes:
    """The body. Raises `Refused` as soon as it is known to be too large; the rest is not read."""
    limit = entrance.gate.message_limit
    if (request.content_length or 0) > limit:
        raise _too_large(entrance)
    if request.version < (1, 0):
        raise Refused(400, "Bad Request: no HTTP version")
    coding = headers.get("transfer-encoding")
    if coding is not None and request.version < (1, 1):  # whoever passed it on may have read it otherwise
        raise Refused(400, "Bad Request: HTTP/1.0 has no Transfer-Encoding")
    if coding is not None and coding.lower() != "chunked":  # aiohttp would leave the others coded
        raise Refused(501, "Not Implemented: chunked is the one Transfer-Encoding there is")
    if headers.get("expect", "").lower() == "100-continue" and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # that was no part of the answer
    patience = entrance.config.body_timeout
    chunks: list[bytes] = []
    size = held = 0
    try:
        async with asyncio.timeout(patience):
            while chunk := await request.content.readany():
                size += len(chunk)
                if size > limit:
                    raise _too_large(entrance)
                if size - held > LARGE:
                    _hold(entrance, size - held)
                    held = size
                chunks.append(chunk)
    except TimeoutError:
        raise Refused(408, f"Request Timeout: no whole body within {patience:g} s") from None
    except web.RequestPayloadError:
        raise Refused(400, "Bad Request: the body can't be decoded") from None
    finally:
        entrance.buffers.give(held)
    return b"".join(chunks)


def _hold(entrance: Entrance, count: int) -> None:
    if not entrance.buffers.take(count):
        message = "Service Unavailable: too much is being sent at once; try again in a moment"
        raise Refused(503, headers={"Retry-After": "1"}, body=checks.error_body(message, -32000))


def _too_large(entrance: Entrance) -> Refused:
    return Refused(413, body=entrance.gate.too_large())


def new_answer(entrance: Entrance, request: web.BaseRequest) -> PendingAnswer:
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    return PendingAnswer(entrance.config.buffer_bytes, transport.abort, request.protocol)


def fault(entrance: Entrance, request: web.BaseRequest) -> Refused:
    """For an exception of the gate, which should raise none."""
    entrance.log.exception("a %s request failed", request.method)
    return Refused(500, body=checks.error_body("Internal error", -32603))


def whole(body: bytes, status: int, headers: Fields, cors: Fields) -> web.StreamResponse:
    kind = {"Content-Type": checks.JSON} if body else {}
    return web.Response(
        body=body or None, status=status, headers={**headers, **cors, **kind, "Server": SERVER}
    )


def unauthorized(denied: AccessDenied) -> Refused:
    """How a client hears that it may not come in."""
    challenge = {"WWW-Authenticate": denied.challenge} if denied.challenge else {}
    return Refused(401, headers=challenge, body=checks.error_body(str(denied), _UNAUTHORIZED))
