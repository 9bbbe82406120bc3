"""Whole texts by handle, for whoever was sent a shortened one.

A handle is worth nothing to another principal: theirs, an expired one and one that never was are all the same unknown
handle. Memory, disk and every principal's share of both are bounded; what was used longest ago goes first. All but
`get` and `close` return at once; files are written, read and removed in threads.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import takewhile
from pathlib import Path

from msgspec import Struct

from only1mcp_context.results.spool import Spool, open_spool
from only1mcp_sdk import Clock

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Base32 without what is easily mistaken for something else."""
LENGTH = 12
"""Of a handle: 60 bits."""
_OVERHEAD = 700
"""What an entry costs beside its text, in bytes, roughly."""
_MiB = 1 << 20


class Bounds(Struct, frozen=True):
    """How much is kept, in bytes, and for how long, in seconds."""

    lifetime: float = 1800
    """Since the text was kept or last read."""
    memory: int = 64 * _MiB
    """From half of it on, texts go to disk."""
    disk: int = 256 * _MiB
    each: int = 64 * _MiB
    """One principal's share of memory and disk together."""


class Kept(Struct, eq=False):
    """One text of one principal."""

    handle: str
    principal: str
    digest: bytes
    size: int
    expires: float
    text: bytes | None
    """None once it is in the file that is named like the handle."""
    gone: bool = False


