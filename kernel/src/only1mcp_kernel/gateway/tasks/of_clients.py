"""Tasks that legacy clients run for one server (specification 2025-11-25, basic/utilities/tasks).

A server asks for one with a question that has `params.task`, and then asks the client about it with requests of its
own. Ids of clients are unique with each client alone, and several may share a link: the server gets ids of ours, good
on that link and for the session that runs the task.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec import Struct

from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.tasks.ids import LONGEST, SHORTEST
from only1mcp_kernel.protocol import tasks
from only1mcp_kernel.protocol.errors import STALE
from only1mcp_sdk import Json, Members, Question
from only1mcp_sdk.members import join, quoted, split, text

MAX_TASKS = 10_000
"""Of all clients together, for one server; the oldest is forgotten for a newer one."""
MAX_PAGES = 100

Answer = Callable[[bytes, bytes], None]


class Asker(Protocol):
    """Whoever can put a question to a session; see `gateway.server.Audience`."""

    def ask(self, session: str, question: Question, answer: Answer) -> Callable[[], None] | None: ...


class _Task(Struct):
    link: Link
    session: str
    own: str
    """The client's id of it."""
    shown: str
    """The server's id of it."""
    until: float = 0.0


class ClientTasks:
    """The tasks that clients run for one server. `claim` gives a link to the session that will be asked over it."""

    def __init__(self, asker: Asker, claim: Callable[[Link, str], None]) -> None:
        self._asker = asker
        self._claim = claim
        self._tasks: dict[str, _Task] = {}
        self._known: dict[tuple[Link, str, str], _Task] = {}

    def made(self, link: Link, session: str, raw: Json) -> Json:
        """A session's answer to a question that asked for a task, as the server is to have it."""
        return tasks.created(raw, "legacy", self._shower(link, session))

    def asked(self, link: Link, id: Json, question: Question) -> None:
        """The server asks about a task of a client."""
        if question.method == "tasks/list":
            _Listing(self, self._asker, link, id).ask()
            return
        try:
            params = split(question.params) if question.params else {}
        except ValueError:
            params = {}
        task = self._tasks.get(text(params.get("taskId")) or "")
        if task is None or task.link is not link:
            link.reply(id, error=STALE.raw)
            return
        show = self._shower(link, task.session)

        def answered(result: bytes, error: bytes) -> None:
            link.asked.pop(id, None)
            if result:
                result = _put_right(result, lambda raw: tasks.answered(question.method, raw, show))
            link.reply(id, result=result, error=error)

        own = msgspec.structs.replace(question, params=join({**params, "taskId": quoted(task.own)}))
        withdraw = self._asker.ask(task.session, own, answered)
        if withdraw is None:
            link.reply(id, error=STALE.raw)
        else:
            link.asked[id] = withdraw

    def told(self, session: str, params: Members) -> None:
        """A client says how a task of its own is going."""
        own = text(params.get("taskId"))
        for task in list(self._tasks.values()):
            if task.session == session and task.own == own and task.link.alive:
                task.link.notify(*tasks.status(tasks.STATUS["legacy"], params, task.shown))

    def sessions(self, link: Link) -> list[str]:
        """Who runs tasks for the server over this link."""
        return list(dict.fromkeys(task.session for task in self._tasks.values() if task.link is link))

    def listed(self, link: Link, session: str, page: Members) -> list[Json]:
        """What the server may see of a page of a session's tasks."""
        return tasks.listed(
            page.get("tasks", b"[]"),
            lambda own: (link, session, own) in self._known,
            self._shower(link, session),
        )

    def forget(self, session: str) -> None:
        """A session ended, and its tasks with it."""
        self._drop(lambda task: task.session == session)

    def expire(self) -> None:
        """Forget what is over."""
        now = asyncio.get_running_loop().time()
        self._drop(lambda task: task.until < now or not task.link.alive)

    def _drop(self, over: Callable[[_Task], bool]) -> None:
        for task in [task for task in self._tasks.values() if over(task)]:
            del self._tasks[task.shown]
            del self._known[task.link, task.session, task.own]

    def _shower(self, link: Link, session: str) -> tasks.Show:
        def show(own: str, seconds: float) -> str:
            key = (link, session, own)
            task = self._known.get(key)
            if task is None:
                if len(self._tasks) >= MAX_TASKS:
                    oldest = next(iter(self._tasks.values()))
                    self._drop(lambda each: each is oldest)
                task = self._known[key] = _Task(link, session, own, secrets.token_urlsafe(16))
                self._tasks[task.shown] = task
                self._claim(link, session)
            until = asyncio.get_running_loop().time() + min(max(seconds, SHORTEST), LONGEST)
            task.until = max(task.until, until)
            link.held_until = max(link.held_until, until)
            return task.shown

        return show


class _Listing:
    """One `tasks/list` of a server: every session that runs tasks for it is asked, page by page."""

    def __init__(self, owner: ClientTasks, asker: Asker, link: Link, id: Json) -> None:
        self._owner = owner
        self._asker = asker
        self._link = link
        self._id = id
        self._missing = 0
        self._found: list[Json] = []
        self._open: dict[str, Callable[[], None]] = {}

    def ask(self) -> None:
        sessions = self._owner.sessions(self._link)
        self._missing = len(sessions) + 1
        self._link.asked[self._id] = self._withdraw
        for session in sessions:
            self._ask(session, b"", MAX_PAGES)
        self._ended()

    def _ask(self, session: str, params: Json, pages: int) -> None:
        def answered(result: bytes, error: bytes) -> None:
            self._open.pop(session, None)
            cursor = None
            if result:
                try:
                    members = split(result)
                    self._found += self._owner.listed(self._link, session, members)
                    cursor = members.get("nextCursor")
                except ValueError:
                    cursor = None  # a client that answers nonsense has no tasks
            if cursor is not None and text(cursor) is not None and pages > 1:
                self._ask(session, join({"cursor": cursor}), pages - 1)
            else:
                self._ended()

        withdraw = self._asker.ask(session, Question("tasks/list", params), answered)
        if withdraw is None:
            self._ended()
        else:
            self._open[session] = withdraw

    def _ended(self) -> None:
        self._missing -= 1
        if self._missing == 0 and self._link.asked.pop(self._id, None) is not None:
            self._link.reply(self._id, result=tasks.page(self._found))

    def _withdraw(self) -> None:
        for withdraw in self._open.values():
            withdraw()


def _put_right(raw: Json, change: Callable[[Json], Json]) -> Json:
    try:
        return change(raw)
    except ValueError:
        return raw  # the server is to judge what is malformed; it holds no id the server could use
