"""What each mode lists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from only1mcp_context.definitions.signatures import LEGEND, by_server
from only1mcp_context.definitions.slim import slim
from only1mcp_context.definitions.tokens import Counter
from only1mcp_context.modes import own
from only1mcp_context.modes.catalogue import Catalogue
from only1mcp_context.modes.finding import Describe, Search
from only1mcp_context.modes.own_tools import Answering, OwnTool, Spawn, Working
from only1mcp_context.modes.second_opinion import SecondOpinion
from only1mcp_context.modes.wrapper import Wrapper
from only1mcp_sdk import Entry, Exchange, Result


class Terms(Struct, frozen=True):
    """How it is listed."""

    pinned: tuple[str, ...]
    """Patterns of tools that are listed as they are in any mode."""
    limit: int
    """Tools that a search finds by default."""
    budget: int
    """Tokens of an answer of a search."""
    spawn: Spawn
    """For searches that take longer."""
    second: SecondOpinion | None = None
    """A model that ranks beside the words."""


LARGE = 500
"""Tools of a catalogue whose index is not made while others wait."""


Listing = tuple[Sequence[Entry], list[OwnTool]]
"""Tools of servers, and own ones."""


def native(catalogue: Catalogue, terms: Terms, counter: Counter) -> Listing:
    return catalogue.native, []


def normalised(catalogue: Catalogue, terms: Terms, counter: Counter) -> Listing:
    return catalogue.entries, []


def slimmed(catalogue: Catalogue, terms: Terms, counter: Counter) -> Listing:
    pinned = _pinned(catalogue, terms)
    shown = [entry if entry.shown in pinned else slim(entry) for entry in catalogue.entries]
    return shown, [_describing(catalogue)]


def in_signatures(catalogue: Catalogue, terms: Terms, counter: Counter) -> Listing:
    shown = _shown(catalogue, terms)
    describing = _describing(catalogue)
    describe = describing.entry.shown
    hidden = [entry for entry in catalogue.entries if entry not in shown]
    about = f"Calls one of these tools ({LEGEND}; {describe} tells all about one):\n{by_server(hidden)}"
    return shown, [describing, *_calling(catalogue, about, describe)]


def searched(catalogue: Catalogue, terms: Terms, counter: Counter) -> Listing:
    describing = _describing(catalogue)
    describe = describing.entry.shown
    calling = _calling(catalogue, "Calls a tool that was found", describe)
    name = own.free_name(own.SEARCH, catalogue.taken)
    entry = own.search(name, catalogue, describe, calling[0].entry.shown)
    search = Search(entry, catalogue, counter, terms.limit, terms.budget)
    searching: OwnTool = Answering(entry, search.answer)
    if terms.second is not None or len(catalogue.entries) > LARGE:
        reader = terms.second.on(catalogue) if terms.second is not None else None

        async def answer(exchange: Exchange) -> Result:
            opinion = reader.opinion if reader is not None else None
            return await asyncio.to_thread(search.answer, exchange, opinion)

        searching = Working(entry, answer, terms.spawn)
    return _shown(catalogue, terms), [searching, describing, *calling]


MODES: Mapping[str, Callable[[Catalogue, Terms, Counter], Listing]] = {
    "native": native,
    "normalise": normalised,
    "slim": slimmed,
    "signatures": in_signatures,
    "search": searched,
}
"""Each shows less at first than the one before."""
WITH_OUTPUT_SCHEMAS = frozenset({"native", "normalise"})
"""Modes that list what structured content looks like, which then has to stay."""


def _pinned(catalogue: Catalogue, terms: Terms) -> Container[str]:
    return {name for name in catalogue.by_name if any(fnmatchcase(name, each) for each in terms.pinned)}


def _shown(catalogue: Catalogue, terms: Terms) -> list[Entry]:
    """What is listed as it is where other tools are not: what is pinned, and what can't be called by another."""
    pinned = _pinned(catalogue, terms)
    return [
        entry
        for entry in catalogue.entries
        if entry.shown in pinned or entry.shown in catalogue.needing_tasks
    ]


def _describing(catalogue: Catalogue) -> OwnTool:
    entry = own.describe(own.free_name(own.DESCRIBE, catalogue.taken))
    return Answering(entry, Describe(entry, catalogue).answer)


def _calling(catalogue: Catalogue, about: str, describe: str) -> list[OwnTool]:
    """What calls others; with a second one for those that only read, where that is known of any."""
    name = own.free_name(own.CALL, catalogue.taken)
    calling: list[OwnTool] = [Wrapper(own.call(name, about), catalogue, describe, None, name)]
    if catalogue.reading:
        read = own.call(
            own.free_name(own.READ, catalogue.taken), f"{name} for tools that only read", reads=True
        )
        calling.append(Wrapper(read, catalogue, describe, catalogue.reading, name))
    return calling
