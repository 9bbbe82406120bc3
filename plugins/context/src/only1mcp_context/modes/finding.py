"""The tools by which others are found: `tool_search` and `tool_describe`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from only1mcp_context.definitions import texts
from only1mcp_context.definitions.signatures import named, signature
from only1mcp_context.definitions.tokens import Counter
from only1mcp_context.modes.answers import no_tool, problem, told
from only1mcp_context.modes.catalogue import Catalogue
from only1mcp_context.ranking import Opinion
from only1mcp_sdk import Entry, Exchange, Members, Result
from only1mcp_sdk.members import join, quoted

_Query = Annotated[str, Meta(max_length=2000)]


class _Search(Struct, frozen=True):
    queries: Annotated[list[_Query], Meta(max_length=20)] | _Query = []
    query: _Query = ""
    server: str = ""
    limit: Annotated[int, Meta(ge=1, le=50)] = 0


class Search:
    """`tool_search`."""

    def __init__(self, entry: Entry, catalogue: Catalogue, counter: Counter, limit: int, budget: int) -> None:
        """`limit` tools at a time by default, in `budget` tokens."""
        self.entry = entry
        self._catalogue = catalogue
        self._count = counter.count
        self._limit = limit
        self._budget = budget

    def answer(self, exchange: Exchange, opinion: Opinion | None = None) -> Result:
        raw = (exchange.params or {}).get("arguments", b"{}")
        try:
            wanted = msgspec.json.decode(raw, type=_Search, strict=False)
        except (ValueError, RecursionError) as error:
            return problem(f"{self.entry.shown}: {error}")
        queries = [wanted.queries] if isinstance(wanted.queries, str) else wanted.queries
        queries = [each for each in [*queries, wanted.query] if each.strip()]
        servers = self._catalogue.vendors
        if wanted.server and wanted.server not in servers:
            return problem(f"There is no server {wanted.server[:64]!r}; there are: {', '.join(servers)}")
        if not queries and not wanted.server:
            return problem(f"{self.entry.shown}: say in `queries` what to do")
        limit = wanted.limit or self._limit * (1 if len(queries) < 2 else 2)
        only = [wanted.server] if wanted.server else None
        if not queries:
            return told(
                self._listed([each for each in self._catalogue.entries if each.server == wanted.server])
            )
        return told(self.found(queries, only, limit, opinion))

    def found(
        self,
        queries: list[str],
        servers: list[str] | None = None,
        limit: int = 0,
        opinion: Opinion | None = None,
    ) -> str:
        """The best tools for these, of all servers or of some."""
        hits = self._catalogue.search(queries, servers, limit or self._limit, opinion)
        if not hits:
            return "No tool fits. Try other words, or leave out `server`."
        by_name = self._catalogue.by_name
        lines = []
        for hit in hits:
            twins = f" (also: {', '.join(named(twin.name) for twin in hit.twins)})" if hit.twins else ""
            lines.append(signature(by_name[hit.document.name]) + twins)
        shown, used = self._within(lines)
        best = by_name[hits[0].document.name].members.get("inputSchema", b"").decode(errors="replace")
        cost = self._count(best)
        if _is_worth_it(best) and used + cost <= self._budget:
            shown.append(f"{named(hits[0].document.name)} takes: {best}")
        return "\n".join(shown)

    def _listed(self, entries: list[Entry]) -> str:
        lines = [signature(each) for each in entries]
        shown, _ = self._within(lines)
        if len(shown) < len(lines):
            shown.append(f"{len(lines) - len(shown)} more: search with `queries`")
        return "\n".join(shown)

    def _within(self, lines: list[str]) -> tuple[list[str], int]:
        """Lines for the budget, the first in any case, and what they cost."""
        shown: list[str] = []
        used = 0
        for line in lines:
            cost = self._count(line)
            if shown and used + cost > self._budget:
                break
            shown.append(line)
            used += cost
        return shown, used


def _is_worth_it(schema: str) -> bool:
    """Whether a schema tells more than a signature: where something is nested or explained."""
    return '"description"' in schema or schema.count('"properties"') > 1 or '"anyOf"' in schema


class _Describe(Struct, frozen=True):
    names: Annotated[list[str], Meta(max_length=10)] | str = []
    name: str = ""


class Describe:
    """`tool_describe`."""

    def __init__(self, entry: Entry, catalogue: Catalogue) -> None:
        self.entry = entry
        self._catalogue = catalogue

    def answer(self, exchange: Exchange) -> Result:
        raw = (exchange.params or {}).get("arguments", b"{}")
        try:
            wanted = msgspec.json.decode(raw, type=_Describe, strict=False)
        except (ValueError, RecursionError) as error:
            return problem(f"{self.entry.shown}: {error}")
        names = [wanted.names] if isinstance(wanted.names, str) else wanted.names
        names = list(dict.fromkeys(each for each in [*names, wanted.name] if each))
        if not names:
            return problem(f"{self.entry.shown}: say in `names` which tools")
        known = any(name in self._catalogue.by_name for name in names)
        return (told if known else problem)(self.told(names))

    def told(self, names: list[str]) -> str:
        """All about these tools."""
        return "\n\n".join(map(self._definition, names))

    def _definition(self, name: str) -> str:
        tool = self._catalogue.by_name.get(name)
        if tool is None:
            return no_tool(name, self._catalogue.by_name)
        members: Members = {"name": quoted(name), "server": quoted(tool.server)}
        for member in ("title", "inputSchema", "annotations"):
            if member in tool.members:
                members[member] = tool.members[member]
        said = texts.read(self._said(name)) or ""
        return f"{said}\n{join(members).decode(errors='replace')}".strip()

    def _said(self, name: str) -> bytes | None:
        """The description as its server gave it."""
        return next(
            (each.members.get("description") for each in self._catalogue.native if each.shown == name), None
        )
