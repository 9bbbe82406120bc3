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
from only1mcp_context.results.cut import Cut, beginning, both_ends
from only1mcp_context.results.tokens import DENSEST, SAMPLE, estimate, room_for
from only1mcp_context.results.values import level
from only1mcp_sdk import Json, members

PRESETS: Mapping[str, int] = {"gentle": 4000, "aggressive": 2000}
"""Tokens that the text of one result may have."""
LEAST_TOKENS = 600
"""The smallest budget there may be."""
READER = "result_read"
"""The tool that reads what was cut."""

Keep: TypeAlias = Callable[[bytes], str | None]
"""Keeps a text and returns the call that reads it, in words for a model: see `reading`. None where there is no room
for it."""

_NOTE = 75
"""Tokens for what is said about a cut."""
_LEAST = 100
"""Tokens for each text, below which only the first ones are shown."""


def reading(handle: str, reader: str = READER) -> str:
    """The call that reads what is kept under a handle. `reader` is what the tool is listed as."""
    return f'{reader}(handle="{handle}")'


def shown_of(tokens: int) -> int:
    """How much is shown of what is over a budget: half of it. Results little over it are not worth a cut, and whoever
    needs more of a cut one reads on in any case."""
    return tokens // 2


def shorten(result: bytes, tokens: int, keep: Keep) -> bytes:
    """The result, cut where its text has more than about so many tokens; the very bytes where it is no larger."""
    if len(result) * DENSEST <= tokens:
        return result
    found = blocks_of(result)
    if found is None:
        return result
    parts, blocks = found
    if _room(blocks, tokens) >= _size(blocks):
        return result
    whole = list(blocks)
    for place, block in enumerate(blocks):
        if isinstance(block, Block):
            blocks[place] = block.saying(compact_text(block.text) or block.text)
    if _size(blocks) > _room(blocks, tokens):
        tokens = shown_of(tokens)
        room = _room(blocks, tokens)
        share = level([len(block.text) for block in blocks if isinstance(block, Block)], room)
        share_tokens = share * tokens // room
        if share_tokens >= _LEAST:
            failed = parts.get("isError") == b"true"
            for place, block in enumerate(whole):
                if isinstance(block, Block) and len(_text(blocks[place])) > share:
                    blocks[place] = _cut(block, share_tokens, failed, keep)
        else:
            blocks = _first_ones(whole, tokens, keep)
    return with_blocks(parts, blocks)


def _size(blocks: list[Block | Json]) -> int:
    return sum(len(_text(block)) for block in blocks)


def _room(blocks: list[Block | Json], tokens: int) -> int:
    """The bytes of these texts that make so many tokens."""
    return room_for(tokens, b"".join(_text(block)[:SAMPLE] for block in blocks))


def _text(block: Block | Json) -> bytes:
    return block.text if isinstance(block, Block) else b""


def _cut(block: Block, tokens: int, failed: bool, keep: Keep) -> Block:
    call = keep(block.text)
    if call is None:
        return block
    tokens -= _NOTE
    room = room_for(tokens, block.text)
    cut = (both_ends if failed else beginning)(block.text, room)
    if (shown := estimate(cut.shown)) > tokens:  # what is shown is denser than the rest
        cut = (both_ends if failed else beginning)(block.text, room * tokens // shown)
    return block.saying(
        b"".join((cut.shown, b"" if cut.shown.endswith(b"\n") else b"\n", _said(cut, block.text, call)))
    )


def _said(cut: Cut, text: bytes, call: str) -> bytes:
    """The note below what is shown."""
    ways = [f'range="{cut.rest}" to go on'] if cut.rest else []
    ways += ['grep="words"', 'path="JMESPath"'] if cut.json else ['grep="words"']
    what = f"[Cut: {cut.what}, {len(cut.shown):,} of {len(text):,} bytes. "
    return f"{what}{call} has the rest: {', '.join(ways)}.]".encode()


def _first_ones(blocks: list[Block | Json], tokens: int, keep: Keep) -> list[Block | Json]:
    """The first of very many texts. The others are kept as one JSON array of their blocks."""
    texts = [place for place, block in enumerate(blocks) if isinstance(block, Block)]
    left = tokens - _NOTE
    shown = list(blocks)
    count = 0
    for place in texts:
        block = blocks[place]
        size = estimate(_text(block))
        if size > left:
            if left >= _LEAST + _NOTE and isinstance(block, Block):
                shown[place] = _cut(block, left, False, keep)
                count += 1
            break
        left -= size
        count += 1
    rest = texts[count:]
    whole = members.array(
        block.raw if isinstance(block, Block) else block for block in (blocks[n] for n in rest)
    )
    call = keep(whole)
    if call is None:
        return blocks
    note = (
        f"[Cut: {len(rest):,} of {len(texts):,} texts are left out, {len(whole):,} bytes. "
        f'{call} has them as JSON: range="items 1-", grep="words", path="JMESPath".]'
    )
    left_out = set(rest)
    kept = [block for place, block in enumerate(shown) if place not in left_out]
    return [*kept, text_block(note)]
