"""Tasks of one server, in what the server and its clients say to each other.

Ids are put right where they stand, and what the server says or asks unasked goes to whoever made the task. What has
nothing to do with tasks is not looked into.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from only1mcp_kernel.gateway.servers.call import Call, Reread
from only1mcp_kernel.gateway.servers.endpoint import Endpoint
from only1mcp_kernel.gateway.servers.link import Link, Waiting
from only1mcp_kernel.gateway.servers.sharing import owner_name
from only1mcp_kernel.gateway.servers.watching import TASK
from only1mcp_kernel.gateway.tasks.ids import Task, TaskIds
from only1mcp_kernel.gateway.tasks.of_clients import Asker, ClientTasks
from only1mcp_kernel.protocol import tasks
from only1mcp_kernel.protocol.revisions import INTERNAL_ERROR
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import Caller, Exchange, Failure, Json, Members, Outcome, Pipe, Question, Result, Source
from only1mcp_sdk.members import join, quoted, split, text


class Audience(Asker, Protocol):
    """The clients of the process; see `gateway.audience`."""

    def tell(self, session: str, message: bytes) -> None:
        """A message for one legacy session, on whichever stream reaches it."""

    def listened(self, name: str, method: str, params: Members) -> None:
        """A notification for one listen stream."""


class TaskRelay:
    """The tasks of one server."""

    def __init__(
        self, server: str, ids: TaskIds, audience: Audience, claim: Callable[[Link, str], None]
    ) -> None:
        self.of_clients = ClientTasks(audience, claim)
        self._server = server
        self._ids = ids
        self._audience = audience
        self._claim = claim
        self._watched: dict[str, dict[str, dict[str, str]]] = {}
        """Endpoint -> the server's task id -> listen stream -> the client's id of it."""

    # -- calls

    def link_of(self, exchange: Exchange) -> Link | None:
        """The link a legacy request about a task must take; None for one that takes any, and where it is gone."""
        task = self._ids.find(exchange.caller, exchange.name)
        return task.link if task is not None else None

    def seconds_left(self, exchange: Exchange) -> float:
        """How long a task that a request names is known."""
        task = self._ids.find(exchange.caller, exchange.name)
        return 0.0 if task is None else task.until - asyncio.get_running_loop().time()

    def reader(self, endpoint: Endpoint, link: Link, exchange: Exchange) -> Reread:
        """What puts the outcome of a call right that a task may be in."""
        method, era = exchange.method, link.era
        if method == "tools/call":
            return self._reread(lambda call, raw: tasks.created(raw, era, self._maker(endpoint, link, call)))
        return self._reread(lambda call, raw: tasks.answered(method, raw, self._shower(endpoint, call)))

    def own_meta(self, link: Link, exchange: Exchange) -> Members:
        """The `_meta` of a request, which may belong to a task, in the server's words."""
        meta = exchange.meta
        if tasks.RELATED not in meta:
            return meta
        if link.era != exchange.caller.era:
            return {name: value for name, value in meta.items() if name != tasks.RELATED}
        try:
            return tasks.related_meta(meta, self._owner(link))
        except ValueError:
            return meta

    def _owner(self, link: Link) -> tasks.Show:
        def own(shown: str, seconds: float) -> str:
            task = self._ids.on_link(link, shown)
            return task.own if task is not None else shown

        return own

    def _reread(self, change: Callable[[Call, Json], Json]) -> Reread:
        def reread(call: Call, outcome: Outcome) -> Outcome:
            if not isinstance(outcome, Result):
                return outcome
            try:
                raw = change(call, outcome.raw)
            except ValueError as error:
                problem = f'Server "{self._server}" answered with a malformed task: {error}'
                return Failure.of(INTERNAL_ERROR, problem, {"server": self._server})
            return outcome if raw is outcome.raw else Result(raw, outcome.era)

        return reread

    def _shower(self, endpoint: Endpoint, call: Call) -> tasks.Show:
        place = call.link if call.link.era == "legacy" else None

        def show(own: str, seconds: float) -> str:
            caller = call.exchange.caller
            return self._ids.show(caller, self._server, endpoint.key, place, own, seconds).shown

        return show

    def _maker(self, endpoint: Endpoint, link: Link, call: Call) -> tasks.Show:
        if link.era == "modern":
            return self._shower(endpoint, call)

        def show(own: str, seconds: float) -> str:
            exchange = call.exchange
            task = self._ids.show(exchange.caller, self._server, endpoint.key, link, own, seconds)
            self._claim(link, owner_name(exchange.caller))
            link.related = lambda message, waiting: self._related(link, message, waiting)
            if exchange.progress_token is not None and task.progress is None:
                task.progress = call.id
                link.lasting[call.id] = _Progress(self._audience, task, exchange.progress_token)
            return task.shown

        return show

    # -- what the server says

    def told(self, link: Link, message: Envelope, params: Members) -> None:
        """The server tells of the state of a task; in words of the other era nobody could take it."""
        if message.method != tasks.STATUS[link.era]:
            return
        own = text(params.get("taskId")) or ""
        if link.era == "legacy":
            task = self._ids.on_link(link, own)
            if task is not None:
                method, raw = tasks.status(message.method, params, task.shown)
                self._audience.tell(task.caller.session, wire.notification(method, raw))
            return
        for name, shown in list(link.watched_tasks.get(own, {}).items()):
            self._audience.listened(name, message.method, {**params, "taskId": quoted(shown)})

    def _related(self, link: Link, message: Envelope, waiting: Waiting | None) -> bool:
        """Deliver a notification that belongs to a task; False where the task is not known."""
        try:
            task = self._ids.on_link(link, tasks.related_to(message.params) or "")
            if task is None:
                return False
            shown = msgspec.structs.replace(
                message, params=tasks.related(message.params, lambda own, seconds: task.shown)
            )
        except ValueError:
            return False
        if isinstance(waiting, _Progress) or (
            isinstance(waiting, Call) and waiting.exchange.caller.principal == task.caller.principal
        ):
            waiting.notified(shown, split(shown.params))
        else:
            self._audience.tell(task.caller.session, wire.notification(shown.method, shown.params))
        return True

    # -- what the server asks

    def behind(self, link: Link, question: Question) -> Task | None:
        """The task a question belongs to, if it names one that is known."""
        try:
            own = tasks.related_to(question.params)
        except ValueError:
            return None
        return self._ids.on_link(link, own) if own is not None else None

    def shown(
        self, link: Link, id: Json, question: Question, task: Task | None, call: Call | None
    ) -> Question:
        """A question as its client is to have it; the answer is put right when it comes."""
        params = question.params
        if link.era != "legacy" or b"task" not in params:
            return question
        caller = call.exchange.caller if call is not None else task.caller if task is not None else None
        session = caller.session if caller is not None else (link.owner or link.opener or "")
        try:
            if tasks.RELATED_BYTES in params:
                task = task or self._being_made(link, call, tasks.related_to(params))
                if task is not None:
                    shown = task.shown
                    params = tasks.related(params, lambda own, seconds: shown)
            wants_task = bool(session) and tasks.asks_for_task(params)
        except ValueError:
            return question
        link.fixes[id] = lambda raw: self._own_answer(link, session, wants_task, raw)
        return msgspec.structs.replace(question, params=params)

    def _being_made(self, link: Link, call: Call | None, own: str | None) -> Task | None:
        """A server may ask before it has said that it made a task of the call."""
        if call is None or own is None or "task" not in (call.exchange.params or ()):
            return None
        exchange = call.exchange
        if exchange.caller.era != "legacy":
            return None
        return self._ids.show(exchange.caller, self._server, exchange.endpoint, link, own, 0.0)

    def _own_answer(self, link: Link, session: str, wants_task: bool, raw: Json) -> Json:
        try:
            raw = tasks.related(raw, self._owner(link))
            return self.of_clients.made(link, session, raw) if wants_task else raw
        except ValueError:
            return raw  # for the server to judge

    # -- listen streams

    def watched(self, endpoint: str) -> dict[str, dict[str, str]]:
        """The tasks of an endpoint that somebody listens to, kept over lost links."""
        return self._watched.setdefault(endpoint, {})

    def find(self, caller: Caller, shown: str) -> Task | None:
        """The task of this server that a client names."""
        task = self._ids.find(caller, shown)
        return task if task is not None and task.server == self._server else None

    async def watch(self, task: Task, link: Link, name: str, timeout: float) -> bool:
        """Tell a listen stream of a modern server's task. False when the server does not tell."""
        self.watched(task.endpoint).setdefault(task.own, {})[name] = task.shown
        honoured = False
        try:
            async with asyncio.timeout(timeout):
                honoured = link.watch is not None and await link.watch.honours((TASK, task.own))
        except TimeoutError:
            return False
        finally:
            if not honoured:
                self._forget(task.endpoint, task.own, name)
        return honoured

    def unwatch(self, name: str) -> set[str]:
        """Tell a listen stream of nothing more; returns the endpoints that need not tell of something any longer."""
        changed = set()
        for endpoint, watched in self._watched.items():
            for own in [own for own, names in watched.items() if name in names]:
                if self._forget(endpoint, own, name):
                    changed.add(endpoint)
        return changed

    def _forget(self, endpoint: str, own: str, name: str) -> bool:
        """Whether nobody else wants to hear of it."""
        names = self._watched[endpoint].get(own, {})
        names.pop(name, None)
        if names:
            return False
        self._watched[endpoint].pop(own, None)
        return True


class _Progress:
    """Progress of a task, whose token outlives the request that made it; a `Waiting` that waits for no answer."""

    def __init__(self, audience: Audience, task: Task, token: Json) -> None:
        self._audience = audience
        self._task = task
        self._token = token

    def answered(self, result: Json) -> None:
        """The request was answered long ago."""

    def refused(self, error: Json) -> None:
        """The request was answered long ago."""

    def arriving(self, start: bytes, source: Source) -> Pipe | None:
        return None

    def paused(self) -> None:
        """It is awaited all the same."""

    def lost(self, problem: str) -> None:
        """The request was answered long ago."""

    def notified(self, message: Envelope, params: Members) -> None:
        raw = join({**params, "progressToken": self._token})
        self._audience.tell(self._task.caller.session, wire.notification(message.method, raw))
