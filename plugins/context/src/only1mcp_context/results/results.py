"""Results as they go to a model."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from only1mcp_context.results.budget import READER, reading, shorten
from only1mcp_context.results.compact import compact
from only1mcp_context.results.project import Path, project
from only1mcp_context.results.store import Store
from only1mcp_context.results.structured import as_text
from only1mcp_context.results.tokens import DENSEST
from only1mcp_sdk import Result

LARGEST_SELECTED = 256 * 1024
"""Bytes of a result that a path is applied to at once; from a larger one, its reader selects."""


class Results(Struct, frozen=True):
    """What becomes of them."""

    store: Store
    tokens: int
    """Of the text of one; 0 for any number."""
    compacts: bool
    """JSON goes without white space."""
    as_text: bool = False
    """Structured content goes as text, if no text says the same. Not where output schemas are listed."""
    reader: str = READER
    """What the tool is called that reads what was cut."""

    def shortened(self, result: Result, principal: str) -> Result:
        """The result for this principal's model."""
        raw = as_text(result.raw) if self.as_text else result.raw
        if self.compacts:
            raw = compact(raw)
        if self.tokens and len(raw) * DENSEST > self.tokens:
            raw = shorten(raw, self.tokens, self._keeping(principal))
        return result if raw is result.raw else msgspec.structs.replace(result, raw=raw)

    def selected(self, path: Path, result: Result, principal: str) -> Result:
        """Only what a path selects of it."""
        if len(result.raw) > LARGEST_SELECTED:
            return result
        raw = project(result.raw, path, self._keeping(principal))
        return msgspec.structs.replace(result, raw=raw)

    def _keeping(self, principal: str) -> Callable[[bytes], str | None]:
        def keep(text: bytes) -> str | None:
            handle = self.store.put(principal, text)
            return None if handle is None else reading(handle, self.reader)

        return keep
