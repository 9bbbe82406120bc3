"""A model of the user's own beside the ranking by words. It computes in threads; until it has read the tools there are,
searches go by words alone."""

from __future__ import annotations

import asyncio

from only1mcp_context.modes.own_tools import Spawn
from only1mcp_context.ranking import Index, Opinion
from only1mcp_context.ranking.encoder import Encoder
from only1mcp_context.ranking.meanings import Meanings, of


class SecondOpinion:
    """Of one model, for every catalogue it is shown."""

    def __init__(self, encoder: Encoder, spawn: Spawn) -> None:
        self._encoder = encoder
        self.spawn = spawn
        self._last: Meanings | None = None
        self._one_at_a_time = asyncio.Lock()

    def on(self, index: Index) -> Reader:
        """Begin to read the tools of an index; returns at once."""
        reader = Reader()
        self.spawn(self._read(index, reader))
        return reader

    async def _read(self, index: Index, reader: Reader) -> None:
        async with self._one_at_a_time:
            self._last = await asyncio.to_thread(of, index.documents, self._encoder, self._last)
            reader.opinion = self._last.opinion


class Reader:
    """What came of it."""

    def __init__(self) -> None:
        self.opinion: Opinion | None = None
        """None until the tools have been read."""
