"""The tools of one view: what can be listed, found, described and called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import islice

from only1mcp_context.arguments import Checker
from only1mcp_context.definitions import normalise, schemas, signatures, texts
from only1mcp_context.definitions.tokens import Counter
from only1mcp_context.ranking import Hit, Index, Opinion, Related, build, document, search
from only1mcp_sdk import Entry, Members, Toolbox, Vendor
from only1mcp_sdk.members import join, split

_WORD = re.compile(r"[A-Za-z][a-z]+|[A-Z]+|[a-z]+")
MOST_VERBS = 8
LONGEST_VERB = 16
MOST_CHECKERS = 2000


class Catalogue:
    """Made anew when a server's tools have changed."""

    def __init__(self, toolbox: Toolbox, related: Related, counter: Counter) -> None:
        self.native = tuple(toolbox.tools)
        """As they are shown without any economy."""
        self.entries: Sequence[Entry] = normalise.normalised(toolbox.tools)
        self.by_name: Mapping[str, Entry] = {entry.shown: entry for entry in self.entries}
        self.vendors: Mapping[str, Vendor] = toolbox.vendors
        self.taken = toolbox.taken
        self._related = related
        self._counter = counter
        self._checkers: dict[str, Checker] = {}

    @cached_property
    def tokens(self) -> int:
        """What a model reads of the native tools: names, descriptions and what they take."""
        return sum(self.cost(entry) for entry in self.native)

    def cost(self, entry: Entry) -> int:
        """The tokens of one definition."""
        return self._counter.count(seen_by_model(entry).decode(errors="replace"))

    @cached_property
    def reading(self) -> frozenset[str]:
        """Tools that only read, by the word of servers that are believed."""
        return frozenset(
            name
            for name, entry in self.by_name.items()
            if signatures.hints_of(entry).get("readOnlyHint") and self._trusts(entry.server)
        )

    def _trusts(self, server: str) -> bool:
        vendor = self.vendors.get(server)
        return vendor is not None and vendor.trusted

    @cached_property
    def needing_tasks(self) -> frozenset[str]:
        """Tools that can be called as tasks only, which takes a client that sees them as they are."""
        return frozenset(name for name, entry in self.by_name.items() if _task_support(entry) == "required")

    @cached_property
    def index(self) -> Index:
        return build(
            [
                document(
                    entry.server,
                    entry.shown,
                    texts.read(entry.members.get("description"))
                    or texts.read(entry.members.get("title"))
                    or "",
                    schemas.read(entry.members.get("inputSchema")),
                    self._said_by(entry.server),
                )
                for entry in self.entries
            ]
        )

    def _said_by(self, server: str) -> str:
        vendor = self.vendors.get(server)
        return f"{vendor.title}\n{vendor.instructions}" if vendor is not None else ""

    def search(
        self,
        queries: Sequence[str],
        servers: Sequence[str] | None,
        limit: int,
        opinion: Opinion | None = None,
    ) -> tuple[Hit, ...]:
        """The best tools for these. Takes milliseconds."""
        return search(self.index, queries, self._related, servers=servers, limit=limit, opinion=opinion)

    def checker(self, name: str) -> Checker:
        """Of the arguments of a tool of that name."""
        found = self._checkers.get(name)
        if found is None:
            if len(self._checkers) >= MOST_CHECKERS:
                self._checkers.clear()
            schema = self.by_name[name].members.get("inputSchema")
            found = self._checkers[name] = Checker(name, schemas.read(schema) or {})
        return found

    def about_servers(self) -> str:
        """A line for each server: what its tools do, by the first words of their names."""
        verbs: dict[str, dict[str, None]] = {}
        for entry in self.entries:
            words = [
                word[:LONGEST_VERB].lower()
                for word in _WORD.findall(entry.name)
                if word.lower() != entry.server.lower()
            ]
            verbs.setdefault(entry.server, {}).update(dict.fromkeys(words[:2]))
        lines = []
        for server, first in verbs.items():
            shown = ", ".join(islice(first, MOST_VERBS))
            lines.append(f"{server}: {shown}{', ...' if len(first) > MOST_VERBS else ''}")
        return "\n".join(lines)


def seen_by_model(entry: Entry) -> bytes:
    """What of a tool a client gives to its model."""
    members: Members = {"name": b'"%b"' % entry.shown.encode(errors="replace")}
    for name in ("description", "inputSchema"):
        if name in entry.members:
            members[name] = entry.members[name]
    return join(members)


def _task_support(entry: Entry) -> str:
    try:
        execution = split(entry.members.get("execution", b"{}"))
    except ValueError:
        return ""
    return texts.read(execution.get("taskSupport")) or ""
