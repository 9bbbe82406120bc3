"""The ids of tasks that servers run, as clients know them.

A server's task id is unique with that server alone, and whoever has it may have the task. So clients are given an id
of ours: sealed, bound to the principal, with the server, the endpoint and the server's own id inside. The same task
always has the same id for one principal, which is why a table is kept beside the seal.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.wire.seal import BadSeal, KeyRing
from only1mcp_sdk import Caller, Era

SHORTEST = 60.0
"""Seconds a task is known at least, however short its ttl is: its client may be about to ask for the result."""
LONGEST = 24 * 3600.0
"""Seconds a task is known, and holds its link, when nobody asks for it any more."""
MAX_TASKS = 10_000
"""Tasks of one principal and one server that are known at a time; the oldest is forgotten for a newer one."""
_PURPOSE = "task"


class Task:
    """A task of a server. `link` is where a legacy server has it, None for a modern one, which has no sessions."""

    __slots__ = (
        "caller", "endpoint", "link", "own", "progress", "server", "shown", "until",
    )  # fmt: skip

    def __init__(
        self, caller: Caller, server: str, endpoint: str, link: Link | None, own: str, shown: str
    ) -> None:
        self.caller = caller
        """Who made it."""
        self.server = server
        self.endpoint = endpoint
        self.link = link
        self.own = own
        """The server's id of it."""
        self.shown = shown
        """The client's id of it."""
        self.until = 0.0
        """Until when it is known, on the event loop's clock."""
        self.progress: int | None = None
        """The progress token that stays valid while a legacy server works on it."""

    @property
    def era(self) -> Era:
        return "modern" if self.link is None else "legacy"

    def keep(self, seconds: float) -> None:
        """It was heard of, and is kept this long from now: the link too."""
        until = asyncio.get_running_loop().time() + min(max(seconds, SHORTEST), LONGEST)
        self.until = max(self.until, until)
        if self.link is not None:
            self.link.held_until = max(self.link.held_until, self.until)


_Place = tuple[str, str] | Link


class TaskIds:
    """The tasks of this process."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._tasks: dict[str, dict[str, Task]] = {}
        """Principal -> shown id -> task."""
        self._counts: Counter[tuple[str, str]] = Counter()
        """How many of each principal and server."""
        self._known: dict[tuple[str, _Place, str], Task] = {}
        self._first: dict[tuple[Link, str], Task] = {}
        """Whose a legacy server's task is that it speaks of unasked."""

    def show(
        self, caller: Caller, server: str, endpoint: str, link: Link | None, own: str, seconds: float
    ) -> Task:
        """The task of this id, known from now on if it was not. `link` is None with a modern server."""
        place: _Place = link if link is not None else (server, endpoint)
        task = self._known.get((caller.principal.id, place, own))
        if task is None:
            shown = self._keys.seal(_PURPOSE, caller.principal.id, [server, endpoint, own])
            task = self._add(Task(caller, server, endpoint, link, own, shown))
        task.keep(seconds)
        return task

    def find(self, caller: Caller, shown: str) -> Task | None:
        """The task a client names. None for an id that is forged, foreign, expired, of the other era, or of a task that
        went with its link."""
        principal = caller.principal.id
        task = self._tasks.get(principal, {}).get(shown)
        if task is None:
            try:
                server, endpoint, own = self._keys.open(_PURPOSE, principal, shown)
            except (BadSeal, ValueError):
                return None
            if caller.era == "legacy":
                return None  # forgotten, and the link with it
            task = self._add(Task(caller, server, endpoint, None, own, shown))
            task.keep(0.0)
        if task.era != caller.era or (task.link is not None and not task.link.alive):
            return None
        return task

    def on_link(self, link: Link, own: str) -> Task | None:
        """The task of this id, either side's, that is spoken of over a link."""
        return self._first.get((link, own))

    def of(self, caller: Caller) -> Iterator[Task]:
        """What is known of this principal's tasks, in the order they were made."""
        yield from list(self._tasks.get(caller.principal.id, {}).values())

    def expire(self) -> None:
        """Forget what is over."""
        now = asyncio.get_running_loop().time()
        for tasks in list(self._tasks.values()):
            for task in list(tasks.values()):
                if task.until < now or (task.link is not None and not task.link.alive):
                    self._drop(task)

    def __len__(self) -> int:
        return len(self._known)

    def _add(self, task: Task) -> Task:
        principal = task.caller.principal.id
        count = (principal, task.server)
        if self._counts[count] >= MAX_TASKS:  # no server makes another one's tasks be forgotten
            self._drop(next(each for each in self._tasks[principal].values() if each.server == task.server))
        self._counts[count] += 1
        self._tasks.setdefault(principal, {})[task.shown] = task
        self._known[principal, task.link or (task.server, task.endpoint), task.own] = task
        if task.link is not None:
            self._first.setdefault((task.link, task.own), task)
            self._first[task.link, task.shown] = task
        return task

    def _drop(self, task: Task) -> None:
        principal = task.caller.principal.id
        tasks = self._tasks[principal]
        del tasks[task.shown]
        if not tasks:
            del self._tasks[principal]
        count = (principal, task.server)
        self._counts[count] -= 1
        if not self._counts[count]:
            del self._counts[count]
        key = (principal, task.link or (task.server, task.endpoint), task.own)
        if self._known.get(key) is task:
            del self._known[key]
        if task.link is not None:
            for id in (task.own, task.shown):
                if self._first.get((task.link, id)) is task:
                    del self._first[task.link, id]
            if task.progress is not None:
                task.link.lasting.pop(task.progress, None)
