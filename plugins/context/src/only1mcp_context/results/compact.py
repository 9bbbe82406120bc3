"""JSON in text blocks without the white space between its values.

Nothing else of it changes: numbers, strings and repeated members stay byte for byte as they were written.
"""

from __future__ import annotations

import msgspec

from only1mcp_context.results.blocks import Block, blocks_of, with_blocks

_TEXT = b'"text":"'
_OPENING = b"{[ "
_SMALL = 4096
"""Bytes of a result in which it is not worth much to look for JSON behind other texts."""
_STARTS = (b"{", b"[")


def compact_text(text: bytes) -> bytes | None:
    """A text that is, as a whole, a JSON object or array, without its white space. None for any other text."""
    if text[:64].lstrip()[:1] not in _STARTS:
        return None
    try:
        return msgspec.json.format(text, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return None


def compact(result: bytes) -> bytes:
    """A result of `tools/call` whose JSON texts are compact; the very bytes where there are none to shorten."""
    first = result.find(_TEXT)
    if first >= 0 and len(result) < _SMALL:  # as a rule, and then the first text tells
        if result[first + len(_TEXT)] not in _OPENING:
            return result
    elif result.find(b'"{') < 0 and result.find(b'"[') < 0:
        return result
    found = blocks_of(result)
    if found is None:
        return result
    parts, blocks = found
    changed = False
    for place, block in enumerate(blocks):
        if isinstance(block, Block):
            short = compact_text(block.text)
            if short is not None and len(short) < len(block.text):
                blocks[place] = block.saying(short)
                changed = True
    return with_blocks(parts, blocks) if changed else result
