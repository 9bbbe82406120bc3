"""The economies on offer: one for each mode, and `auto`, which picks one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from only1mcp_context.definitions.tokens import Counter
from only1mcp_context.meter import Meter, client_name
from only1mcp_context.modes import own
from only1mcp_context.modes.catalogue import Catalogue
from only1mcp_context.modes.comparison import compared
from only1mcp_context.modes.listing import ALL_LISTED, MODES, WITH_OUTPUT_SCHEMAS, Terms
from only1mcp_context.modes.own_tools import Spawn, Working
from only1mcp_context.modes.view import ToolView
from only1mcp_context.ranking import Related
from only1mcp_context.results.reader import DESCRIPTION, INPUT_SCHEMA, Reader
from only1mcp_context.results.results import Results
from only1mcp_sdk import Caller, Entry, Exchange, Result, Toolbox, View
from only1mcp_sdk.members import text

AUTO = "auto"


class Choice(Struct, frozen=True):
    """How `auto` picks a mode."""

    thresholds: Sequence[tuple[int, str]]
    """Tokens of the native definitions, and the mode from there on; rising."""
    clients: Sequence[tuple[str, str]]
    """Patterns of client names, and the mode for them; the first that fits counts."""
    most_tools: int
    """That a client can take; 0 for any number."""
    longest_description: int
    """Characters of a tool's description that a client can take; 0 for any number."""

    def for_client(self, caller: Caller) -> str:
        """The mode for a client that is known to want one; else `auto`."""
        name = client_name(caller.client_info)
        return next((mode for pattern, mode in self.clients if fnmatchcase(name, pattern)), AUTO)

    def for_size(self, catalogue: Catalogue, terms: Terms, counter: Counter) -> str:
        """The mode for so many tokens, or the next one that clients can take."""
        mode = "native"
        for least, each in self.thresholds:
            if catalogue.tokens >= least:
                mode = each
        if mode in ALL_LISTED and 0 < self.most_tools < len(catalogue.native):
            mode = "signatures"
        if mode == "signatures" and self.longest_description:
            _, tools = MODES[mode](catalogue, terms, counter)
            said = (text(each.entry.members["description"]) or "" for each in tools)
            if max(map(len, said)) > self.longest_description:
                mode = "search"
        return mode


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
        mode = variant
        if variant == AUTO:
            mode = self._choice.for_size(catalogue, self._terms, self._counter)
        shown, tools = MODES[mode](catalogue, self._terms, self._counter)
        results = self._results
        if results.as_text and mode in WITH_OUTPUT_SCHEMAS:
            results = replace(results, as_text=False)
        if results.tokens:
            name = own.free_name(own.RESULT, catalogue.taken)
            tools.append(Working(_reading(name), self._read, self._spawn))
            results = replace(results, reader=name)
        return ToolView(catalogue, shown, tools, results, self._meter)

    async def _read(self, exchange: Exchange) -> Result:
        arguments = (exchange.params or {}).get("arguments", b"{}")
        return Result(await self._reader.answer(exchange.caller.principal.id, arguments), "legacy")

    def compare(self, toolbox: Toolbox) -> Mapping[str, Any]:
        catalogue = Catalogue(toolbox, self._related, self._counter)
        reading = _reading(own.free_name(own.RESULT, catalogue.taken)) if self._results.tokens else None
        chosen = self._choice.for_size(catalogue, self._terms, self._counter)
        return compared(catalogue, self._terms, self._counter, reading, chosen)

    def figures(self) -> Mapping[str, Any]:
        return self._meter.figures()


def _reading(name: str) -> Entry:
    return own.entry(name, DESCRIPTION, INPUT_SCHEMA, own.HARMLESS)
