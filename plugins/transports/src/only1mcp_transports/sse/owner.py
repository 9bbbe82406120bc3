"""The path of an HTTP listener that clients of HTTP+SSE come to. How they are served is in `serving`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from only1mcp_transports.http.entrance import Entrance

if TYPE_CHECKING:
    from aiohttp import web

    from only1mcp_transports.http.server import Route


class PairOwner:
    """One path of a listener. Implements `Owner`."""

    def __init__(self, entrance: Entrance, path: str) -> None:
        self.path = path
        self._entrance = entrance

    @property
    def plain(self) -> Entrance | None:
        return None

    async def serve(self, request: web.BaseRequest, route: Route, profile: str) -> web.StreamResponse:
        from only1mcp_transports.sse.serving import serve  # by now it is there, with aiohttp

        return await serve(self._entrance, self.path, request, route, profile)
