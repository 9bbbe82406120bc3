"""Log levels: a shared link asks its server for the most verbose level that any of its clients wants.

A session says so once; a modern client with each request, which then waits until a legacy server knows. That level is
kept: taking it back after each request would only make the next one wait again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from only1mcp_kernel.gateway.catalogue import declared
from only1mcp_kernel.gateway.link import Link
from only1mcp_kernel.gateway.request import ServerError, ask
from only1mcp_kernel.protocol.legacy import LEVELS, most_verbose, wants
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import ConnectionLost, Exchange
from only1mcp_sdk.members import quoted


class LogLevels:
    """The levels that sessions asked one server for."""

    def __init__(self, timeout: float, tasks: Tasks, log: logging.Logger) -> None:
        self._wanted: dict[str, str] = {}
        self._timeout = timeout
        self._tasks = tasks
        self._log = log

    def want(self, session: str, level: str, links: Iterable[Link]) -> None:
        """A session wants messages of this level and worse."""
        self._wanted[session] = level
        for link in links:
            if session in link.members:
                self.settle(link)

    def forget(self, session: str, links: Iterable[Link]) -> None:
        """A session ended: what the others want is enough."""
        if self._wanted.pop(session, None) is not None:
            for link in links:
                if session in link.members:
                    self.settle(link)

    def settle(self, link: Link) -> None:
        """Ask a legacy server for what its sessions want now, if that is new."""
        if link.era != "legacy" or "logging" not in declared(link.greeting):
            return
        levels = [self._wanted[each] for each in link.members if each in self._wanted]
        if link.requested_level is not None:
            levels.append(link.requested_level)
        level = most_verbose(levels)
        if level is not None and level != link.log_level:
            link.log_level = level
            self._tasks.spawn(self._send(link, level), "set the log level")

    def lacks(self, link: Link, exchange: Exchange) -> bool:
        """Whether the server has to be told before it serves this exchange."""
        level = exchange.log_level
        if level is None or link.era == "modern" or exchange.caller.era == "legacy" or level not in LEVELS:
            return False
        verbose = link.log_level is not None and wants(level, link.log_level)
        return not verbose and "logging" in declared(link.greeting)

    async def reach(self, link: Link, exchange: Exchange) -> None:
        """Tell the server, and wait until it knows."""
        if self.lacks(link, exchange) and exchange.log_level is not None:
            levels = [exchange.log_level, link.log_level, link.requested_level]
            level = most_verbose([each for each in levels if each is not None])
            link.requested_level = link.log_level = level
            if level is not None:
                await self._send(link, level)

    async def _send(self, link: Link, level: str) -> None:
        try:
            await ask(link, "logging/setLevel", {"level": quoted(level)}, self._timeout)
        except (ServerError, ConnectionLost, TimeoutError) as error:
            self._log.info("did not take log level %s: %s", level, error)
