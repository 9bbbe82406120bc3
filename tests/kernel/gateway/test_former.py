"""Names that were shown: for how long they are remembered."""

from __future__ import annotations

from only1mcp_kernel.gateway.routing.table import Former


def test_the_names_shown_last_are_remembered() -> None:
    former = Former(limit=3)
    former.note("tool", {"a": ("s", "a"), "b": ("s", "b")})
    former.note("tool", {"a": ("s", "a"), "c": ("s", "c")})
    former.note("tool", {"a": ("t", "x"), "d": ("s", "d")})
    assert [former.owner("tool", name) for name in "abcd"] == [("t", "x"), None, ("s", "c"), ("s", "d")]
    assert former.owner("prompt", "a") is None
