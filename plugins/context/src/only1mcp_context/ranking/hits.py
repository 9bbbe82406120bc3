"""An index and queries to hits.

A query is a set of concepts, one per word. A concept is the word, what begins like it if nobody uses it, and the words
related to it at a lower weight; a document gets the best of these, not their sum, so that a document rich in synonyms
does not win over one that says it all. The best documents by that sum are then looked at closely: how much of the
query they cover, and whether they have its words side by side.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from math import sqrt
from typing import TypeAlias

from msgspec import Struct

from only1mcp_context.ranking.documents import ToolDocument
from only1mcp_context.ranking.index import Index, Posting
from only1mcp_context.ranking.related import Related
from only1mcp_context.ranking.words import CASUAL_WORDS, stem, words

CASUAL = 0.65
BEGINNING = 0.5
UNKNOWN_BOOST = 2.2
FAINT = 0.2
"""A related word that says less than this, being common or hardly related, is not worth its time."""
COVERAGE = 0.8
ADJACENCY = 0.25
CLOSELY = 64
"""So many of the best documents are looked at closely."""
MOST_WORDS = 128
"""Of a query; the rest of a longer one is not searched for."""
OPINION = 0.5
"""Weight of another ranker's opinion beside the words'."""

Opinion: TypeAlias = Callable[[str], Sequence[float]]
"""Another ranker: for a query, one number from 0 to 1 for each document of the index, in its order."""


class Hit(Struct, frozen=True):
    """A tool that was found."""

    document: ToolDocument
    score: float
    """Comparable within one query only."""
    query: int
    """Which of the queries found it best."""
    twins: tuple[ToolDocument, ...] = ()
    """The same tool (name, description and parameters) on other servers, in the index's order."""


def search(
    index: Index,
    queries: Sequence[str],
    related: Related,
    *,
    servers: Collection[str] | None = None,
    limit: int = 10,
    opinion: Opinion | None = None,
) -> tuple[Hit, ...]:
    """The best `limit` tools for the queries, of `servers` alone if given.

    Each query is ranked for itself and the ranks are interleaved: the best of every query come first, in the queries'
    order. A tool found by several queries stands where it ranks best. Twins take one place. With an `opinion`, a score
    is the mean of both, each brought to the same range. A pure function; equal scores go by the order of the documents.
    Takes milliseconds and never blocks, unless the opinion does.
    """
    best: dict[int, tuple[int, int, int, float]] = {}
    for place, query in enumerate(queries):
        for rank, (number, score) in enumerate(_ranked(index, query, related, servers, limit, opinion)):
            known = best.get(index.twins[number])
            if known is None or (rank, place) < known[:2]:
                best[index.twins[number]] = (rank, place, number, score)
    return tuple(
        Hit(
            document=index.documents[number],
            score=score,
            query=place,
            twins=tuple(
                index.documents[copy]
                for copy in index.copies.get(index.twins[number], ())
                if copy != number and (servers is None or index.documents[copy].server in servers)
            ),
        )
        for _, place, number, score in sorted(best.values())[:limit]
    )


