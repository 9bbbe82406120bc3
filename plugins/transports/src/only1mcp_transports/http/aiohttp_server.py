"""aiohttp's server for one bound port, and what it asks of ours. Imported by `general`, never at start."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

import only1mcp_transports.http.serving  # (so that it all comes at once)
import only1mcp_transports.sse.serving  # noqa: F401
from only1mcp_transports.http.checks import error_body
from only1mcp_transports.http.fast.lane import KEEPALIVE_SECONDS
from only1mcp_transports.http.fast.response import SERVER
from only1mcp_transports.http.server import BoundServer

LINGER_SECONDS = 1.0
"""How long the rest of a refused body is read and dropped, so that the client gets to see the refusal."""


def make_server(bound: BoundServer) -> web.Server:
    """To be called on the event loop."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        route, profile = bound.find(request.raw_path)
        if bound.vacant or (route is not None and route.draining):
            response = _refusal(
                503, error_body("Service Unavailable: the gateway is starting or stopping", -32000)
            )
            response.force_close()
            return response
        if route is None:
            return _refusal(404, error_body("Not Found: no MCP endpoint has this path"))
        try:
            return await route.owner.serve(request, route, profile)
        except ConnectionError:  # the client left while it was being written to
            response = web.Response(status=499)
            response.force_close()
            return response

    return web.Server(
        handle,
        handler_cancellation=True,  # a client that leaves ends its request
        access_log=None,
        logger=_protocol_log(),
        keepalive_timeout=KEEPALIVE_SECONDS,
        lingering_time=LINGER_SECONDS,
    )


def _refusal(status: int, body: bytes) -> web.Response:
    return web.Response(
        body=body, status=status, headers={"Content-Type": "application/json", "Server": SERVER}
    )


def _protocol_log() -> logging.Logger:
    """aiohttp's own words, without its tracebacks of requests that are no HTTP: those are their senders' mistakes, and
    whoever likes could fill the log with them."""
    log = logging.getLogger("only1mcp.http")
    log.addFilter(_is_ours)
    return log


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
