"""A server that may speak HTTP+SSE: where it is, and how requests get there. What they say is in `pair`.

Light: each connection of the `http` connector has one, and most never use it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from only1mcp_transports.http.problems import host
from only1mcp_transports.loading import load_aiohttp

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

    from only1mcp_transports.sse.pair import Pair

_LARGE = 1 << 20


class NoPair(Exception):
    """Nobody there speaks HTTP+SSE. Says why, in words for people."""


class Server:
    """Where it is, and what is the same for all requests to it. Its pool is opened by the first one."""

    def __init__(
        self,
        url: str,
        open_pool: Callable[[], aiohttp.ClientSession],
        headers: Mapping[str, str],
        limit: int,
    ) -> None:
        self.url = url
        """As it is configured."""
        self.limit = limit
        """The longest message, in bytes."""
        self._open_pool = open_pool
        self._pool: aiohttp.ClientSession | None = None
        self._headers = headers

    async def close(self) -> None:
        """Close the pool. Idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def open(self) -> Pair:
        """Open the stream and wait for its `endpoint`. Raises `NoPair`. Not bounded in time; may be cancelled."""
        await load_aiohttp()
        from only1mcp_transports.sse.pair import open_pair

        return await open_pair(self)

    async def request(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None = None
    ) -> aiohttp.ClientResponse:
        """Raises one of `BROKEN`."""
        from multidict import CIMultiDict  # it is aiohttp's

        if self._pool is None:
            self._pool = self._open_pool()
        fields = CIMultiDict(self._headers)
        for name, value in headers.items():
            fields[name] = value
        data = io.BytesIO(body) if body is not None and len(body) > _LARGE else body
        return await self._pool.request(method, url, headers=fields, data=data, allow_redirects=False)

    def too_large(self) -> str:
        return f"{host(self.url)} sent a message of more than {self.limit} bytes (max_message_bytes)"
