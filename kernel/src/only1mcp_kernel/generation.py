"""A generation: one configuration, opened.

Everything is opened on one stack and compiled before anything is served; a failure closes what was opened. What a
newer generation also needs (servers and ports whose configuration is unchanged) passes on through the shared pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from only1mcp_kernel.component import Workshop
from only1mcp_kernel.config.model import Config, ProfileConfig, ServerConfig
from only1mcp_kernel.gateway.routing.pages import Pages
from only1mcp_kernel.gateway.routing.pipeline import Chains
from only1mcp_kernel.gateway.routing.router import LevelSetter, Router
from only1mcp_kernel.gateway.routing.showing import Economising
from only1mcp_kernel.gateway.routing.table import Former
from only1mcp_kernel.gateway.routing.views import Views
from only1mcp_kernel.gateway.servers.hearing import Audience
from only1mcp_kernel.gateway.servers.parking import Parking
from only1mcp_kernel.gateway.servers.pinning import Pins
from only1mcp_kernel.gateway.servers.server import Server
from only1mcp_kernel.gateway.servers.sharing import Terms
from only1mcp_kernel.gateway.tasks.ids import TaskIds
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import Authenticator, Economy, Handler, Listener, OpenFailed, Transform


class Surroundings:
    """What belongs to the process and every generation uses."""

    def __init__(
        self,
        workshop: Workshop,
        audience: Audience,
        parking: Parking,
        pins: Pins,
        task_ids: TaskIds,
        pages: Pages,
        tasks: Tasks,
        set_level: LevelSetter,
        state_dir: Path,
    ) -> None:
        self.workshop = workshop
        self.audience = audience
        self.parking = parking
        self.pins = pins
        self.task_ids = task_ids
        self.pages = pages
        self.tasks = tasks
        self.set_level = set_level
        self.state_dir = state_dir
        self.former: dict[str, Former] = {}


class Generation:
    """An opened configuration."""

    def __init__(self, config: Config, stack: AsyncExitStack) -> None:
        self.config = config
        self.authenticators: tuple[Authenticator, ...] = ()
        self.listeners: tuple[Listener, ...] = ()
        self.servers: dict[str, Server] = {}
        self.routers: dict[str, Router] = {}
        self.handlers: dict[str, Handler] = {}
        self._stack = stack

    async def close(self) -> None:
        """Close everything this generation opened and no other one holds."""
        await self._stack.aclose()


async def open_generation(config: Config, around: Surroundings, insecure: bool) -> Generation:
    """Open a configuration. Raises `Only1McpError`; then nothing of it is left."""
    async with AsyncExitStack() as stack:
        generation = Generation(config, stack)
        enter = stack.enter_async_context
        workshop = around.workshop
        generation.authenticators = tuple([await enter(workshop.open(each)) for each in config.authenticate])
        chains = Chains(
            [(each.place, await enter(workshop.open(each))) for each in config.filters],
            [(each.place, await enter(workshop.open(each))) for each in config.middleware],
            around.tasks,
        )
        # Before the servers: where a port is taken, no child is started for nothing.
        generation.listeners = tuple([await enter(workshop.open(each)) for each in config.listen])
        _refuse_exposure(generation, insecure)
        side_by_side = await enter(_closing_side_by_side())
        for server in config.servers.values():
            held = _hold_server(server, around, config.drain)
            generation.servers[server.name] = await side_by_side().enter_async_context(held)
        transforms = {
            server.name: [await enter(workshop.open(each)) for each in server.transforms]
            for server in config.servers.values()
        }
        for profile in config.profiles.values():
            opened = [await enter(workshop.open(each)) for each in profile.transforms]
            economy = await enter(workshop.open(profile.context)) if profile.context is not None else None
            router = _build_router(generation, profile, transforms, opened, economy, chains, around)
            generation.routers[profile.name] = router
            generation.handlers[profile.name] = _entrance(profile, router, chains)
        generation._stack = stack.pop_all()
        return generation
    raise AssertionError("unreachable")


def _build_router(
    generation: Generation,
    profile: ProfileConfig,
    transforms: dict[str, list[Transform]],
    profile_transforms: list[Transform],
    economy: Economy | None,
    chains: Chains,
    around: Surroundings,
) -> Router:
    servers = {name: generation.servers[name] for name in profile.servers}
    former = around.former.setdefault(profile.name, Former())
    own = {name: transforms[name] for name in servers}
    trusted = {name for name in servers if generation.config.servers[name].trusted}
    views = Views(profile, servers, own, profile_transforms, former, economy, trusted)
    handlers = {
        name: chains.around(
            "server", server.attempts.serve_with(chains.around("endpoint", server.attempts.attempt))
        )
        for name, server in servers.items()
    }
    startup_wait = generation.config.startup_wait
    return Router(
        profile,
        views,
        servers,
        handlers,
        startup_wait,
        around.tasks,
        around.set_level,
        around.task_ids,
        around.pages,
    )


def _entrance(profile: ProfileConfig, router: Router, chains: Chains) -> Handler:
    """Where the exchanges of a profile come in."""
    if profile.context is None:
        return chains.around("gateway", router.route)
    economising = Economising(profile.context.place, router)
    return economising.outside(chains.around("gateway", economising.inside))


def _refuse_exposure(generation: Generation, insecure: bool) -> None:
    if generation.authenticators or insecure:
        return
    for listener in generation.listeners:
        if listener.exposed:
            raise OpenFailed(
                f"{listener.address} can be reached from other machines, and everybody there could use every server:"
                " configure an authenticator (authenticate:), listen on 127.0.0.1, or start with --insecure"
            )


@asynccontextmanager
async def _closing_side_by_side() -> AsyncIterator[Callable[[], AsyncExitStack]]:
    """Makes stacks that are closed all at once: a server may take its time, and must not make the next one wait."""
    stacks: list[AsyncExitStack] = []

    def another() -> AsyncExitStack:
        stacks.append(AsyncExitStack())
        return stacks[-1]

    try:
        yield another
    finally:
        await asyncio.gather(*(stack.aclose() for stack in stacks))


def _hold_server(
    config: ServerConfig, around: Surroundings, drain: float
) -> AbstractAsyncContextManager[Server]:
    key = ("server", config.name, config.fingerprint)
    return around.workshop.pool.hold(key, lambda: _open_server(config, around, drain))


@asynccontextmanager
async def _open_server(config: ServerConfig, around: Surroundings, drain: float) -> AsyncIterator[Server]:
    async with AsyncExitStack() as stack:
        workshop = around.workshop
        replicas = [
            (each.key, each.weight, await stack.enter_async_context(workshop.open(each.component)))
            for each in config.replicas
        ]
        balancer = await stack.enter_async_context(workshop.open(config.balance)) if config.balance else None
        server = Server(
            config.name,
            Terms(
                era=None if config.era == "auto" else config.era,
                isolation=config.isolation,
                connect_timeout=config.connect_timeout,
                idle_stop=config.idle_stop,
            ),
            replicas,
            balancer,
            around.audience,
            around.parking,
            around.pins,
            around.task_ids,
            around.state_dir / "catalogues",
            list_timeout=config.list_timeout,
            call_timeout=config.call_timeout,
        )
        server.open()
        try:
            yield server
        finally:
            await server.close(drain)
