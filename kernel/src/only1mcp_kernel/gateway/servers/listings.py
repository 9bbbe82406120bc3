"""What one server lists: fetched for each variant of callers on first use, kept, and listed again when it changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from only1mcp_kernel.gateway.servers.catalogue import Catalogue, Memory, Variant, fetch
from only1mcp_kernel.gateway.servers.endpoint import Endpoint
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.sharing import anchor_caller
from only1mcp_kernel.protocol import param_headers
from only1mcp_kernel.protocol.param_headers import Plan, plans_of
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import Caller, Capabilities, ConnectionLost, EntryKind, Era, Members, Only1McpError
from only1mcp_sdk.members import text

ALL_KINDS: tuple[EntryKind, ...] = ("tool", "prompt", "resource", "template")

MAX_COMPLAINTS = 1000
"""Tools left out that are remembered, to be complained of once."""
MAX_FETCHED = 64
"""Variants whose listing is kept; the one listed longest ago is listed anew when somebody asks."""
REVISIT_SECONDS = 30.0
"""How old the listing of a server may be that does not tell of changes."""


class Listings:
    """The catalogues of one server. `reachable` are its endpoints that are up, `changed` is told what is new, `join`
    that a caller uses a link."""

    def __init__(
        self,
        memory: Memory,
        reachable: Callable[[], Sequence[Endpoint]],
        changed: Callable[[Iterable[EntryKind]], None],
        join: Callable[[Link, Caller], None],
        timeout: float,
        tasks: Tasks,
        log: logging.Logger,
    ) -> None:
        self.memory = memory
        self.fetched: dict[Variant, Catalogue] = {}
        self.plans: dict[str, Plan] = {}
        """The tools that want arguments repeated in header fields, as the server lists them to modern clients, or
        listed them last time."""
        self.annotated = False
        """Whether there is any such tool, in whichever era."""
        self._plan()
        self.left_out: set[str] = set()
        """The tools that modern clients are not shown over HTTP, because their annotations break the rules."""
        self._complaints: set[str] = set()
        self.answered = asyncio.Event()
        """Set once the server has been listed for the first time, or could not be."""
        self._reachable = reachable
        self._changed = changed
        self._join = join
        self._timeout = timeout
        self._tasks = tasks
        self._log = log
        self._fetching: dict[Variant, asyncio.Task[None]] = {}
        self._wanted: dict[Variant | None, float] = {}
        """When each variant was first asked for; None for the server's first answer of all."""
        self._now = asyncio.get_running_loop().time
        self._listed_at: dict[Variant, float] = {}
        self.unannounced: set[Variant] = set()
        """The variants of whose changes the server does not tell."""
        self._stale: set[EntryKind] = set()
        self._doubted = False
        self._tellers: dict[Variant, Link] = {}
        self._refreshing: asyncio.Task[None] | None = None

    def variant(self, caller: Caller) -> Variant:
        """Which of the catalogues this caller sees."""
        reachable = self._reachable()
        era = reachable[0].era_for(caller) if reachable else None
        return era or caller.era, caller.capabilities.group

    def current(self, caller: Caller) -> Catalogue | None:
        """The catalogue for this caller: the exact one, else the exact one of last time, else the nearest there is;
        None while the server is down."""
        if not self._reachable():
            return None
        variant = self.variant(caller)
        exact = self.fetched.get(variant) or (self.memory.recall(variant) if self.fetched else None)
        return exact or next(iter(self.fetched.values()), None)

    def lacks(self, caller: Caller) -> bool:
        """Whether `ready` would wait."""
        if not self.answered.is_set():
            return True
        reachable = self._reachable()
        if not reachable:
            return False
        return (reachable[0].era_for(caller) or caller.era, caller.capabilities.group) not in self.fetched

    def patience(self, caller: Caller, seconds: float) -> float:
        """How much longer a list should wait for this caller's catalogue: `seconds` from when somebody first wanted it,
        and nothing once it is there."""
        if not self.lacks(caller):
            return 0.0
        now = asyncio.get_running_loop().time()
        awaited = self.variant(caller) if self.answered.is_set() else None
        return max(0.0, self._wanted.setdefault(awaited, now) + seconds - now)

    async def ready(self, caller: Caller) -> None:
        """Return when this caller's catalogue is there or can't be had now."""
        await self.answered.wait()
        if self._reachable() and self.variant(caller) not in self.fetched:
            await asyncio.shield(self.fetch(caller))

    def greeting(self, era: Era) -> tuple[Era, Members]:
        """How the server greets the gateway on behalf of clients of this era, as last known, and the era it is then
        spoken to in: the other one, when it speaks no other."""
        spoken = self.variant(anchor_caller(era))[0]
        other: Era = "legacy" if spoken == "modern" else "modern"
        for each in (spoken, other):
            greeting = self.memory.greeting(each)
            if greeting is not None:
                return each, greeting
        return spoken, {}

    def revisit(self, caller: Caller) -> None:
        """Somebody lists: a server that does not tell of changes is listed again, unless that was done just now. What
        is new is announced."""
        variant = self.variant(caller)
        listed_at = self._listed_at.get(variant)
        if listed_at is None or self._now() - listed_at <= REVISIT_SECONDS:  # as a rule
            return
        if variant in self.unannounced and variant in self.fetched:
            self.fetch(caller)

    def known(self) -> list[Catalogue]:
        """Everything known of what the server lists to anybody, now or last time."""
        return [*self.fetched.values(), *self.memory.all()]

    # -- fetching

    def fetch(self, caller: Caller) -> asyncio.Task[None]:
        """List the server for this caller; once, however many ask."""
        variant = self.variant(caller)
        task = self._fetching.get(variant)
        if task is None:
            task = self._tasks.start(self._fetch_for(caller), "list")
            self._fetching[variant] = task
            task.add_done_callback(lambda _: self._fetching.pop(variant, None))
        return task

    async def _fetch_for(self, caller: Caller) -> None:
        for endpoint in self._reachable():
            try:
                link = await endpoint.lease(caller)
                self._join(link, caller)
                catalogue = await self._fetch_over(link, caller.capabilities)
            except (Only1McpError, TimeoutError) as error:
                self._log.warning(
                    "could not be listed: %s", str(error) or f"took longer than {self._timeout:g} s"
                )
                continue
            if self._keep((link.era, caller.capabilities.group), catalogue):
                self._changed(ALL_KINDS)
            return

    async def _fetch_over(self, link: Link, capabilities: Capabilities) -> Catalogue:
        catalogue = await fetch(link, capabilities, self._timeout, self._log)
        if link.era == "modern" and not link.duplex:
            tools = catalogue.entries.get("tool", [])
            catalogue.entries["tool"] = [tool for tool in tools if self._well_annotated(tool)]
            listed = set(catalogue.identifiers("tool"))
            self.left_out = {text(tool.get("name")) or "" for tool in tools} - listed
        return catalogue

    def _well_annotated(self, tool: Members) -> bool:
        """A tool whose annotations for header fields break the rules is not to be shown (specification 2026-07-28)."""
        try:
            param_headers.read(tool.get("inputSchema", b""))
        except param_headers.BadAnnotation as error:
            complaint = f"the tool {text(tool.get('name'))!r} is left out: {error}"
            if complaint not in self._complaints:
                if len(self._complaints) >= MAX_COMPLAINTS:
                    self._complaints.clear()
                self._complaints.add(complaint)
                self._log.warning("%s", complaint)
            return False
        return True

    def _keep(self, variant: Variant, catalogue: Catalogue) -> bool:
        """Whether it is another one than before."""
        known = self.fetched.get(variant)
        self.fetched[variant] = catalogue
        if catalogue.announced():
            self.unannounced.discard(variant)
        else:
            self.unannounced.add(variant)
        self._plan()
        self._listed_at.pop(variant, None)
        self._listed_at[variant] = self._now()
        while len(self._listed_at) > MAX_FETCHED:  # clients declare what they like
            oldest = next(iter(self._listed_at))
            del self._listed_at[oldest]
            self.unannounced.discard(oldest)
            self.fetched.pop(oldest, None)
        self.memory.keep(variant, catalogue)
        return known != catalogue

    def _plan(self) -> None:
        """Read which tools want arguments repeated."""
        known = list(self.fetched.items())
        if not known:  # calls may come before the server is listed
            known = self.memory.variants()
        self.plans, self.annotated = {}, False
        for (era, _), each in known:
            plans = plans_of(
                {
                    text(tool.get("name")) or "": tool.get("inputSchema", b"")
                    for tool in each.entries.get("tool", [])
                }
            )
            self.annotated = self.annotated or bool(plans)
            if era == "modern":
                self.plans.update(plans)

    def outdated(self, kinds: Iterable[EntryKind], teller: Link | None = None) -> None:
        """The server says that its lists changed: list it again for everybody who is being served. Where several
        processes serve, the one that said so knows best."""
        self._stale.update(kinds)
        if teller is not None:
            self._tellers[teller.era, teller.capabilities.group] = teller
        self._list_again()

    def doubt(self) -> None:
        """The server may have said that its lists changed when nobody heard: list it again, and tell of it if they
        did."""
        self._doubted = True
        self._list_again()

    def _list_again(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = self._tasks.spawn(self._refresh(), "list again")

    def again(self, then: Callable[[], None]) -> None:
        """List the tools again, then call `then`, whatever came of it."""
        self.outdated(("tool",))
        if self._refreshing is not None:
            self._refreshing.add_done_callback(lambda _: then())

    async def _refresh(self) -> None:
        while self._stale or self._doubted:
            kinds, self._stale = self._stale, set()
            doubted, self._doubted = self._doubted, False
            changed = [await self._fetch_again(variant) for variant in list(self.fetched)]
            if doubted and any(changed):
                kinds = set(ALL_KINDS)
            if kinds:
                self._changed(kinds)

    async def _fetch_again(self, variant: Variant) -> bool:
        """Whether it lists something else now."""
        links = [link for each in self._reachable() for link in each.links if _serves(link, variant)]
        teller = self._tellers.pop(variant, None)
        if teller in links:
            links.insert(0, teller)
        if not links:
            self.fetched.pop(variant, None)  # nobody uses it now; listed again when somebody asks
            return False
        try:
            return self._keep(variant, await self._fetch_over(links[0], links[0].capabilities))
        except (ConnectionLost, TimeoutError) as error:
            self._log.warning("could not be listed again: %s", str(error) or "too slow")
            return False


def _serves(link: Link, variant: Variant) -> bool:
    era, group = variant
    return link.alive and link.era == era and link.capabilities.group == group
