"""A server: what the user named. Its endpoints, its catalogues, and the calls it serves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from only1mcp_kernel.gateway.metrics import summed
from only1mcp_kernel.gateway.servers.attempts import Attempts
from only1mcp_kernel.gateway.servers.catalogue import LISTS, Memory
from only1mcp_kernel.gateway.servers.endpoint import Endpoint
from only1mcp_kernel.gateway.servers.hearing import Audience
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.listings import ALL_KINDS, Listings
from only1mcp_kernel.gateway.servers.loglevels import LogLevels
from only1mcp_kernel.gateway.servers.parking import Parking
from only1mcp_kernel.gateway.servers.pinning import Pins
from only1mcp_kernel.gateway.servers.questions import asking_call, calls_in_flight, put
from only1mcp_kernel.gateway.servers.sharing import Terms, anchor_caller, owner_name
from only1mcp_kernel.gateway.servers.subscriptions import Subscriptions
from only1mcp_kernel.gateway.servers.watching import Watch
from only1mcp_kernel.gateway.tasks.ids import TaskIds
from only1mcp_kernel.gateway.tasks.relay import TaskRelay
from only1mcp_kernel.protocol.tasks import OF_CLIENTS, STATUS
from only1mcp_kernel.tasks import Tasks
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import (
    Balancer,
    Caller,
    Connector,
    EntryKind,
    Json,
    Members,
    Question,
)
from only1mcp_sdk.members import text

SWEEP_SECONDS = 15.0
_CHANGED: dict[str, tuple[EntryKind, ...]] = {
    "notifications/tools/list_changed": ("tool",),
    "notifications/prompts/list_changed": ("prompt",),
    "notifications/resources/list_changed": ("resource", "template"),
}


class Server:
    """One configured server. Lives as long as its configuration is unchanged, over reloads."""

    def __init__(
        self,
        name: str,
        terms: Terms,
        replicas: Iterable[tuple[str, int, Connector]],
        balancer: Balancer | None,
        audience: Audience,
        parking: Parking,
        pins: Pins,
        task_ids: TaskIds,
        memory: Path,
        *,
        list_timeout: float,
        call_timeout: float,
    ) -> None:
        self.name = name
        self.log = logging.getLogger(f"only1mcp.servers.{name}")
        self._audience = audience
        self._list_timeout = list_timeout
        self._tasks = Tasks(self.log)
        self._levels = LogLevels(list_timeout, self._tasks, self.log)
        self.tasks = TaskRelay(name, task_ids, audience, self._claim)
        self.listings = Listings(
            Memory(memory, name),
            lambda: self.reachable,
            lambda kinds: audience.catalogue_changed(self, kinds),
            self.join,
            list_timeout,
            self._tasks,
            self.log,
        )
        self.subscriptions = Subscriptions(self._lease, lambda: self.links, list_timeout, self.log)
        self.endpoints = [
            Endpoint(key, weight, connector, terms, self, self._tasks, self.log)
            for key, weight, connector in replicas
        ]
        for endpoint in self.endpoints:
            endpoint.wants_roots = self.listings.memory.wants_roots
        self._by_key = {endpoint.key: endpoint for endpoint in self.endpoints}
        self.reachable: tuple[Endpoint, ...] = ()
        self.problem = "connecting"
        self.attempts = Attempts(self, balancer, parking, pins, self._levels, self._tasks, call_timeout)

    def open(self) -> None:
        for endpoint in self.endpoints:
            self._tasks.spawn(endpoint.supervise(), f"supervise {self.name} {endpoint.key}")
        self._tasks.spawn(self._sweep(), f"sweep {self.name}")

    async def close(self, drain: float) -> None:
        """Let calls under way finish for at most `drain` seconds, then close every link and wait until all of it is
        gone. Cancelled, it waits for no call, and closes all the same."""
        try:
            await self._drained(drain)
        finally:
            await self._tasks.close()
            await asyncio.gather(*(endpoint.close() for endpoint in self.endpoints))
            await self._tasks.close()
            self.attempts.close()

    async def _drained(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(each.in_flight for each in self.endpoints):  # noqa: ASYNC110  (nobody signals on the hot path)
                    await asyncio.sleep(0.02)

    @property
    def up(self) -> bool:
        return bool(self.reachable)

    # -- for those who work for it

    def endpoint(self, key: str) -> Endpoint | None:
        return self._by_key.get(key)

    async def _lease(self, caller: Caller) -> Link:
        endpoint = next(iter(self.reachable), self.endpoints[0])
        return await endpoint.lease(caller)

    # -- from endpoints

    def endpoint_up(self, endpoint: Endpoint) -> None:
        self.reachable = tuple(each for each in self.endpoints if each.up)
        self.problem = ""
        if endpoint.anchor is not None:
            self._tasks.spawn(self._greeted(endpoint, endpoint.anchor), f"list {self.name}")

    async def _greeted(self, endpoint: Endpoint, link: Link) -> None:
        if link.era == "modern":
            link.watched_tasks = self.tasks.watched(endpoint.key)
            link.watch = Watch(link, self.notified, self.listings.doubt)
            self._tasks.spawn(link.watch.run(), f"watch {self.name}")
        if len(self.reachable) == 1:
            self.listings.fetched.clear()  # what the server listed before it was lost
        try:
            await self.listings.fetch(anchor_caller(link.era))
        finally:
            self.listings.answered.set()
        await self.subscriptions.renew()

    def endpoint_down(self, endpoint: Endpoint, problem: str) -> None:
        was_up = self.up
        self.reachable = tuple(each for each in self.endpoints if each.up)
        if not self.up:
            self.problem = problem
            self.listings.answered.set()
            if was_up:
                self._audience.catalogue_changed(self, ALL_KINDS)

    def asked(self, link: Link, id: Json, question: Question, stream: int | None) -> None:
        if link.era == "legacy" and question.method in OF_CLIENTS:
            working = self.tasks.of_clients.sessions(link)
            for each in calls_in_flight(link):
                if each.exchange.caller.session in working:
                    each.prolong()
            self.tasks.of_clients.asked(link, id, question)
            return
        task = self.tasks.behind(link, question)
        call = asking_call(link, question, stream, task)
        if question.method == "roots/list":
            self.listings.memory.note_roots()
            owner = owner_name(call.exchange.caller) if call is not None else link.opener
            for endpoint in self.endpoints:
                endpoint.roots_asked(link, owner)
        asked = call.exchange.caller if call is not None else task.caller if task is not None else None
        session = asked.session if asked is not None else link.owner or link.opener
        link.visits.asked(question, session or "")
        question = self.tasks.shown(link, id, question, task, call)
        put(link, id, question, call, task, self._audience.ask, self.log)

    def withdrew(self, link: Link, id: Json) -> None:
        withdraw = link.asked.pop(id, None)
        if withdraw is not None:
            withdraw()
            return
        for call in calls_in_flight(link):
            if call.withdrew(id):
                return

    def notified(self, link: Link, message: Envelope, params: Members) -> None:
        kinds = _CHANGED.get(message.method)
        if kinds is not None:
            self.listings.outdated(kinds, link)
        elif message.method == "notifications/elicitation/complete":
            session = link.visits.complete(params.get("elicitationId"))
            if session is not None:
                self._audience.tell(session, wire.notification(message.method, message.params))
        elif message.method in STATUS.values():
            self.tasks.told(link, message, params)
        elif message.method == "notifications/message":
            self._logged(link, message, params)
        elif message.method == "notifications/resources/updated":
            uri = text(params.get("uri"))
            if uri is not None:
                self._audience.resource_updated(self, link, uri, params)
        else:
            self._told(link, message, params)

    def _told(self, link: Link, message: Envelope, params: Members) -> None:
        """A notification that MCP does not define, on a shared channel: for the sessions of the link, and for a request
        that has none where it is the only one that can be meant."""
        if link.era == "legacy":
            self._audience.told(link, message)
        calls = [each for each in calls_in_flight(link) if "modern" in (link.era, each.exchange.caller.era)]
        if len(link.users) <= 1 and len(calls) == 1:
            calls[0].notified(message, params)

    def _logged(self, link: Link, message: Envelope, params: Members) -> None:
        """A log message on a shared channel: for the legacy sessions of the link, and for a modern request where it
        is the only one that can be meant. Where several principals use the link, it may be about what another one's
        request did, be that over or not."""
        if len(link.users) > 1:
            return
        self._audience.logged(link, message, params)
        wanting = [
            call
            for call in calls_in_flight(link)
            if call.exchange.log_level and call.exchange.caller.era == "modern"
        ]
        if len(wanting) == 1:
            wanting[0].notified(message, params)

    def _claim(self, link: Link, owner: str) -> None:
        """A task is on a link, on the server's side or on the client's."""
        for endpoint in self.endpoints:
            if link in endpoint.links:
                endpoint.task_made(link, owner)

    # -- tasks that listen streams are told of

    async def watch_task(self, caller: Caller, shown: str, name: str) -> bool:
        """Tell a listen stream of a task. False when it is none of this server's, or the server does not tell."""
        task = self.tasks.find(caller, shown)
        endpoint = self._by_key.get(task.endpoint) if task is not None else None
        if task is None or endpoint is None or endpoint.anchor is None:
            return False
        return await self.tasks.watch(task, endpoint.anchor, name, self._list_timeout)

    def unwatch_tasks(self, name: str) -> None:
        """Tell a listen stream of nothing more."""
        for key in self.tasks.unwatch(name):
            anchor = self._by_key[key].anchor
            if anchor is not None and anchor.watch is not None:
                anchor.watch.widen()

    # -- life

    def roots_changed(self, session: str) -> None:
        """A session's roots changed."""
        for link in self.links:
            if link.owner == session or link.opener == session:
                link.notify("notifications/roots/list_changed")

    def set_level(self, session: str, level: str) -> None:
        """A session wants log messages of this level and worse."""
        self._levels.want(session, level, self.links)

    @property
    def links(self) -> list[Link]:
        return [link for endpoint in self.endpoints for link in endpoint.links]

    def join(self, link: Link, caller: Caller) -> None:
        """A session uses a link from now on."""
        if caller.session and caller.session not in link.members:
            link.members.add(caller.session)
            link.users.add(caller.principal.id)
            self._levels.settle(link)

    def status(self) -> dict[str, Any]:
        """As JSON values."""
        state = "up" if self.up else ("down" if self.listings.answered.is_set() else "connecting")
        catalogue = next(iter(self.listings.fetched.values()), None) if self.up else None
        counts = {
            each.member: len(catalogue.entries.get(each.kind, [])) if catalogue else 0 for each in LISTS
        }
        eras = sorted({era for each in self.endpoints for era, known in each.speaks.items() if known})
        status: dict[str, Any] = {"state": state, "eras": eras, "connections": len(self.links), **counts}
        status["calls"] = summed([each.figures for each in self.endpoints])
        if self.problem and not self.up:
            status["problem"] = self.problem
        return status

    async def release(self, session: str) -> None:
        """A session ended."""
        self.tasks.of_clients.forget(session)
        for endpoint in self.endpoints:
            await endpoint.release(session)
        self._levels.forget(session, self.links)
        await self.subscriptions.forget(session)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.tasks.of_clients.expire()
            for endpoint in self.endpoints:
                await endpoint.retire(loop.time())
            await self.subscriptions.renew()
