"""What the definitions of a profile's tools cost a model, in each mode.

    python -m tests.bench_context.definitions [--data DIR] [--tokenizer o200k_base]

Counted is what a client gives to its model: names, descriptions and input schemas of all that is listed, and the
answers of searches and descriptions, which stay in the context. A step is what a model does to find and understand one
tool: in `search`, one search for it and one description of the best hit (also where the answer has its schema); in
`signatures` and `slim`, one description; where definitions are complete, nothing. Averages over a profile's queries.

A session is ten calls of the model, over a system prompt of 6,000 tokens, each adding 900; what is new is written to
the prompt cache at 1.25 times the price of a token and read from it at 0.1 in each later call. Every search and every
description is one more call, and 60 tokens for saying it. Three steps are made, before anything else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from statistics import mean

from msgspec import Struct

from only1mcp_context import plugin
from only1mcp_context.definitions.tokens import ESTIMATE, Counter, exact
from only1mcp_context.modes.catalogue import seen_by_model
from only1mcp_sdk import Entry, Outcome, Result, Toolbox, View
from only1mcp_sdk.members import encode
from only1mcp_sdk.testing import Harness, make_caller, make_exchange
from tests.bench_context import profiles
from tests.bench_context.profiles import Profile

MODES = ("native", "normalise", "slim", "signatures", "search", "auto")
CALLS, SYSTEM, GROWTH, WRITE, READ, SAYING = 10, 6000, 900, 1.25, 0.1, 60
ECONOMY = {offer.name: offer for offer in plugin.only1mcp_register_economy()}


class Cost(Struct, frozen=True):
    """Of one profile in one mode, in tokens."""

    profile: str
    mode: str
    tools: int
    upfront: int
    step: float
    """What finding and understanding one tool adds."""
    calls: int
    """Calls of the model that a step takes."""

    def after(self, steps: int) -> float:
        return self.upfront + steps * self.step

    def session(self, steps: int = 3) -> float:
        """Tokens of a whole session, by what they cost."""
        extra = [self.step / max(1, self.calls) + SAYING] * (steps * self.calls)
        prefix: float = SYSTEM + self.upfront
        cost = prefix * WRITE
        for new in [*extra, *[GROWTH] * (CALLS - 1)]:
            cost += prefix * READ + new * WRITE
            prefix += new
        return cost


async def costs(profile: Profile, counter: Counter) -> list[Cost]:
    """In each mode, and first without any: what the servers list, and nothing else."""
    tools = profile.toolbox.tools
    found = [Cost(profile.name, "none", len(tools), sum(_cost(tool, counter) for tool in tools), 0, 0)]
    with Harness() as harness:
        async with harness.open(ECONOMY["auto"], {}) as economy:
            for mode in MODES:
                variant = economy.variant(make_caller()) if mode == "auto" else mode
                view = economy.view(variant, profile.toolbox)
                answers = [await _step(view, query, profile.toolbox) for query in profile.queries]
                found.append(
                    Cost(
                        profile.name,
                        mode,
                        len(view.tools),
                        sum(_cost(entry, counter) for entry in view.tools),
                        mean(sum(counter.count(text) for text in texts) for texts in answers),
                        len(answers[0]),
                    )
                )
    return found


def _cost(entry: Entry, counter: Counter) -> int:
    return counter.count(seen_by_model(entry).decode())


async def _step(view: View, query: str, toolbox: Toolbox) -> list[str]:
    """What a model is told until it knows the tool it wants."""
    told = []
    names = [entry.shown for entry in toolbox.tools]
    wanted = names[sum(query.encode()) % len(names)]
    if "tool_search" in view.own:
        found = await _ask(view, "tool_search", {"queries": [query]})
        told.append(found)
        wanted = found.lstrip("*!").partition("(")[0]
    if "tool_describe" in view.own:
        told.append(await _ask(view, "tool_describe", {"names": [wanted]}))
    return told


async def _ask(view: View, tool: str, arguments: object) -> str:
    call = make_exchange("tools/call", {"name": tool, "arguments": encode(arguments)})
    answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    view.serve(call, answered.set_result)
    outcome = await answered
    assert isinstance(outcome, Result)
    told = json.loads(outcome.raw)
    assert not told.get("isError"), told
    return "\n".join(block["text"] for block in told["content"])


def report(found: list[Cost], counter: Counter) -> str:
    """A table of one profile, in Markdown."""
    none = found[0]
    lines = [
        f"**{none.profile}**: {none.tools} tools, {none.upfront:,} tokens ({counter.name})\n",
        "| mode | listed | upfront | a step | saved at first | after 3 steps | after 10 | session |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cost in found[1:]:
        saved = [1 - tokens / none.upfront for tokens in (cost.upfront, cost.after(3), cost.after(10))]
        session = 1 - cost.session() / none.session()
        shown = " | ".join(f"{part:.1%}" for part in [*saved, session])
        lines.append(f"| {cost.mode} | {cost.tools} | {cost.upfront:,} | {cost.step:.0f} | {shown} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench_context.definitions")
    parser.add_argument("--data", type=Path, help="a folder with profiles.json")
    parser.add_argument("--tokenizer", help="an exact tokenizer, such as o200k_base; estimates without")
    options = parser.parse_args()
    counter = exact(options.tokenizer) if options.tokenizer else ESTIMATE
    for profile in profiles.read(options.data) if options.data else profiles.generated():
        print(report(asyncio.run(costs(profile, counter)), counter))


if __name__ == "__main__":
    main()
