"""Results as text alone, for tools that are listed without their `outputSchema`.

Servers send what is structured as text, too, and clients may show a model both. Where the list promises no schema, the
structured half may go; what the text does not say is added to it first.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from only1mcp_context.results.blocks import Block, blocks_of, text_block, with_blocks
from only1mcp_context.results.compact import compact_text
from only1mcp_sdk import Json, Members

_value = msgspec.json.Decoder(float_hook=Decimal).decode
_members = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


_NOTHING = object()


def as_text(result: bytes) -> bytes:
    """The result without `structuredContent`, which its text says after this; the very bytes where there is none."""
    if b'"structuredContent"' not in result:
        return result
    found = blocks_of(result)
    if found is None or "structuredContent" not in found[0]:
        return result
    parts, blocks = found
    structured = parts.pop("structuredContent")
    if not _said(structured, parts, blocks):
        blocks.append(text_block((compact_text(structured) or structured).decode()))
    return with_blocks(parts, blocks)


def _said(structured: Json, parts: Members, blocks: list[Block | Json]) -> bool:
    """Whether the content says what is structured: as JSON, or as the one value it wraps."""
    try:
        value = _members(structured)
        wrapped = next(iter(value.values())) if len(value) == 1 else value
        for block in blocks:
            if isinstance(block, Block) and (
                block.text.decode() == wrapped or _reads(block.text) in (value, wrapped)
            ):
                return True
        return isinstance(wrapped, list) and bool(wrapped) and wrapped == _value(parts["content"])
    except (msgspec.DecodeError, UnicodeError, RecursionError, ArithmeticError):
        return False


def _reads(text: bytes) -> Any:
    try:
        return _value(text)
    except (msgspec.DecodeError, RecursionError, ArithmeticError):
        return _NOTHING
