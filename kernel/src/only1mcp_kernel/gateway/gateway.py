"""The gateway: what belongs to the process, and the generation in force."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from only1mcp_kernel.component import Workshop
from only1mcp_kernel.config.model import Component, Config
from only1mcp_kernel.gateway.clients.audience import Clients
from only1mcp_kernel.gateway.clients.gate import Gate
from only1mcp_kernel.gateway.clients.listening import Listening
from only1mcp_kernel.gateway.clients.load import Load
from only1mcp_kernel.gateway.clients.sessions import Session, Sessions
from only1mcp_kernel.gateway.clients.sinks import Outlet
from only1mcp_kernel.gateway.routing.identity import initialize_result
from only1mcp_kernel.gateway.routing.pages import Pages
from only1mcp_kernel.gateway.routing.router import Router
from only1mcp_kernel.gateway.routing.showing import shown_as_they_are
from only1mcp_kernel.gateway.servers.catalogue import LISTS
from only1mcp_kernel.gateway.servers.parking import Parking
from only1mcp_kernel.gateway.servers.pinning import Pins
from only1mcp_kernel.gateway.servers.sharing import anchor_caller
from only1mcp_kernel.gateway.tasks.ids import TaskIds
from only1mcp_kernel.generation import Generation, Surroundings, open_generation
from only1mcp_kernel.offers import Offers, UnknownOffer
from only1mcp_kernel.protocol import param_headers
from only1mcp_kernel.protocol.tasks import STATUS
from only1mcp_kernel.shared import Pool
from only1mcp_kernel.tasks import Tasks
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_kernel.wire.seal import KeyRing
from only1mcp_sdk import (
    Authenticator,
    Budget,
    Caller,
    Handler,
    Json,
    Listener,
    Members,
    Only1McpError,
)

SWEEP_SECONDS = 30.0
ROTATE_SECONDS = 24 * 3600.0
KEYS_KEPT = 8
DEFAULT_PROFILE = "default"
MAX_STREAMS = 40_000
"""Event streams that all clients together may have open for what servers say unasked."""
_log = logging.getLogger("only1mcp.gateway")


class Gateway:
    """One gateway. Start it once, reload it any number of times, stop it."""

    def __init__(self, offers: Offers, base_dir: Path, state_dir: Path) -> None:
        self._offers = offers
        self._keys = KeyRing(KEYS_KEPT)
        self._tasks = Tasks(_log)
        self._parking = Parking(self._keys)
        self._requests, self._streams = Load(0, 0), Load(MAX_STREAMS, 0)
        self._sessions = Sessions(self._keys, self._requests, self._streams, self._session_ended)
        self._clients = Clients(self._sessions, self._streams, self._routers, self._tasks)
        self._buffers = Budget(0)
        workshop = Workshop(offers, base_dir, state_dir, Pool(), self._buffers)
        self._task_ids = TaskIds(self._keys)
        self._pages = Pages(self._keys)
        self._around = Surroundings(
            workshop,
            self._clients,
            self._parking,
            Pins(self._keys),
            self._task_ids,
            self._pages,
            self._tasks,
            self._set_level,
            state_dir,
        )
        self._generation: Generation | None = None
        self.authenticators: tuple[Authenticator, ...] = ()
        self.handlers: Mapping[str, Handler] = {}
        self._number = 0
        self._insecure = False
        self._reloading = asyncio.Lock()
        self.gate = Gate(self, self._sessions, self._requests)

    # -- life

    async def start(self, config: Config, insecure: bool = False) -> None:
        """Open everything and take clients in. Raises `Only1McpError`; then nothing is left open.

        `insecure` permits listeners that other machines can reach without any authenticator.
        """
        self._insecure = insecure
        self._buffers.limit = config.limits.buffer_bytes
        self._put_in_force(await open_generation(config, self._around, insecure))
        self._tasks.spawn(self._sweep(), "sweep")
        for listener in self.listeners:
            listener.attach(self.gate)

    async def reload(self, config: Config) -> None:
        """Serve another configuration from now on. Raises `Only1McpError`; then the old one serves on."""
        async with self._reloading:
            old = self._in_force()
            new = await open_generation(config, self._around, self._insecure)
            if self._generation is not old:  # stopped meanwhile
                await new.close()
                raise Only1McpError("the gateway was stopped while it reloaded")
            self._put_in_force(new)
            for name, server in new.servers.items():
                before = old.servers.get(name)
                if before is server:
                    continue
                for session in self._sessions:
                    if session.asked_level is not None:
                        server.set_level(session.id, session.asked_level)
                if before is not None:
                    server.subscriptions.adopt(before.subscriptions, self._is_there)
                    self._tasks.spawn(server.subscriptions.renew(), "subscribe again")
            for listener in new.listeners:
                listener.attach(self.gate)
            for profile in set(old.config.profiles) - set(new.config.profiles):
                self._clients.end_profile(profile)
            for profile in changed_profiles(old.config, new.config):
                self._clients.profile_changed(profile)
            self._tasks.spawn(self._retire(old, new), "close the old generation")

    async def _retire(self, old: Generation, new: Generation) -> None:
        for component, listener in zip(old.config.listen, old.listeners, strict=True):
            if component not in new.config.listen:
                await listener.drain(old.config.drain)
        await old.close()

    async def stop(self) -> None:
        """Drain and close everything; wait until all of it is gone. Idempotent. Cancelled, it drains no longer, and
        closes all the same."""
        generation = self._generation
        if generation is None:
            return
        self._clients.close()  # first: streams that never end by themselves would hold up the draining
        try:
            await asyncio.gather(*(each.drain(generation.config.drain) for each in generation.listeners))
        finally:
            self._sessions.close()
            self._parking.close()
            self._generation = None
            try:
                await generation.close()
            finally:
                await self._tasks.close()

    async def settled(self, timeout: float) -> bool:
        """Wait until every server has been listed or found missing; False after `timeout` seconds."""
        servers = self._in_force().servers.values()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                for server in servers:
                    await server.listings.answered.wait()
        return all(server.listings.answered.is_set() for server in servers)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        return self._in_force().listeners

    def status(self) -> dict[str, Any]:
        """What the gateway is doing, as JSON values. `shown` counts what the default profile lists to a client that
        declares nothing; a list that a transform fails on is left out."""
        generation = self._in_force()
        return {
            "generation": self._number,
            "addresses": [listener.address for listener in generation.listeners],
            "servers": {name: server.status() for name, server in generation.servers.items()},
            "shown": _shown(generation.routers.get(DEFAULT_PROFILE)),
            "profiles": {name: list(router.servers) for name, router in generation.routers.items()},
            "context": {
                name: dict(router.views.showing.economy.figures())
                for name, router in generation.routers.items()
                if router.views.showing is not None
            },
            "sessions": len(self._sessions),
            "streams": self._streams.total,
            "requests": {
                "taken": self._requests.entered,
                "in_flight": self._requests.total,
                "refused": self._requests.refused,
            },
            "buffered_bytes": self._buffers.held,
        }

    async def compare(self) -> dict[str, Any]:
        """What the tools of each profile cost a model, in every way they can be shown, as JSON values; for a client
        that declares nothing. Raises `Only1McpError`."""
        found = {}
        for name, router in list(self._in_force().routers.items()):
            toolbox, showing = router.views.toolbox(anchor_caller("legacy")), router.views.showing
            if showing is not None:
                found[name] = await asyncio.to_thread(showing.economy.compare, toolbox)
                continue
            async with self._around.workshop.open(usual_economy(name, self._offers)) as economy:
                found[name] = await asyncio.to_thread(economy.compare, toolbox)
        return {"profiles": {name: dict(compared) for name, compared in found.items()}}

    # -- for the gate (gateway.gate.Serving)

    def initialize_result(self, profile: str, revision: str) -> bytes:
        return initialize_result(self._in_force().routers[profile].servers, revision)

    def header_problem(
        self, caller: Caller, name: str, params: Members, repeated: Mapping[str, str]
    ) -> str | None:
        router = self._in_force().routers.get(caller.profile)
        if router is None or not router.views.table.annotated:  # as a rule
            return None
        plan = router.views.header_plan(name, caller)
        return param_headers.problem(plan, params.get("arguments"), repeated) if plan else None

    def context_problem(self, caller: Caller) -> str:
        router = self._in_force().routers.get(caller.profile)
        showing = router.views.showing if router is not None else None
        return showing.problem(caller) if showing is not None else shown_as_they_are(caller)

    def listen(
        self, caller: Caller, id: Json, params: Members, sink: Outlet, on_end: Callable[[], None]
    ) -> Listening:
        return self._clients.listen(caller, id, params, sink, on_end)

    def notified(self, session: Session, message: Envelope, params: Members) -> None:
        servers = self._in_force().servers.values()
        if message.method == "notifications/roots/list_changed":
            for server in servers:
                server.roots_changed(session.id)
        elif message.method == STATUS["legacy"]:
            for server in servers:
                server.tasks.of_clients.told(session.id, params)
        elif session.caller.profile in self._routers():
            self._routers()[session.caller.profile].notified(session.id, message.method, message.params)

    # -- inside

    def _put_in_force(self, generation: Generation) -> None:
        limits = generation.config.limits
        self._generation = generation
        self._number += 1
        self.authenticators = generation.authenticators
        self.handlers = generation.handlers
        self.gate.message_limit = limits.message_bytes
        self._buffers.limit = limits.buffer_bytes
        self._requests.limit, self._requests.each = limits.in_flight, limits.in_flight_per_client
        self._streams.each = limits.streams_per_client

    def _in_force(self) -> Generation:
        if self._generation is None:
            raise RuntimeError("the gateway is not running")
        return self._generation

    def _routers(self) -> Mapping[str, Router]:
        return self._generation.routers if self._generation is not None else {}

    def _is_there(self, name: str) -> bool:
        """Whether a session or listen stream is still open."""
        return self._sessions.by_id(name) is not None or self._clients.listens(name)

    def _set_level(self, session: str, level: str) -> None:
        found = self._sessions.by_id(session)
        if found is not None:
            found.asked_level = found.log_level = level
            for server in self._in_force().servers.values():
                server.set_level(session, level)

    def _session_ended(self, session: Session) -> None:
        if self._generation is not None:
            for server in self._generation.servers.values():
                self._tasks.spawn(server.release(session.id), "release a session's links")

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        rotated = loop.time()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._sessions.expire(loop.time())
            self._task_ids.expire()
            self._pages.expire()
            if loop.time() - rotated > ROTATE_SECONDS:
                self._keys.rotate()
                rotated = loop.time()


def _shown(router: Router | None) -> dict[str, int]:
    if router is None:
        return {}
    counts: dict[str, int] = {}
    for each in LISTS:
        try:
            listed = router.views.listing(each, anchor_caller("legacy"))
        except Exception as error:
            _log.debug("%s can't be counted", each.member, exc_info=error)  # each client that lists is told
            continue
        counts[each.member] = len(listed.entries)
    return counts


def usual_economy(profile: str, offers: Offers) -> Component:
    """What a profile may be compared with that has no economy of its own. Raises `Only1McpError`."""
    try:
        found = offers.get("economy", "auto")
    except UnknownOffer:
        raise Only1McpError("no economy is installed: install only1mcp-context") from None
    return Component("economy", found.offer.name, found.offer.config(), f"profiles.{profile}.context")


def changed_profiles(old: Config, new: Config) -> list[str]:
    """The profiles of both whose servers or own configuration differ."""
    changed = []
    for name in new.profiles.keys() & old.profiles.keys():
        before, after = old.profiles[name], new.profiles[name]
        same_servers = [old.servers[each].fingerprint for each in before.servers] == [
            new.servers[each].fingerprint for each in after.servers
        ]
        if before != after or not same_servers:
            changed.append(name)
    return sorted(changed)
