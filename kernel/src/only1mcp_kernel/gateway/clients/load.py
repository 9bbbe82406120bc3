"""How much is under way: in total, and for each client. Beyond the bounds it is refused early rather than late."""

from __future__ import annotations

from weakref import WeakValueDictionary

from msgspec import Struct


class Load:
    """One kind of work, counted. Nothing is ever queued."""

    __slots__ = ("_shares", "each", "entered", "limit", "refused", "total")

    def __init__(self, limit: int, each: int) -> None:
        self.limit = limit
        self.each = each
        """How many any one principal may have."""
        self.total = 0
        """Under way at the moment."""
        self.entered = 0
        """Ever since the start."""
        self.refused = 0
        self._shares: WeakValueDictionary[str, Share] = WeakValueDictionary()

    def share(self, principal: str) -> Share:
        """The principal's, which is one and the same for as long as anybody holds it."""
        share = self._shares.get(principal)
        if share is None:
            share = self._shares[principal] = Share(self)
        return share


class Share(Struct, eq=False, weakref=True):
    """One principal's part of a load. Whoever has entered keeps it until they `leave`."""

    load: Load
    held: int = 0

    def enter(self) -> bool:
        """Whether there is room for one more; then `leave` when it is over."""
        load = self.load
        if load.total >= load.limit or self.held >= load.each:
            load.refused += 1
            return False
        load.total += 1
        load.entered += 1
        self.held += 1
        return True

    def leave(self) -> None:
        self.load.total -= 1
        self.held -= 1
