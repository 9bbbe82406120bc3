"""Answers of the economy's own tools."""

from __future__ import annotations

from only1mcp_sdk import Result
from only1mcp_sdk.members import quoted


def told(said: str) -> Result:
    """A result that says this."""
    return Result(b'{"content":[{"type":"text","text":%b}]}' % quoted(said), "legacy")


def problem(said: str) -> Result:
    """A result by which a model learns what was wrong with its call."""
    return Result(b'{"content":[{"type":"text","text":%b}],"isError":true}' % quoted(said), "legacy")
