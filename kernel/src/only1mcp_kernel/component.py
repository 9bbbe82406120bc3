"""Opening components: each offer in a context of its own, each failure with the component's name."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from only1mcp_kernel.config.model import Component
from only1mcp_kernel.offers import Offers
from only1mcp_kernel.shared import Pool
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import Budget, Clock, Only1McpError, OpenFailed

T = TypeVar("T")


class SystemClock:
    """The machine's clocks."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class ComponentContext:
    """What one component gets; implements `only1mcp_sdk.Context`."""

    def __init__(
        self,
        name: str,
        base_dir: Path,
        state_dir: Path,
        pool: Pool,
        buffers: Budget,
        stack: AsyncExitStack,
        log: logging.Logger,
    ) -> None:
        self.name = name
        self.logger = log
        self.tasks = Tasks(log)
        self.clock: Clock = SystemClock()
        self.base_dir = base_dir
        self.state_dir = state_dir
        self.buffers = buffers
        self._pool = pool
        self._stack = stack

    async def shared(self, key: Hashable, open: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        return await self._stack.enter_async_context(self._pool.hold(key, open))

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        return self.tasks.spawn(work, name)


class Workshop:
    """Opens components of the installed offers."""

    def __init__(self, offers: Offers, base_dir: Path, state_dir: Path, pool: Pool, buffers: Budget) -> None:
        self._offers = offers
        self._base_dir = base_dir
        self._state_dir = state_dir
        self.pool = pool
        self.buffers = buffers

    @asynccontextmanager
    async def open(self, component: Component) -> AsyncIterator[Any]:
        """Open one component. Raises `OpenFailed`, naming it; and its distribution, when that raised what it should
        not."""
        registered = self._offers.get(component.kind, component.use)
        log = logging.getLogger(f"only1mcp.{component.place}")
        # Closed in this order: the component, what it spawned, what it shared.
        async with AsyncExitStack() as shared, AsyncExitStack() as stack:
            context = ComponentContext(
                component.place, self._base_dir, self._state_dir, self.pool, self.buffers, shared, log
            )
            stack.push_async_callback(context.tasks.close)
            try:
                opened = await stack.enter_async_context(registered.offer.open(component.options, context))
            except Only1McpError as error:
                raise OpenFailed(f"{component.place} ({component.use}): {error}") from error
            except Exception as error:
                what = f"{component.use} of {registered.plugin.distribution}"
                context.logger.debug("open failed", exc_info=error)
                raise OpenFailed(f"{component.place}: {what} failed to open: {error!r}") from error
            yield opened
