"""What the kernel gives to a component when it opens it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from only1mcp_sdk.flow import Budget

T = TypeVar("T")


class Clock(Protocol):
    """Time, so that tests can stand still."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; deadlines are given on this one."""


class Context(Protocol):
    """One component's view of the gateway. Everything taken from it ends when the component is closed."""

    @property
    def name(self) -> str:
        """Where the configuration names this component, e.g. `servers.files` or `listen[0]`."""

    @property
    def logger(self) -> logging.Logger:
        """A standard library logger named after the component."""

    @property
    def clock(self) -> Clock: ...

    @property
    def base_dir(self) -> Path:
        """The directory of the configuration file: relative paths in options start here."""

    @property
    def state_dir(self) -> Path:
        """A private directory (mode 0700) that survives restarts of this gateway."""

    @property
    def buffers(self) -> Budget:
        """What the whole gateway may hold of large messages; take from it whatever is collected beyond `LARGE`."""

    async def shared(self, key: Hashable, open: Callable[[], AbstractAsyncContextManager[T]]) -> T:
        """Return the resource of this key, opening it when nobody holds it.

        For what can't be had twice: a port, a child process, a pool. It is closed when the last component that
        asked for it has closed; during a reload the new generation asks before the old one lets go, so the
        resource passes from one to the other untouched. Put into the key whatever of the configuration the
        resource depends on.
        """

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run `work` in the background. It is cancelled and awaited when the component closes; an exception
        it raises is logged with the component's name."""
