"""Open components the way the gateway does, without a gateway.

Options are validated as those of a configuration file are, and every promise of `only1mcp_sdk.Context` is kept: what
a component spawns or shares ends with it. Nothing here knows what the components are for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from only1mcp_sdk.context import Clock
from only1mcp_sdk.flow import Budget
from only1mcp_sdk.offer import Offer, PluginConfig

T = TypeVar("T")
Component = TypeVar("Component")


class RealClock:
    """The machine's clocks."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class Harness:
    """Stands in for the gateway process: opens components, several at a time if need be, as a reload does.

    `with Harness() as harness, ...`: leaving removes its directories. `failures` are the exceptions that spawned
    work ended with.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or RealClock()
        self.failures: list[BaseException] = []
        self.pool = SharedPool()
        self.buffers = Budget(1 << 30)
        self._directory = TemporaryDirectory(prefix="only1mcp-")
        top = Path(self._directory.name).resolve()
        self.base_dir = top / "config"
        """Where the configuration file would be; write what options refer to in here."""
        self.state_dir = top / "state"
        for directory in (self.base_dir, self.state_dir):
            directory.mkdir(mode=0o700)

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, *exception: object) -> None:
        self._directory.cleanup()

    @asynccontextmanager
    async def open(
        self, offer: Offer[Component], options: Mapping[str, Any] | None = None, *, name: str = "testing"
    ) -> AsyncIterator[Component]:
        """Open one component. Raises `pydantic.ValidationError` for bad options and whatever `open` raises."""
        config = read_options(offer, options)
        async with AsyncExitStack() as shared:
            context = LoneContext(name, self, shared)
            try:
                async with offer.open(config, context) as component:
                    yield component
            finally:
                await context.end_tasks()


def read_options(offer: Offer[Any], options: Mapping[str, Any] | None = None) -> PluginConfig:
    """The options as an instance of the offer's model. They are read as JSON, because that is what strict models
    mean by "no guessing" in a configuration file. Raises `pydantic.ValidationError`."""
    return offer.config.model_validate_json(json.dumps(options or {}))


@asynccontextmanager
async def open_alone(offer: Offer[Component], **options: Any) -> AsyncIterator[Component]:
    """Open one component with these options and nothing around it: `async with open_alone(offer, size=3) as it`.

    An exception that its spawned work ended with is raised when the block is left.
    """
    with Harness() as harness:
        async with harness.open(offer, options) as component:
            yield component
        if harness.failures:
            raise harness.failures[0]


class LoneContext:
    """What a component opened by a `Harness` gets; implements `only1mcp_sdk.Context`."""

    def __init__(self, name: str, harness: Harness, shared: AsyncExitStack) -> None:
        self.name = name
        self.logger = logging.getLogger(f"only1mcp.{name}")
        self.clock = harness.clock
        self.base_dir = harness.base_dir
        self.state_dir = harness.state_dir
        self.buffers = harness.buffers
        self._harness = harness
        self._shared = shared
        self._tasks: set[asyncio.Task[None]] = set()

    async def shared(self, key: Hashable, open: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        return await self._shared.enter_async_context(self._harness.pool.hold(key, open))

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)  # noqa: TID251  (this is the owner)
        self._tasks.add(task)
        task.add_done_callback(self._note)
        return task

    def _note(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        failure = task.exception()
        if failure is not None:
            self.logger.error("%s failed", task.get_name(), exc_info=failure)
            self._harness.failures.append(failure)

    async def end_tasks(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class SharedPool:
    """Resources counted by their holders: opened for the first, closed after the last."""

    def __init__(self) -> None:
        self._held: dict[Hashable, _Held] = {}

    @property
    def keys(self) -> list[Hashable]:
        """What somebody holds at the moment."""
        return list(self._held)

    @asynccontextmanager
    async def hold(
        self, key: Hashable, open: Callable[[], AbstractAsyncContextManager[T]]
    ) -> AsyncIterator[T]:
        held = self._held.setdefault(key, _Held())
        held.holders += 1
        try:
            async with held.lock:
                if held.manager is None:
                    manager = open()
                    held.value = await manager.__aenter__()
                    held.manager = manager
            yield held.value
        finally:
            held.holders -= 1
            if not held.holders:
                del self._held[key]
                if held.manager is not None:
                    await held.manager.__aexit__(None, None, None)


class _Held:
    def __init__(self) -> None:
        self.holders = 0
        self.lock = asyncio.Lock()
        self.manager: AbstractAsyncContextManager[Any] | None = None
        self.value: Any = None
