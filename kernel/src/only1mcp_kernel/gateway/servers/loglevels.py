"""Log levels: a shared link asks its server for the most verbose level that any of its clients wants.

A session says so once, a modern client with each request. A request that comes while a legacy server does not know yet
waits until it does. What modern requests wanted is kept: taking it back would only make the next one wait again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from only1mcp_kernel.gateway.servers.catalogue import declared
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.request import ServerError, ask
from only1mcp_kernel.protocol.legacy import LEVELS, UNASKED_LEVEL, most_verbose, wants
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import ConnectionLost, Exchange
from only1mcp_sdk.members import quoted


class LogLevels:
    """The levels that one server's clients asked for."""

    def __init__(self, timeout: float, tasks: Tasks, log: logging.Logger) -> None:
        self.wanted: dict[str, str] = {}
        """By the session that asked."""
        self._timeout = timeout
        self._tasks = tasks
        self._log = log
        self._telling: dict[Link, asyncio.Task[None]] = {}
        """The links whose server is just being told."""

    def want(self, session: str, level: str, links: Iterable[Link]) -> None:
        """A session wants messages of this level and worse."""
        self.wanted[session] = level
        for link in links:
            if session in link.members:
                self.settle(link)

    def forget(self, session: str, links: Iterable[Link]) -> None:
        """A session ended, and uses no link any more: what the others want is enough."""
        self.wanted.pop(session, None)
        for link in links:
            self.settle(link)

    def settle(self, link: Link) -> None:
        """Ask a legacy server for what its clients want now, if that is new."""
        if link.era != "legacy" or "logging" not in declared(link.greeting):
            return
        if link.requested_level is None and not any(each in self.wanted for each in link.members):
            return
        levels = [self.wanted.get(each, UNASKED_LEVEL) for each in link.members]
        if link.requested_level is not None:
            levels.append(link.requested_level)
        level = most_verbose(levels)
        if level is not None and level != link.log_level:
            link.log_level = level
            before = self._telling.get(link)
            task = self._tasks.spawn(self._send(link, level, before), "set the log level")
            self._telling[link] = task
            task.add_done_callback(lambda _: self._told(link, task))

    def lacks(self, link: Link, exchange: Exchange) -> bool:
        """Whether the server has to be told before it serves this exchange."""
        level = self._level(exchange) if link.era == "legacy" else None
        if level is None:
            return False
        known = link.log_level is not None and wants(level, link.log_level) and link not in self._telling
        return not known and "logging" in declared(link.greeting)

    async def reach(self, link: Link, exchange: Exchange) -> None:
        """Tell the server, and wait until it knows."""
        level = self._level(exchange)
        if level is None or not self.lacks(link, exchange):
            return
        if exchange.caller.era == "modern":
            known = [level] if link.requested_level is None else [level, link.requested_level]
            link.requested_level = most_verbose(known)
        self.settle(link)
        if link in self._telling:
            await asyncio.wait([self._telling[link]])

    def _level(self, exchange: Exchange) -> str | None:
        """The level that the client of an exchange asked for, if it did."""
        if exchange.caller.era == "legacy":
            return self.wanted.get(exchange.caller.session)
        return exchange.log_level if exchange.log_level in LEVELS else None

    async def _send(self, link: Link, level: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        try:
            await ask(link, "logging/setLevel", {"level": quoted(level)}, self._timeout)
        except (ServerError, ConnectionLost, TimeoutError) as error:
            self._log.info("did not take log level %s: %s", level, error)

    def _told(self, link: Link, task: asyncio.Task[None]) -> None:
        if self._telling.get(link) is task:
            del self._telling[link]
