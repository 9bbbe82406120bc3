"""Routing: what each method of an exchange leads to, in one profile.

Lists and what concerns the gateway itself are answered here; everything else goes to the one server that owns the name
or URI in the request. Nothing is ever tried on a server to see whether it fits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from only1mcp_kernel.config.model import ProfileConfig
from only1mcp_kernel.gateway.routing import names
from only1mcp_kernel.gateway.routing.faults import fault
from only1mcp_kernel.gateway.routing.identity import discovery
from only1mcp_kernel.gateway.routing.leads import Leads
from only1mcp_kernel.gateway.routing.pages import Pages
from only1mcp_kernel.gateway.routing.translation import translated
from only1mcp_kernel.gateway.routing.views import Views
from only1mcp_kernel.gateway.servers.call import CANCELLED
from only1mcp_kernel.gateway.servers.catalogue import BY_METHOD, ListKind, declared
from only1mcp_kernel.gateway.servers.endpoint import ERAS
from only1mcp_kernel.gateway.servers.request import ServerError
from only1mcp_kernel.gateway.servers.server import Server
from only1mcp_kernel.gateway.tasks.ids import TaskIds
from only1mcp_kernel.gateway.tasks.routing import TaskRouting
from only1mcp_kernel.protocol.legacy import LEVELS
from only1mcp_kernel.protocol.revisions import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    defined,
    exists,
)
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import Done, EntryKind, Era, Exchange, Failure, Handler, Json, Only1McpError, Result
from only1mcp_sdk.members import join, quoted, split, text

_OWNED: Mapping[str, tuple[EntryKind, str]] = {
    "tools/call": ("tool", "name"),
    "prompts/get": ("prompt", "name"),
    "resources/read": ("resource", "uri"),
}
EMPTY = b"{}"

LevelSetter = Callable[[str, str], None]


class Router:
    """Serves every exchange of one profile."""

    def __init__(
        self,
        profile: ProfileConfig,
        views: Views,
        servers: Mapping[str, Server],
        handlers: Mapping[str, Handler],
        startup_wait: float,
        tasks: Tasks,
        set_level: LevelSetter,
        task_ids: TaskIds,
        pages: Pages,
    ) -> None:
        self.views = views
        self.servers = servers
        self._listings = tuple(server.listings for server in servers.values())
        self._profile = profile.name
        self._page_size = profile.page_size
        self._pages = pages
        self._leads = Leads(views, servers, profile.methods)
        self._handlers = handlers
        self._startup_wait = startup_wait
        self._tasks = tasks
        self._set_level = set_level
        self._began = asyncio.get_running_loop().time()
        local: dict[str, Handler] = {
            "ping": self._ping,
            "server/discover": self._discover,
            "logging/setLevel": self._level,
            "completion/complete": self._complete,
            "resources/subscribe": self._subscription,
            "resources/unsubscribe": self._subscription,
            **dict.fromkeys(BY_METHOD, self._list),
            **dict.fromkeys(_OWNED, self._owned),
            **TaskRouting(servers, task_ids, self._forward, tasks).handlers,
        }
        self._local: dict[Era, dict[str, Handler]] = {
            era: {method: handler for method, handler in local.items() if exists(method, era)} for era in ERAS
        }

    def route(self, exchange: Exchange, done: Done) -> None:
        """The terminal of the profile's pipeline. No exception comes out of it: a fault ends this exchange and nothing
        else."""
        try:
            self._local[exchange.caller.era].get(exchange.method, self._other)(exchange, done)
        except Exception as error:
            done(fault(f"profiles.{self._profile}", error))

    # -- answered here

    def _ping(self, exchange: Exchange, done: Done) -> None:
        done(Result(EMPTY, exchange.caller.era))

    def _discover(self, exchange: Exchange, done: Done) -> None:
        listings = [server.listings for server in self.servers.values()]
        if any(not each.answered.is_set() and not each.greeting("modern")[1] for each in listings):
            self.once_listed(exchange, done, lambda: done(discovery(self.servers)))
        else:
            done(discovery(self.servers))

    def _level(self, exchange: Exchange, done: Done) -> None:
        level = text((exchange.params or {}).get("level"))
        if level not in LEVELS:
            done(Failure.of(INVALID_PARAMS, f"Invalid params: level must be one of {', '.join(LEVELS)}"))
            return
        self._set_level(exchange.caller.session, level)
        done(Result(EMPTY, "legacy"))

    def _list(self, exchange: Exchange, done: Done) -> None:
        each = BY_METHOD[exchange.method]
        cursor = (exchange.params or {}).get("cursor")
        if cursor is not None:
            done(self._pages.following(each.method, cursor, exchange.caller))
            return

        for listings in self._listings:
            if listings.lacks(exchange.caller):
                self.once_listed(exchange, done, lambda: self._list_now(each, exchange, done))
                return
        self._list_now(each, exchange, done)

    def _list_now(self, each: ListKind, exchange: Exchange, done: Done) -> None:
        caller = exchange.caller
        if each.kind == "tool" and self.views.showing is not None:
            self.views.showing.view(caller).listed(caller)
        done(self._pages.first(each.method, self.views.listing(each, caller), self._page_size, caller))
        for listings in self._listings:
            if listings.unannounced:
                listings.revisit(caller)

    def once_listed(self, exchange: Exchange, done: Done, go_on: Callable[[], None]) -> None:
        """Give servers that have not been listed for a caller like this one a moment, then go on with what is there.
        Those that come later are announced by list_changed."""
        caller = exchange.caller
        lacking = [listings for listings in self._listings if listings.lacks(caller)]
        if not lacking:
            go_on()
            return
        patience = max(listings.patience(caller, self._startup_wait) for listings in lacking)
        pending = [
            self._tasks.start(listings.ready(caller), f"list for {self._profile}") for listings in lacking
        ]

        async def wait() -> None:
            try:
                await asyncio.wait(pending, timeout=patience)
            finally:
                for task in pending:
                    task.cancel()
            try:
                go_on()
            except Exception as error:
                done(fault(f"profiles.{self._profile}", error))

        task = self._tasks.start(wait(), f"{exchange.method} {self._profile}")
        task.add_done_callback(lambda ended: done(CANCELLED) if ended.cancelled() else None)
        exchange.on_cancel = lambda reason: (task.cancel(), None)[1]

    # -- answered by a server

    def _owned(self, exchange: Exchange, done: Done) -> None:
        kind, member = _OWNED[exchange.method]
        table = self.views.table
        owned = table.owners[kind].get(exchange.name)
        if owned is not None and not table.aliases:  # as a rule
            exchange.server, exchange.target = owned
            self._handlers[owned[0]](exchange, done)
        elif not exchange.name and not isinstance(text((exchange.params or {}).get(member)), str):
            done(Failure.of(INVALID_PARAMS, f"Invalid params: {exchange.method} needs a {member}"))
        else:
            self._forward_named(kind, exchange.name, exchange, done)

    def _forward_named(self, kind: EntryKind, name: str, exchange: Exchange, done: Done) -> None:
        owned = self._leads.owner(kind, name)
        if owned is not None:
            self._forward(owned, exchange, done)
        elif self._starting():
            self.once_listed(exchange, done, lambda: self._forward_named(kind, name, exchange, done))
        else:
            done(self._leads.unknown(kind, name, exchange.caller))

    def _starting(self) -> bool:
        """Whether what is unknown may be listed in a moment."""
        young = asyncio.get_running_loop().time() - self._began < self._startup_wait
        return young and any(not each.listings.answered.is_set() for each in self.servers.values())

    def _forward(self, owned: names.Owned, exchange: Exchange, done: Done) -> None:
        exchange.server, exchange.target = owned
        handler = self._handlers[exchange.server]
        aliases = self.views.table.aliases.get(exchange.server)
        if aliases:
            handler = translated(aliases, handler)
        handler(exchange, done)

    def _complete(self, exchange: Exchange, done: Done) -> None:
        ref_raw = (exchange.params or {}).get("ref")
        try:
            ref = split(ref_raw) if ref_raw else {}
        except ValueError:
            ref = {}
        name, uri = text(ref.get("name")), text(ref.get("uri"))
        exchange.name = name or uri or ""
        if name is not None:
            owned, member = self._leads.owner("prompt", name), "name"
        elif uri is not None:
            owned, member = self._leads.template(uri), "uri"
        else:
            problem = "Invalid params: completion/complete needs a ref to a prompt or a resource"
            done(Failure.of(INVALID_PARAMS, problem))
            return
        if owned is None:
            if self._starting():
                self.once_listed(exchange, done, lambda: self._complete(exchange, done))
                return
            known = self.views.shown_names("prompt") if name is not None else []
            done(self._leads.unheard("reference", exchange.name, known))
            return
        _, greeting = self.servers[owned[0]].listings.greeting(exchange.caller.era)
        if "completions" not in declared(greeting) and not self.views.plain:
            done(Result(b'{"completion":{"values":[]}}', "legacy"))
            return
        if owned[1] != exchange.name:
            exchange.params = {
                **(exchange.params or {}),
                "ref": join({**ref, member: quoted(owned[1])}),
            }
        self._forward(owned, exchange, done)

    def _subscription(self, exchange: Exchange, done: Done) -> None:
        uri = text((exchange.params or {}).get("uri"))
        if uri is None:
            done(Failure.of(INVALID_PARAMS, f"Invalid params: {exchange.method} needs a uri"))
            return
        exchange.name = uri
        owned = self._leads.owner("resource", uri)
        if owned is None:
            done(self._leads.unknown("resource", uri, exchange.caller))
            return
        exchange.server, exchange.target = owned
        server = self.servers[owned[0]]
        wanted = exchange.method == "resources/subscribe"

        async def work() -> None:
            try:
                if wanted:
                    await server.subscriptions.subscribe(exchange.caller, owned[1], exchange.caller.session)
                    if exchange.cancelled:  # the session ended meanwhile, and nobody else would undo it
                        await server.subscriptions.unsubscribe(owned[1], exchange.caller.session)
                else:
                    await server.subscriptions.unsubscribe(owned[1], exchange.caller.session)
            except ServerError as error:
                done(error.failure)
            except (Only1McpError, TimeoutError) as error:
                problem = str(error) or "did not answer in time"
                done(
                    Failure.of(INTERNAL_ERROR, f'Server "{server.name}": {problem}', {"server": server.name})
                )
            else:
                done(Result(EMPTY, "legacy"))

        task = self._tasks.start(work(), f"{exchange.method} {server.name}")
        # It is cancelled with the link it waits for, when the server is closed.
        task.add_done_callback(lambda ended: done(CANCELLED) if ended.cancelled() else None)

    def _other(self, exchange: Exchange, done: Done) -> None:
        """A method MCP does not define, or one only servers know: it goes where that is certain. One of the other era
        goes nowhere."""
        if not exists(exchange.method, exchange.caller.era):
            done(_no_method(exchange.method))
            return
        lead = self._leads.undefined(exchange.method, exchange.params or {}, exchange.caller.era)
        if lead is not None:
            server, params = lead
            if exchange.params is not None:
                exchange.params = params
            self._forward((server, ""), exchange, done)
        elif self._starting():
            self.once_listed(exchange, done, lambda: self._other(exchange, done))
        else:
            done(_no_method(exchange.method))

    def notified(self, session: str, method: str, params: Json) -> None:
        """A session's notification that MCP does not define: it goes where a method of that name would go by the
        configuration, over the links the session uses; else nowhere."""
        server = None if defined(method) else self._leads.configured(method)
        for link in self.servers[server].links if server is not None else ():
            if session in link.members and link.era == "legacy":
                link.notify(method, params)


def _no_method(method: str) -> Failure:
    return Failure.of(METHOD_NOT_FOUND, f"Method not found: {method}")
