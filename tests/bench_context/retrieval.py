"""How well the ranking finds tools, how fast, and how large its index is.

    python -m tests.bench_context.retrieval [--data DIR] [--model DIR]

Per kind of query: hit@1, hit@5, hit@10 and the mean reciprocal rank, for each half of the queries. A query is even or
odd by the SHA-256 of its id: the ranking may be tuned on the even ones only, so the odd ones judge it. With a model,
the ranking by words is fused with that of the model.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from only1mcp_context.ranking import (
    Index,
    Opinion,
    Related,
    ToolDocument,
    build,
    encoder,
    load,
    meanings,
    search,
)
from tests.bench_context.sets import Query, ToolSet, generated, read

DEEP = 10
CATALOGUE = 3000

Find = Callable[[Query], Sequence[str]]


class Score(Struct, frozen=True):
    queries: int
    hit1: float
    hit5: float
    hit10: float
    mrr: float

    def __str__(self) -> str:
        return f"{self.queries:5} {self.hit1:.3f} {self.hit5:.3f} {self.hit10:.3f} {self.mrr:.3f}"


def finder(tools: ToolSet, index: Index, related: Related, opinion: Opinion | None = None) -> Find:
    """Ids found for a query, best first, twins after the hit they belong to."""
    ids = {id(document): name for document, name in zip(tools.documents, tools.ids, strict=True)}

    def find(query: Query) -> Sequence[str]:
        hits = search(index, [query.text], related, limit=DEEP, opinion=opinion)
        return [ids[id(document)] for hit in hits for document in (hit.document, *hit.twins)]

    return find


def score(queries: Sequence[Query], find: Find) -> Score:
    """Any accepted tool counts."""
    ranks = []
    for query in queries:
        found = find(query)[:DEEP]
        ranks.append(next((rank for rank, tool in enumerate(found) if tool in query.gold), None))
    count = max(len(ranks), 1)
    hits = [rank for rank in ranks if rank is not None]
    return Score(
        queries=len(ranks),
        hit1=sum(rank < 1 for rank in hits) / count,
        hit5=sum(rank < 5 for rank in hits) / count,
        hit10=len(hits) / count,
        mrr=sum(1 / (rank + 1) for rank in hits) / count,
    )


def kinds(queries: Sequence[Query]) -> dict[str, list[Query]]:
    """Queries by kind; G1_tool, G1_category, ... are one kind, G1."""
    found: dict[str, list[Query]] = {}
    for query in queries:
        found.setdefault(query.kind.partition("_")[0] if query.kind[:1] == "G" else query.kind, []).append(
            query
        )
    return found


def cost(documents: Sequence[ToolDocument], queries: Sequence[str], related: Related) -> str:
    """Processor time and size of an index of `CATALOGUE` tools, the time of queries on it.

    The tools are those of the set, several times over under other names, or a part of them.
    """
    many = [
        replace(documents[place % len(documents)], name=f"{documents[place % len(documents)].name}_{place}")
        for place in range(CATALOGUE)
    ]
    start = time.process_time()
    index = build(many)
    built = time.process_time() - start
    took = []
    for query in queries:
        start = time.process_time()
        search(index, [query], related)
        took.append(time.process_time() - start)
    took.sort()
    del index
    tracemalloc.start()
    index = build(many)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del index
    return (
        f"{CATALOGUE} tools: index {built:.2f} s, {size / 1e6:.1f} MB;"
        f" query p50 {took[len(took) // 2] * 1e3:.2f} ms, p95 {took[int(len(took) * 0.95)] * 1e3:.2f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench_context.retrieval", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of sets; without it, a small generated one")
    parser.add_argument(
        "--model", type=Path, help="a sentence-transformer to fuse with; needs the extra embeddings"
    )
    options = parser.parse_args()
    data = options.data
    model = encoder.read(options.model) if options.model else None
    sets = read(data) if data else [generated()]
    start = time.perf_counter()
    related = load()
    print(f"related words loaded in {(time.perf_counter() - start) * 1e3:.0f} ms")
    for tools in sets:
        opinion = meanings.of(tools.documents, model).opinion if model else None
        find = finder(tools, build(tools.documents), related, opinion)
        print(f"\n{tools.name}, {len(tools.documents)} tools")
        print(f"{'':16} {'even':>5} hit@1 hit@5 hit@10  mrr  {'odd':>6} hit@1 hit@5 hit@10  mrr")
        for kind, queries in kinds(tools.queries).items():
            halves = [[query for query in queries if query.even() is even] for even in (True, False)]
            print(f"{kind:16} {score(halves[0], find)}  {score(halves[1], find)}")
        print(cost(tools.documents, [query.text for query in tools.queries[:500]], related))


if __name__ == "__main__":
    main()
