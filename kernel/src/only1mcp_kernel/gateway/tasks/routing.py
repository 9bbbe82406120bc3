"""Where requests about tasks go: to the server that runs the task, over the link it runs on.

Nothing is ever asked of a server whose task it is not. A list is what the servers say about those tasks of the
principal that are known here, since a server may not tell principals apart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from only1mcp_kernel.gateway.servers.call import CANCELLED
from only1mcp_kernel.gateway.servers.catalogue import declared
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.request import ServerError, ask
from only1mcp_kernel.gateway.servers.server import Server
from only1mcp_kernel.gateway.tasks.ids import Task, TaskIds
from only1mcp_kernel.protocol import tasks
from only1mcp_kernel.protocol.errors import STALE
from only1mcp_kernel.protocol.revisions import INVALID_PARAMS, METHOD_NOT_FOUND
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import ConnectionLost, Done, Era, Exchange, Failure, Handler, Json, Members, Result
from only1mcp_sdk.members import quoted, split, text

MAX_PAGES = 100
LIST_SECONDS = 10.0
"""How long a server may take to list its tasks."""
_log = logging.getLogger("only1mcp.gateway")

Forward = Callable[[tuple[str, str], Exchange, Done], None]
"""Serve an exchange by a server, in whose words its subject is the second of the pair."""


class TaskRouting:
    """Serves what clients of one profile ask about tasks."""

    def __init__(self, servers: Mapping[str, Server], ids: TaskIds, forward: Forward, work: Tasks) -> None:
        self._servers = servers
        self._ids = ids
        self._forward = forward
        self._work = work
        self.handlers: Mapping[str, Handler] = {
            **dict.fromkeys(tasks.NAMING, self._named),
            "tasks/list": self._list,
        }

    def _named(self, exchange: Exchange, done: Done) -> None:
        caller, params = exchange.caller, exchange.params or {}
        if not self._offered(caller.era):
            done(Failure.of(METHOD_NOT_FOUND, f"Method not found: {exchange.method}"))
            return
        if caller.era == "modern" and not tasks.declared_by(caller.capabilities):
            done(tasks.UNDECLARED)
            return
        shown = text(params.get("taskId"))
        if shown is None:
            done(Failure.of(INVALID_PARAMS, f"Invalid params: {exchange.method} needs a taskId"))
            return
        task = self._ids.find(caller, shown)
        if task is None or task.server not in self._servers:
            done(STALE)
            return
        exchange.name, exchange.endpoint = shown, task.endpoint
        exchange.params = {**params, "taskId": quoted(task.own)}
        self._forward((task.server, task.own), exchange, done)

    def _offered(self, era: Era) -> bool:
        """Whether any server runs tasks for clients of this era, or may, while it was never heard of."""
        for server in self._servers.values():
            spoken, greeting = server.listings.greeting(era)
            if not greeting or (spoken == era and tasks.offered(declared(greeting), era) is not None):
                return True
        return False

    # -- lists

    def _list(self, exchange: Exchange, done: Done) -> None:
        if not self._offered("legacy"):
            done(Failure.of(METHOD_NOT_FOUND, "Method not found: tasks/list"))
            return
        if "cursor" in (exchange.params or {}):
            done(STALE)  # this list has one page, so no cursor of it exists
            return
        links: dict[Link, dict[str, Task]] = {}
        for task in self._ids.of(exchange.caller):
            if task.server in self._servers and task.link is not None and _lists(task.link):
                links.setdefault(task.link, {})[task.own] = task

        async def gather() -> None:
            pages = await asyncio.gather(*(self._on(link, known) for link, known in links.items()))
            done(Result(tasks.page([each for page in pages for each in page]), "legacy"))

        work = self._work.start(gather(), "tasks/list")
        work.add_done_callback(lambda ended: done(CANCELLED) if ended.cancelled() else None)
        exchange.on_cancel = lambda reason: (work.cancel(), None)[1]

    async def _on(self, link: Link, known: Mapping[str, Task]) -> list[Json]:
        """The tasks of one link, as far as they are known to be this principal's."""

        def show(own: str, seconds: float) -> str:
            known[own].keep(seconds)
            return known[own].shown

        found: list[Json] = []
        params: Members = {}
        try:
            async with asyncio.timeout(LIST_SECONDS):
                for _ in range(MAX_PAGES):
                    page = split(await ask(link, "tasks/list", params, LIST_SECONDS))
                    found += tasks.listed(page.get("tasks", b"[]"), known.__contains__, show)
                    cursor = page.get("nextCursor", b"null")
                    if text(cursor) is None or cursor == params.get("cursor"):
                        break
                    params = {"cursor": cursor}
        except (ServerError, ConnectionLost, TimeoutError, ValueError) as error:
            _log.warning("tasks of a server could not be listed: %s", str(error) or "too slow")
        return found


def _lists(link: Link) -> bool:
    return link.alive and tasks.lists(declared(link.greeting))
