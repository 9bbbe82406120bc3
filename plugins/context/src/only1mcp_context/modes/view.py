"""What callers of one mode see: a list of tools, and the economy's own among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from only1mcp_context.meter import Meter
from only1mcp_context.modes.catalogue import Catalogue
from only1mcp_context.modes.own_tools import OwnTool
from only1mcp_context.results.project import Path
from only1mcp_context.results.results import Results
from only1mcp_sdk import After, Caller, Done, Entry, Exchange, Outcome, Poured, Result


class ToolView:
    """Implements `only1mcp_sdk.View`."""

    def __init__(
        self,
        catalogue: Catalogue,
        shown: Sequence[Entry],
        own: Sequence[OwnTool],
        results: Results,
        meter: Meter,
    ) -> None:
        """`shown` are the tools of servers that are listed, `own` come after them."""
        self.tools: Sequence[Entry] = (*shown, *(each.entry for each in own))
        self.own: Mapping[str, OwnTool] = {each.entry.shown: each for each in own}
        self._results = results
        self._meter = meter
        self._native = catalogue.tokens
        self._sent = sum(catalogue.cost(entry) for entry in self.tools)

    def listed(self, caller: Caller) -> None:
        self._meter.listed(caller, self._native, self._sent)

    def before(self, exchange: Exchange) -> Outcome | After | None:
        tool = self.own.get(exchange.name)
        if tool is None:
            return None
        found = tool.before(exchange)
        if not isinstance(found, Path):
            return found
        exchange.whole = True
        return partial(self._select, found)

    def serve(self, exchange: Exchange, done: Done) -> None:
        self.own[exchange.name].serve(exchange, done)

    def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Poured):
            self._meter.result(exchange.caller, outcome.size, outcome.size)
        elif not isinstance(outcome, Result):
            return outcome
        elif exchange.name in self.own:
            if exchange.name != self._results.reader:  # which keeps to a budget of its own
                outcome = self._results.shortened(outcome, exchange.caller.principal.id)
            self._meter.told(exchange.caller, exchange.name, len(outcome.raw))
        else:
            shown = self._results.shortened(outcome, exchange.caller.principal.id)
            self._meter.result(exchange.caller, len(outcome.raw), len(shown.raw))
            return shown
        return outcome

    def _select(self, path: Path, exchange: Exchange, outcome: Outcome) -> Outcome:
        """The outcome of a call whose caller wants only a part of the result."""
        if not isinstance(outcome, Result):
            return outcome
        principal = exchange.caller.principal.id
        shown = self._results.shortened(self._results.selected(path, outcome, principal), principal)
        self._meter.result(exchange.caller, len(outcome.raw), len(shown.raw))
        return shown
