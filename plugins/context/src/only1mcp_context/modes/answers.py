"""Answers of the economy's own tools."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

from only1mcp_sdk import Result
from only1mcp_sdk.members import quoted


def told(said: str) -> Result:
    """A result that says this."""
    return Result(b'{"content":[{"type":"text","text":%b}]}' % quoted(said), "legacy")


def problem(said: str) -> Result:
    """A result by which a model learns what was wrong with its call."""
    return Result(b'{"content":[{"type":"text","text":%b}],"isError":true}' % quoted(said), "legacy")


LONGEST_NAME = 128
MOST_COMPARED = 1000


def no_tool(name: str, known: Iterable[str]) -> str:
    """That there is no such tool, and which ones are called nearly so. Bounded: the name comes from outside."""
    if len(name) > LONGEST_NAME:
        return f"There is no tool {name[:LONGEST_NAME]!r}\u2026"
    near = get_close_matches(name, list(islice(known, MOST_COMPARED)), n=3, cutoff=0.6)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return f"There is no tool {name!r}.{hint}"
