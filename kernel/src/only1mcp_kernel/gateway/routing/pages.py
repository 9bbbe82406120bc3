"""Lists in pages. A cursor names the list as it was when its first page was given, so that pages fit together whatever
servers do meanwhile.

Those snapshots belong to the process and outlive reloads. There is one for equal lists, however many clients read
them, and a bound on how many there are and how large.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from functools import cached_property

from only1mcp_kernel.protocol.errors import STALE
from only1mcp_kernel.wire.seal import BadSeal, KeyRing
from only1mcp_sdk import Caller, Era, Failure, Json, Members, Result
from only1mcp_sdk.members import array, join, quoted, text

KEPT_SECONDS = 600.0
"""How long a cursor is good, from when a page of its list was last given."""
MAX_SNAPSHOTS = 256
MAX_BYTES = 64 << 20
"""Of all snapshots together. The one longest unused is forgotten for a newer one."""
_PURPOSE = "cursor"


class Listed:
    """A whole list, as one sort of callers sees it. Never changed."""

    def __init__(self, member: str, entries: Sequence[Json], beside: Members, era: Era) -> None:
        self.entries = tuple(entries)
        self.size = sum(map(len, self.entries))
        self._member = member
        self._beside = beside
        self._era = era

    @cached_property
    def key(self) -> str:
        """Equal for equal lists."""
        digest = hashlib.sha256(f"{self._member} {self._era}".encode())
        for part in (join(self._beside), *self.entries):
            digest.update(b"\n%d\n" % len(part))
            digest.update(part)
        return digest.hexdigest()

    @cached_property
    def whole(self) -> Result:
        return self.page(0, len(self.entries), None)

    def page(self, begin: int, end: int, cursor: str | None) -> Result:
        """A part of the list; `cursor` leads to what comes after it."""
        following = {} if cursor is None else {"nextCursor": quoted(cursor)}
        page = {self._member: array(self.entries[begin:end]), **following, **self._beside}
        return Result(join(page), self._era)


class _Snapshot:
    def __init__(self, listed: Listed) -> None:
        self.listed = listed
        self.until = 0.0


class Pages:
    """The snapshots of this process."""

    def __init__(
        self, keys: KeyRing, *, max_snapshots: int = MAX_SNAPSHOTS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._keys = keys
        self._max_snapshots = max_snapshots
        self._max_bytes = max_bytes
        self._bytes = 0
        self._snapshots: dict[str, _Snapshot] = {}
        """By key; the one used last stands last."""

    def first(self, method: str, listed: Listed, size: int, caller: Caller) -> Result:
        """The first page of a list, of `size` entries; all of it where it has no more, or with a size of 0."""
        if not size or len(listed.entries) <= size:
            return listed.whole
        if listed.key not in self._snapshots:
            self._snapshots[listed.key] = _Snapshot(listed)
            self._bytes += listed.size
        self._used(listed.key)
        self._make_room()
        return self._page(method, listed.key, 0, size, caller)

    def following(self, method: str, cursor: Json, caller: Caller) -> Result | Failure:
        """The page a client's cursor names. A cursor is good for the principal, the profile and the method it was
        given to, as long as its list is kept."""
        try:
            profile, listing, key, begin, size = self._keys.open(
                _PURPOSE, caller.principal.id, text(cursor) or ""
            )
        except (BadSeal, ValueError):
            return STALE
        snapshot = self._snapshots.get(key)
        if profile != caller.profile or listing != method or snapshot is None or self._over(snapshot):
            return STALE
        self._used(key)
        return self._page(method, key, int(begin), int(size), caller)

    def expire(self) -> None:
        """Forget what is no longer kept."""
        for key, snapshot in list(self._snapshots.items()):
            if self._over(snapshot):
                self._forget(key)

    def __len__(self) -> int:
        return len(self._snapshots)

    def _page(self, method: str, key: str, begin: int, size: int, caller: Caller) -> Result:
        listed = self._snapshots[key].listed
        end = begin + size
        cursor = None
        if end < len(listed.entries):
            place = [caller.profile, method, key, str(end), str(size)]
            cursor = self._keys.seal(_PURPOSE, caller.principal.id, place)
        return listed.page(begin, end, cursor)

    def _used(self, key: str) -> None:
        snapshot = self._snapshots.pop(key)
        snapshot.until = asyncio.get_running_loop().time() + KEPT_SECONDS
        self._snapshots[key] = snapshot

    def _over(self, snapshot: _Snapshot) -> bool:
        return snapshot.until < asyncio.get_running_loop().time()

    def _make_room(self) -> None:
        while len(self._snapshots) > 1 and (
            len(self._snapshots) > self._max_snapshots or self._bytes > self._max_bytes
        ):
            self._forget(next(iter(self._snapshots)))

    def _forget(self, key: str) -> None:
        self._bytes -= self._snapshots.pop(key).listed.size
