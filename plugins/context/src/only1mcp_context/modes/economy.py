"""The economies on offer: one for each mode, and `auto`, which picks one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from only1mcp_context.definitions import texts
from only1mcp_context.definitions.tokens import Counter
from only1mcp_context.meter import Meter, client_name
from only1mcp_context.modes import own
from only1mcp_context.modes.catalogue import Catalogue
from only1mcp_context.modes.comparison import compared
from only1mcp_context.modes.listing import MODES, WITH_OUTPUT_SCHEMAS, Terms
from only1mcp_context.modes.own_tools import Spawn, Working
from only1mcp_context.modes.view import ToolView
from only1mcp_context.ranking import Related
from only1mcp_context.results.reader import DESCRIPTION, INPUT_SCHEMA, Reader
from only1mcp_context.results.results import Results
from only1mcp_sdk import Caller, Entry, Exchange, Result, Toolbox, View

AUTO = "auto"


class Limits(Struct, frozen=True):
    """What a client can take; 0 for anything."""

    tools: int
    name: int
    """Characters of a tool's name."""
    description: int
    """Characters of a tool's description."""

    def allow(self, listed: Sequence[Entry]) -> bool:
        if 0 < self.tools < len(listed):
            return False
        if self.name and any(len(entry.shown) > self.name for entry in listed):
            return False
        said = (texts.read(entry.members.get("description")) or "" for entry in listed)
        return not self.description or all(len(each) <= self.description for each in said)


class Choice(Struct, frozen=True):
    """How `auto` picks a mode."""

    thresholds: Sequence[tuple[int, str]]
    """Tokens of the native definitions, and the mode from there on; rising."""
    clients: Sequence[tuple[str, str]]
    """Patterns of client names, and the mode for them; the first that fits counts."""
    limits: Limits

    def for_client(self, caller: Caller) -> str:
        """The mode for a client that is known to want one; else `auto`."""
        name = client_name(caller.client_info)
        return next((mode for pattern, mode in self.clients if fnmatchcase(name, pattern)), AUTO)

    def for_size(self, catalogue: Catalogue, terms: Terms, counter: Counter, reading: Sequence[Entry]) -> str:
        """The mode for so many tokens, or the next one whose list, with `reading` at its end, clients can take."""
        mode = "native"
        for least, each in self.thresholds:
            if catalogue.tokens >= least:
                mode = each
        names = list(MODES)
        for each in names[names.index(mode) : -1]:
            shown, tools = MODES[each](catalogue, terms, counter)
            if self.limits.allow([*shown, *(tool.entry for tool in tools), *reading]):
                return each
        return names[-1]


class ToolEconomy:
    """Implements `only1mcp_sdk.Economy`."""

    def __init__(
        self,
        mode: str,
        choice: Choice,
        terms: Terms,
        results: Results,
        reader: Reader,
        related: Related,
        counter: Counter,
        meter: Meter,
        spawn: Spawn,
    ) -> None:
        """`mode` is what is shown where the URL asks for none."""
        self._mode = mode
        self._choice = choice
        self._terms = terms
        self._results = results
        self._reader = reader
        self._related = related
        self._counter = counter
        self._spawn = spawn
        self._meter = meter
        self.reads_results = bool(results.tokens) or results.compacts or results.as_text
        self._variants: dict[tuple[str, bytes], str] = {}

    def variant(self, caller: Caller) -> str:
        key = (caller.context, caller.client_info)
        variant = self._variants.get(key)
        if variant is None:
            variant = self._variant(caller)
            if len(self._variants) >= 1000:
                self._variants.clear()
            self._variants[key] = variant
        return variant

    def _variant(self, caller: Caller) -> str:
        wanted = caller.context or self._mode
        if wanted == AUTO:
            return self._choice.for_client(caller)
        if wanted not in MODES:
            raise ValueError(f"there is no such mode; there are {', '.join([*MODES, AUTO])}")
        return wanted

    def view(self, variant: str, toolbox: Toolbox) -> View:
        catalogue = Catalogue(toolbox, self._related, self._counter)
        mode = self._chosen(catalogue) if variant == AUTO else variant
        shown, tools = MODES[mode](catalogue, self._terms, self._counter)
        results = self._results
        if results.as_text and mode in WITH_OUTPUT_SCHEMAS:
            results = replace(results, as_text=False)
        for entry in self._reading(catalogue):
            tools.append(Working(entry, self._read, self._spawn))
            results = replace(results, reader=entry.shown)
        return ToolView(catalogue, shown, tools, results, self._meter)

    async def _read(self, exchange: Exchange) -> Result:
        arguments = (exchange.params or {}).get("arguments", b"{}")
        return Result(await self._reader.answer(exchange.caller.principal.id, arguments), "legacy")

    def compare(self, toolbox: Toolbox) -> Mapping[str, Any]:
        catalogue = Catalogue(toolbox, self._related, self._counter)
        reading = self._reading(catalogue)
        return compared(catalogue, self._terms, self._counter, reading, self._chosen(catalogue))

    def _chosen(self, catalogue: Catalogue) -> str:
        return self._choice.for_size(catalogue, self._terms, self._counter, self._reading(catalogue))

    def _reading(self, catalogue: Catalogue) -> Sequence[Entry]:
        """The tool that reads results on, where any are cut."""
        if not self._results.tokens:
            return ()
        name = own.free_name(own.RESULT, catalogue.taken)
        return (own.entry(name, DESCRIPTION, INPUT_SCHEMA, own.HARMLESS),)

    def figures(self) -> Mapping[str, Any]:
        return self._meter.figures()