class Store:
    """Made and closed by `open_store`."""

    def __init__(self, bounds: Bounds, clock: Clock, logger: logging.Logger, spool: Spool | None) -> None:
        self._bounds = bounds
        self._clock = clock
        self._logger = logger
        self._spool = spool
        # All three in the order of use, and so of expiry.
        self._in_memory: OrderedDict[str, Kept] = OrderedDict()
        self._on_disk: OrderedDict[str, Kept] = OrderedDict()
        self._of: dict[str, OrderedDict[str, Kept]] = {}
        self._by_digest: dict[tuple[str, bytes], Kept] = {}
        self._sizes: dict[str, int] = {}
        self._memory = 0
        self._disk = 0
        self._writing: Kept | None = None
        self._work: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._failing = False
        self._closed = False

    @property
    def memory(self) -> int:
        """Bytes held in memory."""
        return self._memory

    @property
    def disk(self) -> int:
        """Bytes held in files, one being written included."""
        return self._disk

    def __len__(self) -> int:
        return len(self._in_memory) + len(self._on_disk)

    def put(self, principal: str, text: bytes) -> str | None:
        """Keep a text for a principal and return its handle: the same one while it is there already. None where there
        is no room for it; then nothing was kept. Call it from the event loop's thread."""
        self.sweep()
        digest = hashlib.sha256(text).digest()
        known = self._by_digest.get((principal, digest))
        if known is not None:
            self._touch(known)
            return known.handle
        size = len(text) + _OVERHEAD
        if self._closed or size > min(self._bounds.each, self._bounds.memory):
            return None
        if not self._make_room(principal, size):
            return None
        handle = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        kept = Kept(
            handle, principal, digest, size, self._clock.monotonic() + self._bounds.lifetime, bytes(text)
        )
        self._in_memory[handle] = kept
        self._of.setdefault(principal, OrderedDict())[handle] = kept
        self._by_digest[principal, digest] = kept
        self._sizes[principal] = self._sizes.get(principal, 0) + size
        self._memory += size
        self._spill()
        self._set_timer()
        return handle

    async def get(self, principal: str, handle: str) -> bytes | None:
        """The text, which from now on lives as long as a new one; None for a handle this principal does not have."""
        self.sweep()
        mine = self._of.get(principal)
        kept = mine.get(handle) if mine else None
        if kept is None:
            return None
        self._touch(kept)
        if kept.text is not None:
            return kept.text
        assert self._spool is not None
        try:
            return await asyncio.to_thread(self._spool.read, handle)
        except OSError as error:
            if not kept.gone:
                self._logger.error("a result that was kept in a file is lost: %s", error)
                self._drop(kept)
            return None

    def sweep(self) -> None:
        """Forget what has expired."""
        now = self._clock.monotonic()
        for line in (self._in_memory, self._on_disk):
            while line:
                oldest = next(iter(line.values()))
                if oldest.expires > now:
                    break
                self._drop(oldest)

    async def close(self) -> None:
        """Forget everything and remove the files. Writes that are under way are waited for."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._work:
            await asyncio.wait(self._work)
        for line in (self._in_memory, self._on_disk, self._of, self._by_digest, self._sizes):
            line.clear()
        self._memory = self._disk = 0
        if self._spool is not None:
            await asyncio.to_thread(self._spool.close)

    def _touch(self, kept: Kept) -> None:
        kept.expires = self._clock.monotonic() + self._bounds.lifetime
        (self._on_disk if kept.text is None else self._in_memory).move_to_end(kept.handle)
        self._of[kept.principal].move_to_end(kept.handle)

    def _make_room(self, principal: str, size: int) -> bool:
        while self._sizes.get(principal, 0) + size > self._bounds.each:
            self._drop(next(iter(self._of[principal].values())))
        while self._memory + size > self._bounds.memory:
            oldest = next((kept for kept in self._in_memory.values() if kept is not self._writing), None)
            if oldest is None:
                return False
            self._drop(oldest)
        return True

    def _drop(self, kept: Kept) -> None:
        kept.gone = True
        mine = self._of[kept.principal]
        del mine[kept.handle], self._by_digest[kept.principal, kept.digest]
        self._sizes[kept.principal] -= kept.size
        if not mine:
            del self._of[kept.principal], self._sizes[kept.principal]
        if kept.text is None:
            del self._on_disk[kept.handle]
            self._remove(kept)
        else:
            del self._in_memory[kept.handle]
            if kept is not self._writing:  # else it is in memory, and soon on disk, until it has been written
                self._memory -= kept.size

    def _spill(self) -> None:
        """Begin to write what was used longest ago, one text at a time, while more than half of the memory is used."""
        if self._spool is None or self._closed or self._writing is not None:
            return
        if self._memory <= self._bounds.memory // 2:
            return
        kept = next(iter(self._in_memory.values()))
        if kept.size > self._bounds.disk:
            return
        while self._disk + kept.size > self._bounds.disk:
            if not self._on_disk:
                return
            self._drop(next(iter(self._on_disk.values())))
        assert kept.text is not None
        self._writing = kept
        self._disk += kept.size
        self._in_thread(partial(self._spool.write, kept.handle, kept.text), partial(self._written, kept))

    def _written(self, kept: Kept, error: BaseException | None) -> None:
        self._writing = None
        if error is not None:
            # It stays in memory until it has to go. The next text that is kept makes another attempt.
            if not self._failing:
                self._logger.error("results can't be written to disk, and stay in memory: %s", error)
            self._failing = True
            self._disk -= kept.size
            if kept.gone:
                self._memory -= kept.size
            return
        self._failing = False
        self._memory -= kept.size
        if kept.gone:
            self._remove(kept)
        else:
            kept.text = None
            del self._in_memory[kept.handle]
            self._line_up(kept)
        self._spill()

    def _line_up(self, kept: Kept) -> None:
        """Texts go to disk in the order of use, but for those that were read while they were written."""
        later = list(takewhile(lambda other: other.expires > kept.expires, reversed(self._on_disk.values())))
        self._on_disk[kept.handle] = kept
        for other in reversed(later):
            self._on_disk.move_to_end(other.handle)

    def _remove(self, kept: Kept) -> None:
        assert self._spool is not None
        self._disk -= kept.size
        self._in_thread(partial(self._spool.remove, kept.handle), partial(self._removed, kept))

    def _removed(self, kept: Kept, error: BaseException | None) -> None:
        if error is not None:
            self._logger.error("a kept result could not be removed: %s", error)
            self._disk += kept.size

    def _in_thread(self, work: Callable[[], None], done: Callable[[BaseException | None], None]) -> None:
        future = asyncio.get_running_loop().run_in_executor(None, work)
        self._work.add(future)

        def finished(future: asyncio.Future[None]) -> None:
            self._work.discard(future)
            if future.cancelled():
                done(OSError("the event loop was closed"))
            else:
                done(future.exception())

        future.add_done_callback(finished)

    def _set_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._bounds.lifetime, self._look)

    def _look(self) -> None:
        """Texts expire when nobody asks for anything, too."""
        self._timer = None
        self.sweep()
        if len(self):
            self._set_timer()


@asynccontextmanager
async def open_store(
    clock: Clock, logger: logging.Logger, folder: Path | None = None, bounds: Bounds | None = None
) -> AsyncIterator[Store]:
    """A store that spills into `folder`, removing what a run that died has left there. Without one, or with one that
    can't be written, texts are kept in memory only. Fit for `Context.shared`: then handles survive a reload."""
    spool = None
    if folder is not None:
        try:
            spool = await asyncio.to_thread(open_spool, folder)
        except OSError as error:
            logger.error("results are kept in memory only: %s", error)
    store = Store(bounds or Bounds(), clock, logger, spool)
    try:
        yield store
    finally:
        await store.close()
