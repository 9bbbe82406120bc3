"""How much is under way: in total, and for each client. Beyond the bounds it is refused early rather than late."""

from __future__ import annotations


class Load:
    """Counts one kind of work by principal. Nothing is ever queued."""

    __slots__ = ("_held", "each", "entered", "limit", "refused", "total")

    def __init__(self, limit: int, each: int) -> None:
        self.limit = limit
        self.each = each
        """How many any one principal may have."""
        self.total = 0
        """Under way at the moment."""
        self.entered = 0
        """Ever since the start."""
        self.refused = 0
        self._held: dict[str, int] = {}

    def enter(self, principal: str) -> bool:
        """Whether there is room for one more of this principal's; then `leave` when it is over."""
        held = self._held
        mine = held.get(principal, 0)
        if self.total >= self.limit or mine >= self.each:
            self.refused += 1
            return False
        self.total += 1
        self.entered += 1
        held[principal] = mine + 1
        return True

    def leave(self, principal: str) -> None:
        self.total -= 1
        held = self._held
        mine = held[principal]
        if mine > 1:
            held[principal] = mine - 1
        else:
            del held[principal]
