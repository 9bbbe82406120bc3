"""The beginning of one text: JSON at whole items, everything else at whole lines."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from only1mcp_context.results.compact import compact_text
from only1mcp_context.results.texts import line_at, lines_in, piece_end, tail_start
from only1mcp_context.results.values import cut_value, fitting
from only1mcp_sdk import DuplicateMember, members

_BETWEEN = 60
"""Bytes for the line that stands for the middle of a text."""


class Cut(Struct, frozen=True):
    """What is shown of a text."""

    shown: bytes
    what: str
    """What that is, in words."""
    rest: str = ""
    """The range that goes on, where one does; otherwise what is missing is named where it was."""
    json: bool = False
    """Paths may be used."""


def beginning(text: bytes, room: int) -> Cut:
    """What has room of a text that is larger."""
    compact = compact_text(text)
    if compact is not None:
        try:
            cut = _items(compact, room) if compact[:1] == b"[" else None
            if cut is None:
                cut = Cut(cut_value(compact, room), "JSON cut where comments say so", "", True)
        except (msgspec.DecodeError, DuplicateMember, RecursionError):
            cut = None
        if cut is not None and len(cut.shown) <= room:
            return cut
    end = piece_end(text, 0, room)
    if text[end - 1 : end] == b"\n":
        last = line_at(text, end - 1)
        return Cut(text[:end], f"lines 1-{last:,} of {lines_in(text):,}", f"lines {last + 1}-")
    return Cut(text[:end], f"bytes 1-{end:,}", f"bytes {end + 1}-")


def both_ends(text: bytes, room: int) -> Cut:
    """The same for a message whose end says as much as its beginning."""
    room -= _BETWEEN
    head = piece_end(text, 0, room * 2 // 3)
    tail = tail_start(text, len(text), room - head)
    between = b"\n[... %d bytes cut here, from byte %d on ...]\n" % (tail - head, head + 1)
    shown = text[:head].removesuffix(b"\n") + between + text[tail:]
    return Cut(shown, "beginning and end", f"bytes {head + 1}-{tail}")


def _items(compact: bytes, room: int) -> Cut | None:
    """Whole elements; None where not even the first has room."""
    elements = members.items(compact)
    count = fitting([len(element) + 1 for element in elements], room - 1)
    if count == 0:
        return None
    return Cut(
        members.array(elements[:count]),
        f"items 1-{count:,} of {len(elements):,}",
        f"items {count + 1}-",
        True,
    )
