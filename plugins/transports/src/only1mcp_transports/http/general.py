"""aiohttp's server, which answers what is not plain. It is imported when the first connection needs it.

aiohttp takes 12 MiB and a fifth of a second, and many a gateway never needs it. The import is a thread's work, so that
plain requests go on meanwhile; connections that need it wait.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

    from only1mcp_transports.http.server import BoundServer

GRACE = 0.5
"""Seconds that answers get to be written out when the server closes."""
_MODULE = "only1mcp_transports.http.aiohttp_server"
_log = logging.getLogger("only1mcp.http")


class General:
    """Of one bound port, which closes it."""

    def __init__(self, bound: BoundServer) -> None:
        self._bound = bound
        self._server: web.Server | None = None
        self._loading: asyncio.Future[ModuleType] | None = None

    def new_connection(self) -> Any:
        """A connection of aiohttp's. None while that is being loaded: the lane hears when it is there, or can't be."""
        if self._server is None:
            self._begin()
            return None
        return self._server()

    async def load(self) -> None:
        """Have it loaded before anybody needs it. Raises what importing it raises."""
        if self._server is None:
            loading = self._begin()
            await asyncio.wait({loading})
            loading.result()

    def _begin(self) -> asyncio.Future[ModuleType]:
        if self._loading is None:
            loop = asyncio.get_running_loop()
            self._loading = loop.run_in_executor(None, importlib.import_module, _MODULE)
            self._loading.add_done_callback(self._loaded)
        return self._loading

    def _loaded(self, loading: asyncio.Future[ModuleType]) -> None:
        # Whoever comes after a failure may have more luck: it may be open files that are lacking.
        self._loading = None
        error = loading.exception()
        if error is None:
            self._server = loading.result().make_server(self._bound)
            self._bound.lane.general_came()
        else:
            _log.error(
                "aiohttp can't be loaded, so that requests which are not plain get no answer", exc_info=error
            )
            self._bound.lane.general_failed()

    def stop(self) -> None:
        """Take no more requests."""
        if self._server is not None:
            self._server.pre_shutdown()

    async def close(self) -> None:
        """Let answers be written out, for a moment."""
        if self._server is not None:
            await self._server.shutdown(GRACE)
