"""Who hears what servers say unasked: legacy sessions and modern listen streams."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping

from only1mcp_kernel.gateway.clients.announcing import LIST_CHANGED, Announcer
from only1mcp_kernel.gateway.clients.listening import Listening, read_filter
from only1mcp_kernel.gateway.clients.load import Load
from only1mcp_kernel.gateway.clients.sessions import Session, Sessions
from only1mcp_kernel.gateway.clients.sinks import Outlet
from only1mcp_kernel.gateway.routing.router import Router
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.server import Server
from only1mcp_kernel.protocol.capabilities import may_ask
from only1mcp_kernel.protocol.errors import Overload, Refused
from only1mcp_kernel.protocol.legacy import wants
from only1mcp_kernel.protocol.tasks import check_declared
from only1mcp_kernel.tasks import Tasks
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import Caller, EntryKind, Json, Members, Only1McpError, Question
from only1mcp_sdk.members import join, quoted, text

from only1mcp_kernel.gateway.servers.request import ServerError  # isort: skip

MAX_LISTENINGS = 10_000
ACKNOWLEDGE_SECONDS = 5.0
"""How long servers may take to accept subscriptions; those that do not are left out of the acknowledgement."""


class Clients:
    """The clients of this process; implements `Audience` for servers."""

    def __init__(
        self, sessions: Sessions, streams: Load, routers: Callable[[], Mapping[str, Router]], tasks: Tasks
    ) -> None:
        self._sessions = sessions
        self._streams = streams
        self._routers = routers
        self._tasks = tasks
        self._listenings: dict[str, Listening] = {}
        self._names = itertools.count(1)
        self._announcer = Announcer(self._tell)

    # -- Audience

    def catalogue_changed(self, server: Server, kinds: Iterable[EntryKind]) -> None:
        methods = list(dict.fromkeys(LIST_CHANGED[kind] for kind in kinds))
        for profile, router in self._routers().items():
            if router.servers.get(server.name) is server:
                router.views.outdate()
                for method in methods:
                    self._announcer.announce(profile, method)

    def profile_changed(self, profile: str) -> None:
        """A reload changed what a profile shows."""
        for method in dict.fromkeys(LIST_CHANGED.values()):
            self._announcer.announce(profile, method)

    def logged(self, link: Link, message: Envelope, params: Members) -> None:
        level = text(params.get("level")) or "info"
        for session in self._one_principals(link):
            if wants(level, session.log_level):
                session.tell_anywhere(wire.notification(message.method, message.params))

    def told(self, link: Link, message: Envelope) -> None:
        for session in self._one_principals(link):
            session.tell_anywhere(wire.notification(message.method, message.params))

    def _one_principals(self, link: Link) -> list[Session]:
        """The sessions of a link; none where several principals used it, and nobody can tell whose is meant."""
        if len(link.users) > 1:
            return []
        return [found for id in link.members if (found := self._sessions.by_id(id)) is not None]

    def resource_updated(self, server: Server, link: Link, uri: str, params: Members) -> None:
        for subscribed, names in list(link.subscriptions.items()):
            if uri != subscribed and not (len(link.users) == 1 and _is_part(uri, subscribed)):
                continue
            for name in list(names):
                session = self._sessions.by_id(name)
                if session is not None:
                    shown = self._as_shown(session.caller.profile, server, uri, params)
                    session.tell(wire.notification("notifications/resources/updated", join(shown)))
                elif name in self._listenings:
                    listening = self._listenings[name]
                    shown = self._as_shown(listening.caller.profile, server, uri, params)
                    listening.told("notifications/resources/updated", shown)

    def _as_shown(self, profile: str, server: Server, uri: str, params: Members) -> Members:
        router = self._routers().get(profile)
        aliases = router.views.table.aliases.get(server.name, {}) if router is not None else {}
        return {**params, "uri": quoted(aliases[uri])} if uri in aliases else params

    def ask(
        self, session: str, question: Question, answer: Callable[[bytes, bytes], None]
    ) -> Callable[[], None] | None:
        client = self._sessions.by_id(session)
        if client is None or not may_ask(client.caller.capabilities, question):
            return None
        id = client.ask(question, answer)
        return lambda: client.withdraw(id)

    def tell(self, session: str, message: bytes) -> None:
        client = self._sessions.by_id(session)
        if client is not None:
            client.tell_anywhere(message)

    def listened(self, name: str, method: str, params: Members) -> None:
        if name in self._listenings:
            self._listenings[name].told(method, params)

    # -- listen streams

    def listen(
        self, caller: Caller, id: Json, params: Members, sink: Outlet, on_end: Callable[[], None]
    ) -> Listening:
        """Open a listen stream. Raises `Refused`."""
        filter = read_filter(params)
        if filter.tasks:
            check_declared(caller.capabilities)
        if caller.profile not in self._routers():
            raise Refused(404, -32600, f"The profile {caller.profile!r} is gone")
        share = self._streams.share(caller.principal.id)
        if len(self._listenings) >= MAX_LISTENINGS or not share.enter():
            raise Overload("open streams")

        def ended(listening: Listening) -> None:
            self._listenings.pop(listening.name, None)
            share.leave()
            on_end()
            if listening.filter.uris or listening.filter.tasks:
                self._tasks.spawn(self._unsubscribe(listening), "unsubscribe")

        listening = Listening(f"listen-{next(self._names)}", id, caller, filter, sink, ended)
        self._listenings[listening.name] = listening
        if filter.uris or filter.tasks:
            self._tasks.spawn(self._subscribe(listening), "subscribe")
        else:
            listening.acknowledge([], [])
        return listening

    async def _subscribe(self, listening: Listening) -> None:
        uris, ids = listening.filter.uris, listening.filter.tasks
        resources = {uri: self._tasks.start(self._subscribe_to(uri, listening), "subscribe") for uri in uris}
        tasks = {id: self._tasks.start(self._watch_task(id, listening), "watch a task") for id in ids}
        pending = [*resources.values(), *tasks.values()]
        await asyncio.wait(pending, timeout=ACKNOWLEDGE_SECONDS)
        for each in pending:
            each.cancel()
        listening.acknowledge(_accepted(resources), _accepted(tasks))
        if listening.name not in self._listenings:  # it ended meanwhile
            await self._unsubscribe(listening)

    async def _subscribe_to(self, uri: str, listening: Listening) -> bool:
        router = self._routers().get(listening.caller.profile)
        owned = router.views.uri_owner(uri) if router is not None else None
        if router is None or owned is None:
            return False
        subscriptions = router.servers[owned[0]].subscriptions
        try:
            await subscriptions.subscribe(listening.caller, owned[1], listening.name)
        except (Only1McpError, ServerError, TimeoutError):
            return False
        return True

    async def _watch_task(self, id: str, listening: Listening) -> bool:
        router = self._routers().get(listening.caller.profile)
        for server in router.servers.values() if router is not None else ():
            if await server.watch_task(listening.caller, id, listening.name):
                return True
        return False

    async def _unsubscribe(self, listening: Listening) -> None:
        # Of all profiles: its own may be gone, or have other servers than when it began.
        for server in {each for router in self._routers().values() for each in router.servers.values()}:
            server.unwatch_tasks(listening.name)
            await server.subscriptions.forget(listening.name)

    # -- ends

    def end_profile(self, profile: str) -> None:
        """A profile is gone, and its URL with it."""
        for listening in list(self._listenings.values()):
            if listening.caller.profile == profile:
                listening.finish()
        for session in self._sessions:
            if session.caller.profile == profile:
                self._sessions.end(session)

    def close(self) -> None:
        self._announcer.close()
        for listening in list(self._listenings.values()):
            listening.finish()

    def listens(self, name: str) -> bool:
        """Whether there is a listen stream of this name."""
        return name in self._listenings

    def __len__(self) -> int:
        return len(self._listenings)

    def _tell(self, profile: str, method: str) -> None:
        message = wire.notification(method, b"")
        for session in self._sessions:
            if session.caller.profile == profile:
                session.tell(message)
        for listening in list(self._listenings.values()):
            if listening.caller.profile == profile:
                listening.list_changed(method)


def _accepted(asked: Mapping[str, asyncio.Task[bool]]) -> list[str]:
    return [each for each, task in asked.items() if task.done() and not task.cancelled() and task.result()]


def _is_part(uri: str, whole: str) -> bool:
    """Whether a server may mean a part of what was subscribed to (specification, "Resource Updated Notification")."""
    return uri.startswith(whole) and (whole.endswith("/") or uri[len(whole)] in "/?#")
