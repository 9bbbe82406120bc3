"""A model of the user's own beside the ranking by words. It computes in threads; until it has read the tools there are,
searches go by words alone."""

from __future__ import annotations

import asyncio

from only1mcp_context.modes.catalogue import Catalogue
from only1mcp_context.modes.own_tools import Spawn
from only1mcp_context.ranking import Opinion
from only1mcp_context.ranking.encoder import Encoder
from only1mcp_context.ranking.meanings import Meanings, of


class SecondOpinion:
    """Of one model, for every catalogue it is shown."""

    def __init__(self, encoder: Encoder, spawn: Spawn) -> None:
        self._encoder = encoder
        self._spawn = spawn
        self._last: Meanings | None = None
        self._one_at_a_time = asyncio.Lock()

    def on(self, catalogue: Catalogue) -> Reader:
        """Begin to read its tools; returns at once."""
        reader = Reader()
        self._spawn(self._read(catalogue, reader))
        return reader

    async def _read(self, catalogue: Catalogue, reader: Reader) -> None:
        async with self._one_at_a_time:
            self._last = await asyncio.to_thread(self._meanings, catalogue)
            reader.opinion = self._last.opinion

    def _meanings(self, catalogue: Catalogue) -> Meanings:
        return of(catalogue.index.documents, self._encoder, self._last)


class Reader:
    """What came of it."""

    def __init__(self) -> None:
        self.opinion: Opinion | None = None
        """None until the tools have been read."""
