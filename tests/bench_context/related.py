"""Writes `related.txt.gz` of the ranking: words whose vectors in a sentence-transformer lie close together.

    python -m tests.bench_context.related --model DIR --text FILE [FILE ...] | gzip -9n > related.txt.gz

The words are those of the model's vocabulary, without rare ones, and those that `--text` uses often and the model has
no token of its own for. The texts are summaries of software, one a line, so that words of the trade are among them:
the list that comes with the package was made of the summaries in the indexes of PyPI and npm and of
all-MiniLM-L6-v2 (Apache-2.0). Needs the extra `embeddings`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from only1mcp_context.ranking import encoder
from only1mcp_context.ranking.words import STOP_WORDS, stem

COMMON = 9000
"""So many of the first words of the model's vocabulary, which is sorted by frequency, are taken unseen."""
SEEN, OFTEN, TARGET = 5, 40, 120
"""Lines to occur in: for a rarer word of the model, for a word it has no token for, for one to be a neighbour."""
NEIGHBOURS = 24
LEAST = 0.33
BANDS = (0.6, 0.47, 0.4)


def vocabulary(model: Path, texts: list[Path]) -> list[tuple[str, bool]]:
    """Words, each with whether it may be a neighbour."""
    seen: Counter[str] = Counter()
    for path in texts:
        with path.open(encoding="utf-8") as file:
            for line in file:
                seen.update({word.lower() for word in re.findall("[A-Za-z]{3,}", line)})
    tokens = (line.rstrip("\n") for line in (model / "vocab.txt").open(encoding="utf-8"))
    own = [word for word in tokens if re.fullmatch("[a-z]{3,}", word)]
    kept = [(word, True) for place, word in enumerate(own) if place < COMMON or seen[word] >= SEEN]
    known = set(own)
    new = [
        (word, count >= TARGET) for word, count in seen.most_common() if count >= OFTEN and word not in known
    ]
    return [(word, target) for word, target in kept + new if word not in STOP_WORDS]


def alike(left: str, right: str) -> bool:
    """Whether two words begin alike, which the search sees without a list."""
    common = next((i for i, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), None)
    shared = min(len(left), len(right)) if common is None else common
    return shared >= 5 or (shared == 4 and shared >= min(len(left), len(right)) - 2)


def neighbours(model: Path, texts: list[Path]) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Stems in order, each with its closest, the closest first."""
    import numpy as np

    found = vocabulary(model, texts)
    vectors = encoder.read(model).encode([word for word, _ in found])
    vectors = vectors - vectors.mean(0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    barred = np.array([not target for _, target in found])
    near: dict[str, dict[str, float]] = {}
    for place, (word, _) in enumerate(found):
        likeness = vectors @ vectors[place]
        likeness[barred] = -1
        best = near.setdefault(stem(word), {})
        for other in np.argsort(-likeness)[: 4 * NEIGHBOURS]:
            if likeness[other] >= LEAST and not alike(word, found[other][0]):
                root = stem(found[other][0])
                best[root] = max(best.get(root, 0.0), float(likeness[other]))
    for word in sorted(near):
        best = near[word]
        best.pop(word, None)
        yield word, sorted(best.items(), key=lambda item: (-item[1], item[0]))[:NEIGHBOURS]


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench_context.related", description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--text", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    for word, others in neighbours(options.model, options.text):
        if others:
            bands: list[list[str]] = [[] for _ in range(len(BANDS) + 1)]
            for other, likeness in others:
                bands[sum(likeness <= bound for bound in BANDS)].append(other)
            sys.stdout.write(f"{word}: {' | '.join(' '.join(sorted(band)) for band in bands)}\n")


if __name__ == "__main__":
    main()