def _ranked(
    index: Index,
    query: str,
    related: Related,
    servers: Collection[str] | None,
    limit: int,
    opinion: Opinion | None,
) -> list[tuple[int, float]]:
    """At least the best `limit`, with their scores; of twins the best."""
    said = words(query)[:MOST_WORDS]
    weights: dict[str, float] = {}
    for word in said:
        root = stem(word)
        weights[root] = max(weights.get(root, 0.0), CASUAL if word in CASUAL_WORDS else 1.0)
    concepts = [_concept(index, word, weight, weights, related) for word, weight in weights.items()]
    sums: dict[int, float] = {}
    for concept in concepts:
        for number, score in concept.items():
            sums[number] = sums.get(number, 0.0) + score
    likeness = opinion(query) if opinion is not None else ()
    opinions = dict(enumerate(likeness))
    if servers is not None:
        others = {number for number, one in enumerate(index.documents) if one.server not in servers}
        sums = {number: score for number, score in sums.items() if number not in others}
        opinions = {number: score for number, score in opinions.items() if number not in others}
    closely = max(CLOSELY, 2 * limit)
    candidates = _best(index, sums, closely) | _best(index, opinions, closely)
    sums = {number: sums.get(number, 0.0) for number in sorted(candidates)}
    scores = _closely(index, sums, concepts, [stem(word) for word in said], weights)
    if likeness:
        highest = max(scores.values(), default=0.0) or 1.0
        scores = {
            number: (1 - OPINION) * score / highest + OPINION * likeness[number]
            for number, score in scores.items()
        }
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _best(index: Index, scores: Mapping[int, float], count: int) -> set[int]:
    """Of each group of twins the best, and of those the best `count` with those as good as the last."""
    best: dict[int, int] = {}
    for number, score in scores.items():
        other = best.setdefault(index.twins[number], number)
        if other != number and (score, -number) > (scores[other], -other):
            best[index.twins[number]] = number
    least = sorted([scores[number] for number in best.values()], reverse=True)[:count][-1:]
    return {number for number in best.values() if scores[number] >= least[0]}


def _concept(
    index: Index, word: str, weight: float, asked: Mapping[str, float], related: Related
) -> dict[int, float]:
    """What one word of the query adds to documents. Other words of the query are concepts of their own."""
    own = index.numbers.get(word)
    near = {
        other: share
        for other, share in related.of(word, index.related_share).items()
        if other in index.numbers
    }
    if own is None:
        near = {other: share * UNKNOWN_BOOST for other, share in near.items()}
        for other in _beginnings(index.vocabulary, word):
            near[other] = max(near.get(other, 0.0), BEGINNING)
    added: dict[int, float] = {}
    if own is not None:
        posting = index.postings[own]
        added = dict(zip(posting.documents, (weight * impact for impact in posting.impacts), strict=True))
    for other, share in near.items():
        number = index.numbers[other]
        if other not in asked and share * index.weights[number] >= FAINT:
            _add(index.postings[number], share * weight, added)
    return added


def _add(posting: Posting, weight: float, added: dict[int, float]) -> None:
    for number, impact in zip(posting.documents, posting.impacts, strict=True):
        score = impact * weight
        if score > added.get(number, 0.0):
            added[number] = score


def _beginnings(vocabulary: Sequence[str], word: str) -> list[str]:
    """Words that begin like `word`, a little longer or shorter: other forms of it that stemming left apart."""
    if len(word) < 5:
        return []
    beginning = word[: max(5, len(word) - 3)]
    place = bisect_left(vocabulary, beginning)
    found = []
    while place < len(vocabulary) and vocabulary[place].startswith(beginning):
        if abs(len(vocabulary[place]) - len(word)) <= 4:
            found.append(vocabulary[place])
        place += 1
    for length in range(max(4, len(word) - 3), len(beginning)):
        place = bisect_left(vocabulary, word[:length])
        if place < len(vocabulary) and vocabulary[place] == word[:length]:
            found.append(word[:length])
    return found


def _closely(
    index: Index,
    sums: Mapping[int, float],
    concepts: Sequence[Mapping[int, float]],
    said: Sequence[str],
    weights: Mapping[str, float],
) -> dict[int, float]:
    pairs = {}
    for left, right in pairwise(said):
        if left in index.numbers and right in index.numbers:
            pair = (index.numbers[left], index.numbers[right])
            telling = index.weights[pair[0]] + index.weights[pair[1]]
            pairs[pair] = ADJACENCY * min(weights[left], weights[right]) * telling
    whole = sum(sqrt(max(concept.values())) for concept in concepts if concept) or 1.0
    scores = {}
    for number, score in sums.items():
        covered = sum(sqrt(concept[number]) for concept in concepts if number in concept)
        if pairs:
            beside = set(pairwise(index.sequences[number])) & pairs.keys()
            score += sum(pairs[pair] for pair in sorted(beside))
        scores[number] = score * (1 + COVERAGE * covered / whole)
    return scores
