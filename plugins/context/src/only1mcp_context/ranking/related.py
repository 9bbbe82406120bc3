"""Which words mean nearly the same, so that "remove a folder" finds delete_directory.

Two lists, both of stems (`words.stem`) and independent of any catalogue. `groups.txt` is written by hand: the verbs and
abbreviations of tools, one group a line. `related.txt.gz` is computed from the word vectors of a language model by
`python -m tests.bench_context.related`: after each word its neighbours in bands, the closest first.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from importlib import resources

from msgspec import Struct

from only1mcp_context.ranking.words import stem

GROUP_WEIGHT = 0.36
BAND_WEIGHTS = (0.21, 0.125, 0.075, 0.05)


class Related(Struct, frozen=True):
    """Neighbours of words. Make one with `load` and share it: it holds some 4 MB."""

    groups: Mapping[str, frozenset[str]]
    bands: Mapping[str, str]
    """The rest of the line of each word, taken apart when asked for."""

    def of(self, word: str, share: float = 1.0) -> dict[str, float]:
        """The neighbours of a stem, each with how much a match of it counts beside one of the word itself.

        `share` scales the computed ones; what people wrote down as the same always counts the same.
        """
        found: dict[str, float] = {}
        line = self.bands.get(word)
        if line is not None:
            for band, weight in zip(line.split("|"), BAND_WEIGHTS, strict=False):
                found.update((other, weight * share) for other in band.split())
        for other in self.groups.get(word, ()):
            found[other] = GROUP_WEIGHT
        return found


NONE = Related(groups={}, bands={})
"""No neighbours: words match themselves and what begins alike."""


def load() -> Related:
    """The lists that come with the package. Reads two files; some 30 ms."""
    folder = resources.files("only1mcp_context.ranking")
    bands = gzip.decompress((folder / "related.txt.gz").read_bytes()).decode()
    return parse((folder / "groups.txt").read_text(encoding="utf-8"), bands)


def parse(groups: str, bands: str) -> Related:
    """Lists in the form of the two files. Lines that begin with # are left out."""
    together: dict[str, set[str]] = {}
    for line in groups.splitlines():
        if not line.startswith("#"):
            group = {stem(word) for word in line.split()}
            for word in group:
                together.setdefault(word, set()).update(group - {word})
    lines = (line.partition(":") for line in bands.splitlines() if not line.startswith("#"))
    return Related(
        groups={word: frozenset(others) for word, others in together.items()},
        bands={word: rest for word, _, rest in lines},
    )
