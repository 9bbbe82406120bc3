"""Every mode side by side, for the tools there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from only1mcp_context.definitions import texts
from only1mcp_context.definitions.texts import first_sentence
from only1mcp_context.definitions.tokens import Counter
from only1mcp_context.modes import own
from only1mcp_context.modes.catalogue import Catalogue
from only1mcp_context.modes.finding import Describe, Search
from only1mcp_context.modes.listing import MODES, Terms
from only1mcp_sdk import Entry

MOST_SAMPLES = 24
STEPS = 3


def compared(
    catalogue: Catalogue, terms: Terms, counter: Counter, reading: Sequence[Entry], chosen: str
) -> Mapping[str, Any]:
    """What each mode costs a model, as JSON values. A step is what finding and understanding one tool adds: a search
    in its own words, and a description, for up to `MOST_SAMPLES` of the tools. `chosen` is what `auto` picks.
    May take a second."""
    native = catalogue.tokens
    modes = {}
    for mode, listing in MODES.items():
        shown, tools = listing(catalogue, terms, counter)
        listed = [*shown, *(each.entry for each in tools), *reading]
        upfront = sum(catalogue.cost(entry) for entry in listed)
        names = {entry.shown for entry in listed if not entry.server}
        step = _step(catalogue, terms, counter, names)
        modes[mode] = {
            "tools": len(listed),
            "tokens": upfront,
            "step": round(step),
            "saved": _saved(upfront, native),
            f"saved_after_{STEPS}": _saved(upfront + STEPS * step, native),
        }
    return {
        "tools": len(catalogue.native),
        "tokens": native,
        "tokenizer": counter.name,
        "auto": chosen,
        "modes": modes,
    }


def _saved(tokens: float, native: int) -> float:
    return round(1 - tokens / native, 4) if native else 0.0


def _step(catalogue: Catalogue, terms: Terms, counter: Counter, names: set[str]) -> float:
    every = max(1, len(catalogue.entries) // MOST_SAMPLES)
    samples = catalogue.entries[::every][:MOST_SAMPLES]
    searches = any(name.endswith(own.SEARCH) for name in names)
    describes = any(name.endswith(own.DESCRIBE) for name in names)
    if not samples or not describes:
        return 0.0
    describe = Describe(own.describe(own.DESCRIBE), catalogue)
    search = Search(own.describe(own.SEARCH), catalogue, counter, terms.limit, terms.budget)
    costs = []
    for entry in samples:
        told = [describe.told([entry.shown])]
        if searches:
            about = first_sentence(texts.read(entry.members.get("description")) or entry.name, 80)
            told.append(search.found([about]))
        costs.append(sum(map(counter.count, told)))
    return mean(costs)
