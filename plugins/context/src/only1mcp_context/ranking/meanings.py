"""The opinion of a model on which tools a query means, to be fused with the ranking by words.

Needs the extra `embeddings`. Vectors of tools cost 10 to 100 ms each, so a new set of them takes over those of texts
that an older one has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from only1mcp_context.ranking.documents import ToolDocument

if TYPE_CHECKING:
    from only1mcp_context.ranking.encoder import Encoder, Matrix


class Meanings(Struct, frozen=True):
    """Vectors of an index's documents. Its `opinion` is an `Opinion` for `search`. Make one with `of`."""

    encoder: Encoder
    texts: tuple[str, ...]
    vectors: Matrix

    def opinion(self, query: str) -> Sequence[float]:
        """How near each document is, the farthest 0 and the nearest 1. Computes for some 10 ms."""
        if not self.texts:
            return []
        likeness = self.vectors @ self.encoder.encode([query])[0]
        least, most = float(likeness.min()), float(likeness.max())
        values: list[float] = ((likeness - least) / ((most - least) or 1.0)).tolist()
        return values


def of(documents: Sequence[ToolDocument], encoder: Encoder, older: Meanings | None = None) -> Meanings:
    """The meanings of `documents`, in their order. Blocks while it computes, so call it off the event loop.

    Texts that `older` has are not computed again; it must come from the same encoder.
    """
    import numpy as np

    texts = tuple(_text(document) for document in documents)
    known = {} if older is None else dict(zip(older.texts, older.vectors, strict=True))
    new = sorted({text for text in texts if text not in known})
    if new:
        known.update(zip(new, encoder.encode(new), strict=True))
    vectors = np.stack([known[text] for text in texts]) if texts else np.zeros((0, 0), np.float32)
    return Meanings(encoder=encoder, texts=texts, vectors=vectors)


def _text(document: ToolDocument) -> str:
    return f"{document.server} {document.name}: {document.description} ({', '.join(document.parameters)})"
