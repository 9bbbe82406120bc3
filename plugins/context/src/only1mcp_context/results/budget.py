"""Results of `tools/call` within a budget of tokens, with nothing lost.

Text over the budget is cut, says so itself, and is kept whole under a handle. Never touched: images, audio, blobs,
links, `structuredContent` (which so keeps its schema) and every other member. Where the whole can't be kept, nothing is
cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from only1mcp_context.results.blocks import Block, blocks_of, text_block, with_blocks
from only1mcp_context.results.compact import compact_text
from only1mcp_context.results.cut import beginning, both_ends
from only1mcp_context.results.values import fitting, level
from only1mcp_sdk import Json, members

PRESETS: Mapping[str, int] = {"gentle": 4000, "aggressive": 1500}
"""Tokens that the text of one result may have."""
BYTES_PER_TOKEN = 3.5
LEAST_TOKENS = 200
"""The smallest budget there may be."""
READER = "result_read"
"""The tool that reads what was cut."""

Keep: TypeAlias = Callable[[bytes], str | None]
"""Keeps a text and returns its handle; None where there is no room for it."""

_NOTE = 220
"""Bytes for what is said about a cut."""
_LEAST = 500
"""Bytes for each text, below which only the first ones are shown."""


def room_for(tokens: int) -> int:
    """The bytes of text that make about so many tokens."""
    return int(tokens * BYTES_PER_TOKEN)


def shorten(result: bytes, tokens: int, keep: Keep) -> bytes:
    """The result with at most about so many tokens of text; the very bytes where it is no larger."""
    room = room_for(tokens)
    if len(result) <= room:
        return result
    found = blocks_of(result)
    if found is None:
        return result
    parts, blocks = found
    if _size(blocks) <= room:
        return result
    whole = list(blocks)
    for place, block in enumerate(blocks):
        if isinstance(block, Block):
            blocks[place] = block.saying(compact_text(block.text) or block.text)
    if _size(blocks) > room:
        share = level([len(block.text) for block in blocks if isinstance(block, Block)], room)
        if share >= _LEAST:
            failed = parts.get("isError") == b"true"
            for place, block in enumerate(whole):
                if isinstance(block, Block) and len(_text(blocks[place])) > share:
                    blocks[place] = _cut(block, share, failed, keep)
        else:
            blocks = _first_ones(whole, room, keep)
    return with_blocks(parts, blocks)


def _size(blocks: list[Block | Json]) -> int:
    return sum(len(block.text) for block in blocks if isinstance(block, Block))


def _text(block: Block | Json) -> bytes:
    return block.text if isinstance(block, Block) else b""


def _cut(block: Block, room: int, failed: bool, keep: Keep) -> Block:
    handle = keep(block.text)
    if handle is None:
        return block
    cut = (both_ends if failed else beginning)(block.text, room - _NOTE)
    return block.saying(
        cut.shown + b"\n" + said(cut.what, cut.rest, block.text, len(cut.shown), handle).encode()
    )


def said(what: str, rest: str, text: bytes, shown: int, handle: str) -> str:
    """The note below what is shown."""
    on = f'range="{rest}" to go on, ' if rest else ""
    return (
        f"[Cut: {what}, {shown:,} of {len(text):,} bytes. "
        f'{READER}(handle="{handle}") has the rest: {on}grep="words", path="JMESPath".]'
    )


def _first_ones(blocks: list[Block | Json], room: int, keep: Keep) -> list[Block | Json]:
    """The first of very many texts. The others are kept as one JSON array of their blocks."""
    texts = [place for place, block in enumerate(blocks) if isinstance(block, Block)]
    room -= _NOTE
    count = fitting([len(_text(blocks[place])) for place in texts], room)
    shown = list(blocks)
    first = blocks[texts[count]]
    left = room - sum(len(_text(blocks[place])) for place in texts[:count])
    if left >= _LEAST + _NOTE and isinstance(first, Block):
        shown[texts[count]] = _cut(first, left, False, keep)
        count += 1
    rest = texts[count:]
    whole = members.array(
        block.raw if isinstance(block, Block) else block for block in (blocks[n] for n in rest)
    )
    handle = keep(whole)
    if handle is None:
        return blocks
    note = (
        f"[Cut: {len(rest):,} of {len(texts):,} texts are left out, {len(whole):,} bytes. "
        f'{READER}(handle="{handle}") has them as JSON: range="items 1-", grep="words", path="JMESPath".]'
    )
    left_out = set(rest)
    kept = [block for place, block in enumerate(shown) if place not in left_out]
    return [*kept, text_block(note)]
