"""How many tokens of results a budget spares, with what is read back counted.

    python -m tests.bench_context.results [--recorded FILE] [--kinds]

Reads what `tests.bench_context.record` recorded. A result counts with the text of its blocks, which is what a model
reads; hosts that also show `structuredContent` are the last table. Three ways of reading back are modelled. A call of
`result_read` costs its arguments and its answer; what another turn of the model costs beside is not counted.

some         a third of the cut results is enough as it is, a third is searched for a word once, a third is read on once
each         every cut result is read on once
all          every cut result is read to its end

Each cut result is also read to its end by the ranges the notes name, and compared byte for byte.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from only1mcp_context.results.budget import PRESETS, reading, shorten, shown_of
from only1mcp_context.results.compact import compact
from only1mcp_context.results.reader import DEFINITION, Reader
from only1mcp_context.results.store import Bounds, open_store
from only1mcp_context.results.structured import as_text
from only1mcp_context.results.tokens import estimate
from only1mcp_sdk import members
from tests.bench_context.record import OUT, Recorded, recorded

BUDGETS = sorted({1000, 3000, *PRESETS.values()}, reverse=True)
REFUSED = 25_000
"""Tokens from which on a widespread client refuses a result by itself."""

Count = Callable[[str], int]


class Row(Struct):
    """Tokens of one result under one budget, and of what is read back in each of the three ways."""

    kind: str
    before: int
    after: int
    cut: bool = False
    some: int = 0
    each: int = 0
    all: int = 0


def counter() -> tuple[str, Count]:
    """An exact tokenizer where one is installed, else the estimate; and its name."""
    try:
        from rs_bpe.bpe import openai  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return "an estimate", lambda text: estimate(text.encode())
    return "o200k_base (rs-bpe)", openai.o200k_base().count


def texts(result: Any) -> list[str]:
    """The texts a model reads, of a decoded result."""
    found = []
    for block in result.get("content", ()):
        text = block.get("text", block.get("resource", {}).get("text"))
        if text is not None:
            found.append(text)
    return found


class Clock:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class Bench:
    """Shortens and reads back under one budget."""

    def __init__(
        self, tokens: int, count: Count, reader: Reader, keep: Callable[[bytes], str | None]
    ) -> None:
        self._tokens = tokens
        self._count = count
        self._reader = reader
        self._keep = keep
        self._cuts = 0
        self.seconds = 0.0

    async def row(self, one: Recorded) -> Row:
        raw = one.result.encode()
        kept: list[tuple[str, bytes]] = []

        def keep(text: bytes) -> str | None:
            handle = self._keep(text)
            assert handle is not None
            kept.append((handle, text))
            return reading(handle)

        begin = time.perf_counter()
        short = shorten(compact(raw), self._tokens, keep)
        self.seconds += time.perf_counter() - begin
        old, new = texts(msgspec.json.decode(raw)), texts(msgspec.json.decode(short))
        row = Row(one.kind, self._sum(old), self._sum(new), bool(kept))
        for handle, text in kept:
            self._cuts += 1
            (note,) = (line for shown in new for line in shown.split("\n") if f'(handle="{handle}")' in line)
            going_on = re.search(r'range="([^"]+)" to go on', note)
            once, _ = await self._read(handle, **({"range": going_on[1]} if going_on else {}))
            row.each += once
            if self._cuts % 3 == 1:
                row.some += once
            elif self._cuts % 3 == 2:
                row.some += (await self._read(handle, grep=_word(text)))[0]
            row.all += await self._everything(handle, text)
        return row

    def _sum(self, parts: Sequence[str]) -> int:
        return sum(self._count(part) for part in parts)

    async def _read(self, handle: str, **wish: str) -> tuple[int, list[str]]:
        """What a read costs, and its two texts."""
        arguments = msgspec.json.encode({"handle": handle, **wish})
        answer = msgspec.json.decode(await self._reader.answer("bench", arguments))
        assert "isError" not in answer, answer
        parts = texts(answer)
        return self._sum([DEFINITION["name"].decode(), arguments.decode(), *parts]), parts

    async def _everything(self, handle: str, text: bytes) -> int:
        """Read all of it; what that costs."""
        tokens, going_on, parts = 0, "bytes 1-", []
        while going_on:
            cost, (part, note) = await self._read(handle, range=going_on)
            tokens += cost
            parts.append(part)
            going_on = (re.findall(r'range="([^"]+)"', note) or [""])[0]
        if "".join(parts).encode() != text:
            raise SystemExit(f"{handle}: what was read is not what was cut")
        return tokens


def _word(text: bytes) -> str:
    """A word from the middle of a text."""
    middle = text[len(text) // 2 : len(text) // 2 + 2000].decode(errors="ignore")
    words = sorted(re.findall(r"[A-Za-z]{5,20}", middle), key=len)
    return words[len(words) // 2] if words else "and"


async def measure(every: Sequence[Recorded], tokens: int, count: Count) -> tuple[list[Row], float]:
    """The rows of one budget, and the milliseconds a result took on average."""
    bounds = Bounds(memory=1 << 30, each=1 << 30)
    async with open_store(Clock(), logging.getLogger(__name__), None, bounds) as store:
        bench = Bench(tokens, count, Reader(store, shown_of(tokens)), lambda text: store.put("bench", text))
        rows = [await bench.row(one) for one in every]
    return rows, bench.seconds / len(rows) * 1000


def table(title: str, rows: Sequence[Row]) -> None:
    before, after = sum(row.before for row in rows), sum(row.after for row in rows)
    if not before:
        return
    shares = [
        1 - (after + sum(extra(row) for row in rows)) / before
        for extra in (lambda row: 0, lambda row: row.some, lambda row: row.each, lambda row: row.all)
    ]
    cut = sum(row.cut for row in rows)
    print(
        f"{title:22} {len(rows):6} {before:9,} {after:9,} {cut / len(rows):7.1%} "
        + " ".join(f"{share:7.1%}" for share in shares)
    )


def structured(every: Sequence[Recorded], tokens: int, count: Count) -> None:
    """What a host that shows both text and `structuredContent` spares: as it is, and where that is left out."""

    def both(raw: bytes) -> int:
        parts = members.split(raw)
        return sum(map(count, texts(msgspec.json.decode(raw)))) + count(
            parts.get("structuredContent", b"").decode()
        )

    def keep(text: bytes) -> str | None:
        return reading("abcdefghjkmn")

    before = sum(both(one.result.encode()) for one in every)
    with_it = sum(both(shorten(compact(one.result.encode()), tokens, keep)) for one in every)
    without = sum(both(shorten(compact(as_text(one.result.encode())), tokens, keep)) for one in every)
    print(f"{tokens:6} {before:9,} {1 - with_it / before:10.1%} {1 - without / before:10.1%}")


async def run(path: Path, kinds: bool) -> None:
    every = recorded(path)
    name, count = counter()
    sizes = sorted(sum(map(count, texts(json.loads(one.result)))) for one in every)
    share = sum(size for size in sizes if size > 2000) / sum(sizes)
    print(
        f"{len(every)} results, tokens by {name}: mean {sum(sizes) / len(sizes):,.0f}, half have up to "
        f"{sizes[len(sizes) // 2]:,}, nine in ten up to {sizes[len(sizes) * 9 // 10]:,}, the largest {sizes[-1]:,}; "
        f"{sum(size > 2000 for size in sizes) / len(sizes):.1%} have over 2,000 and hold {share:.0%} of all tokens"
    )
    definition = count(members.join(DEFINITION).decode())
    print(f"the definition of {DEFINITION['name'].decode()} has {definition} tokens, once in a session\n")
    for tokens in BUDGETS:
        rows, milliseconds = await measure(every, tokens, count)
        label = next((f", {preset}" for preset, value in PRESETS.items() if value == tokens), "")
        print(f"budget {tokens:,}{label}; {milliseconds:.2f} ms a result")
        print(f"{'':22} {'calls':>6} {'before':>9} {'after':>9} {'cut':>7}   spared   some    each     all")
        table("all", rows)
        table(f"all but > {REFUSED:,}", [row for row in rows if row.before <= REFUSED])
        if kinds or tokens == PRESETS["aggressive"]:
            for kind in dict.fromkeys(row.kind for row in rows):
                table(f"  {kind}", [row for row in rows if row.kind == kind])
        print()
    print("a host that shows structuredContent beside the text")
    print(f"{'budget':>6} {'before':>9} {'kept':>10} {'left out':>10}")
    for tokens in BUDGETS:
        structured(every, tokens, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recorded", type=Path, default=OUT)
    parser.add_argument("--kinds", action="store_true", help="every kind under every budget")
    options = parser.parse_args()
    if not options.recorded.exists():
        raise SystemExit(f"{options.recorded} is not there: run python -m tests.bench_context.record")
    asyncio.run(run(options.recorded, options.kinds))


if __name__ == "__main__":
    main()
