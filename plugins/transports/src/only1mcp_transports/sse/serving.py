"""Clients of HTTP+SSE at the HTTP listener, on a path of their own: each has one stream, and POSTs what it says.

MCP 2024-11-05, "Transports", HTTP with SSE. A stream is a conversation, and ends it. The URL for its POSTs holds a name
nobody can guess; that alone lets nobody in: a POST comes from the principal of the stream, or is refused.
"""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from only1mcp_sdk import AccessDenied, Arrival, Conversation
from only1mcp_transports.http import checks
from only1mcp_transports.http.answer import PendingAnswer, sse_event
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
    unauthorized,
)
from only1mcp_transports.http.server import Route

METHODS = "GET, POST"
SESSION = "session_id"


class Client:
    """One stream. Implements `Channel`, and `Guest` of its route."""

    conversation: Conversation

    def __init__(self, profile: str, answer: PendingAnswer) -> None:
        self.profile = profile
        self._answer = answer

    def send(self, message: bytes) -> None:
        self._answer.write(b"event: message\n" + sse_event(message))

    @property
    def busy(self) -> bool:
        return self._answer.unwritten or self.conversation.busy

    def end(self) -> None:
        self._answer.finish()


async def serve(
    entrance: Entrance, path: str, request: web.BaseRequest, route: Route, profile: str
) -> web.StreamResponse:
    async def inside(headers: Fields, cors: Fields) -> web.StreamResponse:
        arrival = Arrival("sse", profile, headers, request.remote or "", context=asked_context(request))
        if request.method == "GET":
            checks.check_request("GET", headers)
            return await _stream(entrance, path, request, route, arrival, cors)
        if request.method == "POST" and SESSION in request.rel_url.query:
            with route.posting():
                return await _message(entrance, request, route, arrival, cors)
        # No JSON-RPC: by this, clients that try Streamable HTTP first tell that they have to come by the old way.
        response = web.Response(status=405, headers={"Allow": METHODS, **cors})
        if request.can_read_body:
            response.force_close()
        return response

    return await admit(entrance, request, profile, inside)


async def _stream(
    entrance: Entrance, path: str, request: web.BaseRequest, route: Route, arrival: Arrival, cors: Fields
) -> web.StreamResponse:
    answer = new_answer(entrance, request)
    client = Client(arrival.profile, answer)
    try:
        client.conversation = entrance.gate.connect(arrival, client)
    except AccessDenied as denied:
        raise unauthorized(denied) from None
    try:
        with route.hosting(client) as name:
            where = path if arrival.profile == "default" else f"{path}/{quote(arrival.profile)}"
            answer.write(f"event: endpoint\ndata: {where}?{SESSION}={name}\n\n".encode())
            return await stream(entrance, request, answer, cors)
    finally:
        client.conversation.disconnected()


async def _message(
    entrance: Entrance, request: web.BaseRequest, route: Route, arrival: Arrival, cors: Fields
) -> web.StreamResponse:
    checks.check_content(arrival.headers)
    name = request.rel_url.query[SESSION]
    client = route.guest(name)
    if not (isinstance(client, Client) and _admits(client, arrival)):
        raise _unknown()
    body = await read(entrance, request, arrival.headers)
    if route.guest(name) is not client:  # it left meanwhile
        raise _unknown()
    try:
        client.conversation.received(body)
    except Exception as error:
        raise fault(entrance, request) from error
    return web.Response(status=202, text="Accepted", headers=cors)


def _admits(client: Client, arrival: Arrival) -> bool:
    """Whether the message comes from whom the stream goes to. Raises `Refused`."""
    try:
        return client.profile == arrival.profile and client.conversation.admits(arrival)
    except AccessDenied as denied:
        raise unauthorized(denied) from None


def _unknown() -> Refused:
    return Refused(404, f"Not Found: there is no stream of this {SESSION}; open a new one")
