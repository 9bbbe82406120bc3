"""Resources that can't be had twice, counted by who holds them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class _Held:
    def __init__(self) -> None:
        self.holders = 0
        self.lock = asyncio.Lock()
        self.manager: AbstractAsyncContextManager[Any] | None = None
        self.value: Any = None


class Pool:
    """Opens a resource for its first holder and closes it after its last. A generation takes what it needs before
    the one before lets go, so what both need passes on untouched."""

    def __init__(self) -> None:
        self._held: dict[Hashable, _Held] = {}

    @asynccontextmanager
    async def hold(
        self, key: Hashable, open: Callable[[], AbstractAsyncContextManager[T]]
    ) -> AsyncIterator[T]:
        """The resource of this key, for the time of the context. A failure to open it leaves nothing behind."""
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
            async with held.lock:  # whoever asks meanwhile waits until it is closed, and opens it anew
                if not held.holders:
                    opened, held.manager = held.manager, None
                    if opened is not None:
                        await opened.__aexit__(None, None, None)
                    if not held.holders:
                        self._held.pop(key, None)
