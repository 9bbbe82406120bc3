"""Requests of Streamable HTTP that aiohttp has read: all that are not plain, or all there are.

Those that ask for a WebSocket get one, after the same checks: see `websocket.serving`.
"""

from __future__ import annotations

from aiohttp import web

from only1mcp_sdk import Arrival
from only1mcp_transports.http import checks
from only1mcp_transports.http.checks import Refused
from only1mcp_transports.http.entrance import Entrance
from only1mcp_transports.http.reception import (
    Fields,
    admit,
    asked_context,
    fault,
    new_answer,
    read,
    stream,
    whole,
)
from only1mcp_transports.http.server import PROMPT, Route
from only1mcp_transports.websocket.serving import converse


async def serve(
    entrance: Entrance, request: web.BaseRequest, route: Route, profile: str
) -> web.StreamResponse:
    async def inside(headers: Fields, cors: Fields) -> web.StreamResponse:
        if checks.wants_websocket(request.method, headers):
            return await _converse(entrance, request, route, profile, headers)
        checks.check_request(request.method, headers)
        arrival = Arrival("http", profile, headers, request.remote or "", context=asked_context(request))
        if request.method == "GET":
            return await _get(entrance, request, route, arrival, cors)
        with route.posting():
            return await _post_or_delete(entrance, request, route, arrival, cors)

    return await admit(entrance, request, profile, inside)


async def _post_or_delete(
    entrance: Entrance, request: web.BaseRequest, route: Route, arrival: Arrival, cors: Fields
) -> web.StreamResponse:
    body = await read(entrance, request, arrival.headers)
    answer = new_answer(entrance, request)
    with route.answering(answer):
        try:
            if request.method == "POST":
                answer.posting = entrance.gate.post(arrival, body, answer)
            else:
                entrance.gate.end(arrival, answer)
        except Exception as error:
            raise fault(entrance, request) from error
        if not (answer.finished or answer.streaming):
            await answer.wait(min(PROMPT, entrance.config.keepalive))
        if not (answer.finished or answer.streaming or answer.gone):
            answer.take_time()
        if not (answer.finished or answer.streaming or answer.gone):
            await answer.wait(entrance.config.keepalive)
        if not answer.streaming:
            if answer.finished:
                return whole(answer.message, answer.status, answer.headers, cors)
            if answer.gone:
                raise Refused(503, "Service Unavailable: the gateway is stopping")
            answer.keep_alive()
        return await stream(entrance, request, answer, cors)


async def _get(
    entrance: Entrance, request: web.BaseRequest, route: Route, arrival: Arrival, cors: Fields
) -> web.StreamResponse:
    answer = new_answer(entrance, request)
    with route.answering(answer):
        try:
            answer.posting = entrance.gate.stream(arrival, answer)
        except Exception as error:
            raise fault(entrance, request) from error
        if answer.finished and not answer.streaming:
            return whole(answer.message, answer.status, answer.headers, cors)
        return await stream(entrance, request, answer, cors)


async def _converse(
    entrance: Entrance, request: web.BaseRequest, route: Route, profile: str, headers: Fields
) -> web.StreamResponse:
    arrival = Arrival("websocket", profile, headers, request.remote or "", context=asked_context(request))
    heartbeat = 2 * entrance.config.keepalive  # and a client has as long as `keepalive` to answer it
    return await converse(
        request, route, arrival, entrance.gate, entrance.config.buffer_bytes, heartbeat, entrance.log
    )
