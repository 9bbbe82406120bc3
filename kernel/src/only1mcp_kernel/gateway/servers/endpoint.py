"""An endpoint: one replica of a server, and its links.

One link, the anchor, is kept open as long as the endpoint is configured: it shows whether the server is there, and
comes back by itself. Other links open when a caller needs one that cannot be shared, and close when idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Protocol

from only1mcp_kernel.gateway.metrics import CallFigures
from only1mcp_kernel.gateway.servers.handshake import WrongEra, greet
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.request import ServerError, ask
from only1mcp_kernel.gateway.servers.sharing import (
    LinkKey,
    Terms,
    anchor_caller,
    declared_to,
    link_key,
    owner_name,
)
from only1mcp_kernel.protocol.capabilities import EVERYTHING, read_client
from only1mcp_kernel.tasks import Tasks
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import (
    Caller,
    Capabilities,
    ConnectFailed,
    ConnectionLost,
    Connector,
    Era,
    Json,
    Members,
    Only1McpError,
    Question,
)

Slot = tuple[LinkKey, str]

FIRST_BACKOFF = 0.5
MAX_BACKOFF = 30.0
STEADY = 10.0
"""A link that lived this many seconds was a success: the next failure starts at the first back-off again."""
ERAS: tuple[Era, ...] = ("modern", "legacy")
ROOTS_SECONDS = 2.0
"""How long a call that opens a link waits for a server to ask for roots and to be given them."""
ROOTS_SETTLE_SECONDS = 0.1
"""The protocol has no way for a server to say that it has taken them in."""
MAX_LINKS = 256
"""Links per endpoint. More callers than that who cannot share are refused."""


class Owner(Protocol):
    """The server an endpoint belongs to."""

    def endpoint_up(self, endpoint: Endpoint) -> None: ...

    def endpoint_down(self, endpoint: Endpoint, problem: str) -> None: ...

    def asked(self, link: Link, id: Json, question: Question, stream: int | None) -> None: ...

    def withdrew(self, link: Link, id: Json) -> None: ...

    def notified(self, link: Link, message: Envelope, params: Members) -> None: ...


class Endpoint:
    """One replica. Implements `Candidate` for balancers and `Host` for its links."""

    def __init__(
        self,
        key: str,
        weight: int,
        connector: Connector,
        terms: Terms,
        owner: Owner,
        tasks: Tasks,
        log: logging.Logger,
    ) -> None:
        self.key = key
        self.weight = weight
        self.figures = CallFigures()
        self.up = False
        self.tried = asyncio.Event()
        """Set once the first attempt to reach it has ended, one way or the other."""
        self.problem = "connecting"
        self.speaks: dict[Era, bool] = {}
        """What is known of the eras it speaks."""
        self.wants_roots = False
        """It asks clients for their roots: a link that could give them serves one session."""
        self.connector = connector
        self.anchor: Link | None = None
        self._terms = terms
        self._owner = owner
        self._log = log
        self._links: dict[LinkKey, list[Link]] = {}
        self.used: dict[Caller, Link] = {}
        """The links that calls of these callers take, as long as nothing about links changes; for those who make calls
        to note."""
        self._opening: dict[Slot, asyncio.Task[Link | None]] = {}
        self._begun = 0
        """How many links are just being opened."""
        self._attention = asyncio.Event()
        self._tasks = tasks

    @property
    def in_flight(self) -> int:
        return self.figures.in_flight

    # -- the anchor

    async def supervise(self) -> None:
        """Keep the anchor open, until cancelled."""
        loop = asyncio.get_running_loop()
        backoff = FIRST_BACKOFF
        caller = anchor_caller("modern" if self._terms.era != "legacy" else "legacy")
        while True:
            began = loop.time()
            try:
                self.anchor = await self._lease(caller)
            except Only1McpError as error:
                problem = str(error)
            else:
                self.up, self.problem = True, ""
                self._owner.endpoint_up(self)
                self.tried.set()
                problem = await self._watch(self.anchor)
                self.anchor = None
                if loop.time() - began > STEADY:
                    backoff = FIRST_BACKOFF
            self._log.warning("%s; next attempt in %.1f s", problem, backoff)
            self.up, self.problem = False, problem
            self.speaks.clear()  # what comes back may be another version of it
            self.used.clear()
            self._owner.endpoint_down(self, problem)
            self.tried.set()
            await asyncio.sleep(backoff * random.uniform(0.8, 1.2))
            backoff = min(backoff * 2, MAX_BACKOFF)

    async def _watch(self, link: Link) -> str:
        """Wait until the link is gone. When requests get lost on a link that seems open, ask whether the server is
        still there."""
        while True:
            await self._attention.wait()
            self._attention.clear()
            if not link.alive:
                return link.problem
            try:
                await ask(link, "ping" if link.era == "legacy" else "server/discover", {}, 5.0)
            except ServerError:
                continue
            except (ConnectionLost, TimeoutError) as error:
                await self._drop_all()
                return str(error) or "the server does not answer"

    async def _drop_all(self) -> None:
        links = self.links
        self._links.clear()  # first: links opened meanwhile stay
        self.used.clear()
        for link in links:
            await link.close()

    # -- links

    def ready(self, caller: Caller) -> Link | None:
        """The open link this caller uses, if there is one."""
        era = self.era_for(caller)
        if era is None:
            return None
        for link in self._links.get(link_key(self._terms, era, caller), ()):
            if link.alive and (link.owner is None or link.owner == owner_name(caller)):
                return link
        return None

    async def lease(self, caller: Caller) -> Link:
        """The link this caller uses, opened where there is none. Raises `ConnectFailed`, at once while the endpoint
        is known to be down."""
        if self.tried.is_set() and not self.up:
            raise ConnectFailed(self.problem)
        return await self._lease(caller)

    async def _lease(self, caller: Caller) -> Link:
        while True:
            link = self.ready(caller)
            if link is not None:
                return link
            era = self.era_for(caller)
            slot = self._slot(era, caller)
            task = self._opening.get(slot)
            if task is None:
                task = self._tasks.start(self._open(era, caller), f"connect {self.connector.target}")
                self._opening[slot] = task
                task.add_done_callback(self._opened(slot))
            link = await asyncio.shield(task)
            if link is not None and self.ready(caller) is link:
                return link

    def _slot(self, era: Era | None, caller: Caller) -> Slot:
        """Callers of one slot wait for one link: all of them while the era has to be found out."""
        if era is None:
            return ("unknown",), ""
        return link_key(self._terms, era, caller), self._own(caller, caller.capabilities) or ""

    def _opened(self, slot: Slot) -> Callable[[object], None]:
        return lambda _: (self._opening.pop(slot, None), None)[1]

    async def _open(self, era: Era | None, caller: Caller) -> Link | None:
        """Open a link; None when the server turned out not to speak `era`."""
        if self._full:
            await self._make_room()
        if self._full:
            raise ConnectFailed(f"all {MAX_LINKS} links to {self.connector.target} are in use")
        self._begun += 1
        try:
            return await self._connect(era, caller)
        finally:
            self._begun -= 1

    @property
    def _full(self) -> bool:
        return len(self.links) + self._begun >= MAX_LINKS

    async def _connect(self, era: Era | None, caller: Caller) -> Link | None:
        shared = self._terms.isolation == "shared"
        capabilities = read_client(EVERYTHING) if shared else declared_to(era, caller)
        link = Link(self.connector, capabilities, self, self._log)
        link.opener = caller.session or None
        timeout = self._terms.connect_timeout
        try:
            try:
                async with asyncio.timeout(timeout):
                    await link.connect()
            except TimeoutError:
                raise ConnectFailed(f"could not connect within {timeout:g} s") from None
            await greet(link, era, timeout)
            link.owner = self._own(caller, capabilities)
            if link.owner is not None and caller.session:
                await _until_rooted(link)
            if not link.alive:
                raise ConnectFailed(link.problem)
        except WrongEra as error:
            await link.close()
            if era is None or self._terms.era is not None:
                raise ConnectFailed(str(error)) from None
            self.speaks[era] = False
            self.used.clear()
            if not any(self.speaks.get(one, True) for one in ERAS):
                self.speaks.clear()
                raise ConnectFailed(f"the server speaks no revision known here: {error}") from None
            return None
        except Only1McpError:
            await link.close()
            raise
        except Exception as error:
            await link.close()
            self._log.error("the connector raised while connecting", exc_info=error)
            raise ConnectFailed(f"internal error in the connector: {error!r}") from error
        except BaseException:
            await link.close()
            raise
        self.speaks[link.era] = True
        self.used.clear()
        if era is None and link.era == "legacy":
            self.speaks["modern"] = False
        link.used = asyncio.get_running_loop().time()
        self._links.setdefault(link_key(self._terms, link.era, caller), []).append(link)
        return link

    def era_for(self, caller: Caller) -> Era | None:
        """The era to speak in with this caller; None while it has to be found out."""
        if self._terms.era is not None:
            return self._terms.era
        if not self.speaks:
            return None
        if self.speaks.get(caller.era, True):
            return caller.era
        return "legacy" if caller.era == "modern" else "modern"

    def _own(self, caller: Caller, capabilities: Capabilities) -> str | None:
        """Whose a new link is from the start: a server known to ask for roots gets one link per session."""
        if self.wants_roots and self._terms.isolation == "auto" and "roots" in capabilities.asks:
            return owner_name(caller)
        return None

    def roots_asked(self, link: Link, owner: str | None) -> None:
        """The server asks for roots over a link. Whoever gives them has that link for itself from now on, and every
        session that could give them gets one of its own."""
        self.wants_roots = True
        mine = self._terms.isolation == "auto" and link in self.links
        if mine and link.owner is None and "roots" in link.capabilities.asks:
            self._belongs(link, owner)

    def task_made(self, link: Link, owner: str) -> None:
        """The server has a task for a session over this link, and the link is that session's from now on."""
        if self._terms.isolation == "auto" and link.owner is None:
            self._belongs(link, owner)

    def _belongs(self, link: Link, owner: str | None) -> None:
        link.owner = owner
        self.used.clear()

    async def retire(self, now: float) -> None:
        """Close links that nobody has used for a while, and those whose session is gone with their tasks."""
        for link in self.links:
            if link is self.anchor or link.waiting or now < link.held_until:
                continue
            idle = bool(self._terms.idle_stop) and now - link.used > self._terms.idle_stop
            if link.abandoned or (idle and not link.subscriptions):
                await self._discard(link)

    async def release(self, owner: str) -> None:
        """A session ended: close the links that were its own, and open none for it any more."""
        for (key, own), task in list(self._opening.items()):
            if own == owner or owner in key:
                task.cancel()
        for key, links in list(self._links.items()):
            for link in list(links):
                link.members.discard(owner)
                if link.opener == owner:
                    # What the server asks from now on is another's to answer, or nobody's.
                    link.opener = min(link.members, default=None)
                if link.owner == owner or owner in key:
                    await self._leave(link, shareable=owner not in key)

    async def _leave(self, link: Link, shareable: bool) -> None:
        """Close a link whose session ended, unless it is needed beyond that. One that holds tasks goes to the next
        session of the same kind, if it was given nothing that was that session's alone."""
        held = asyncio.get_running_loop().time() < link.held_until
        if link is self.anchor or (held and shareable and not link.roots_answered.is_set()):
            self._belongs(link, None)
        elif held:
            link.abandoned = True
        else:
            await self._discard(link)

    async def _make_room(self) -> None:
        """Close the link of a session that is gone whose tasks are over first."""
        abandoned = [link for link in self.links if link.abandoned]
        if abandoned:
            await self._discard(min(abandoned, key=lambda link: link.held_until))

    async def _discard(self, link: Link) -> None:
        self._remove(link)
        await link.close()

    def _remove(self, link: Link) -> None:
        self.used.clear()
        for key, links in list(self._links.items()):
            if link in links:
                links.remove(link)
                if not links:
                    del self._links[key]

    @property
    def links(self) -> list[Link]:
        return [link for links in self._links.values() for link in links]

    async def close(self) -> None:
        """Close every link for good; wait until all is gone."""
        self.up, self.problem = False, "it was removed or changed"
        self.tried.set()
        for task in list(self._opening.values()):
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        links = self.links
        self._links.clear()
        self.used.clear()
        await asyncio.gather(*(link.close() for link in links))

    # -- from links

    def link_asked(self, link: Link, id: Json, question: Question, stream: int | None) -> None:
        self._owner.asked(link, id, question, stream)

    def link_withdrew(self, link: Link, id: Json) -> None:
        self._owner.withdrew(link, id)

    def link_notified(self, link: Link, message: Envelope, params: Members) -> None:
        self._owner.notified(link, message, params)

    def link_closed(self, link: Link, problem: str) -> None:
        self._remove(link)
        self._log.info("a connection ended: %s", problem)
        self._attention.set()
        self._tasks.spawn(link.close(), f"close {self.connector.target}")

    def link_failed(self, link: Link) -> None:
        self._attention.set()


async def _until_rooted(link: Link) -> None:
    """A server that is known to ask for roots asks at once: let it have them before its first call."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ROOTS_SECONDS):
            await link.roots_answered.wait()
            await asyncio.sleep(ROOTS_SETTLE_SECONDS)
