"""Reading what was cut: ranges, words, and paths, each answer within the budget and saying how to go on.

Everything counts from 1. Walked by the range each answer names for going on, from `lines 1-` or `bytes 1-`, a text
comes back byte for byte. Items are those of the JSON array or object a text is; one too large for an answer is cut, and
says by which path it is had.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from only1mcp_context.results.compact import compact_text
from only1mcp_context.results.find import BadPattern, read_pattern
from only1mcp_context.results.grep import grep
from only1mcp_context.results.project import BadPath, read_path
from only1mcp_context.results.texts import character, line_at, lines_in, next_character, piece_end
from only1mcp_context.results.values import cut_value, fitting, member_path
from only1mcp_sdk import DuplicateMember, Json, members

Unit: TypeAlias = Literal["lines", "items", "bytes"]

_RANGE = re.compile(r"\s*(?:(lines?|items?|bytes?)\s*)?(\d{1,12})?\s*(-)?\s*(\d{1,12})?\s*\Z", re.IGNORECASE)
MOST_CONTEXT = 20


class BadRequest(ValueError):
    """What was asked for can't be had. The message is for the caller."""


class Wish(Struct, frozen=True):
    """What is asked of a text. A path comes first: range and grep are then about what it selects."""

    range: str = ""
    grep: str = ""
    path: str = ""
    context: int = 2


class Answer(Struct, frozen=True):
    """A piece of a text."""

    text: bytes
    what: str
    """What that is, in words."""
    next: str = ""
    """The range for more of the same; empty at the end."""


class _Span(Struct, frozen=True):
    unit: Unit
    first: int
    last: int


def read(text: bytes, wish: Wish, room: int) -> Answer:
    """Answer in at most about `room` bytes. Takes its time for large texts: then call it from a thread.

    Raises `BadRequest`.
    """
    root = ""
    if wish.path:
        try:
            selected = read_path(wish.path).of(text)
        except BadPath as error:
            raise BadRequest(str(error)) from None
        if selected == b"null":
            return Answer(selected, "path selects nothing")
        text = (members.text(selected) or "").encode() if selected[:1] == b'"' else selected
        root = f"{wish.path} | "
    if wish.grep:
        return _found(text, wish, room)
    elements = _elements(text, root)
    span = _span(wish.range, text, elements)
    if span.unit == "items":
        if elements is None:
            raise BadRequest("there are no items here: this is no JSON array or object. Use lines or bytes")
        return _items(elements, span, room)
    if span.unit == "lines":
        return _lines(text, span, room)
    return _bytes(text, span.first, span.last, room)


class _Elements(Struct, frozen=True):
    """The items of an array or object, each with the path that leads to it."""

    raw: list[Json]
    paths: list[str]
    names: list[bytes] | None

    def written(self, parts: list[Json], first: int) -> bytes:
        if self.names is None:
            return members.array(parts)
        return b"{%b}" % b",".join(name + part for name, part in zip(self.names[first:], parts, strict=False))


def _elements(text: bytes, root: str) -> _Elements | None:
    compact = compact_text(text)
    if compact is None:
        return None
    try:
        if compact[:1] == b"[":
            raw = members.items(compact)
            return _Elements(raw, [f"{root}[{n}]" for n in range(len(raw))], None)
        parts = members.split(compact)
    except (msgspec.DecodeError, DuplicateMember):
        return None
    paths = [member_path(root, name) for name in parts]
    return _Elements(list(parts.values()), paths, [members.quoted(name) + b":" for name in parts])


def _span(wanted: str, text: bytes, elements: _Elements | None) -> _Span:
    match = _RANGE.match(wanted)
    if match is None:
        raise BadRequest(
            f'range {wanted[:60]!r} is not understood: say "lines 1-100", "items 3-" or "bytes -2000"'
        )
    unit = _unit(match[1], text, elements)
    if unit == "lines":
        count = lines_in(text)
    elif unit == "items":
        count = len(elements.raw) if elements else 0
    else:
        count = len(text)
    first, dash, last = match[2], match[3], match[4]
    if first is None and last is not None:  # the last so many
        span = _Span(unit, max(count - int(last) + 1, 1), count)
    else:
        begin = max(int(first or 1), 1)
        span = _Span(unit, begin, min(int(last), count) if last else count if dash or not first else begin)
    if count and not span.first <= span.last <= count:
        raise BadRequest(f"range {wanted[:60]!r} is outside: there are {count:,} {unit}")
    return span


def _unit(word: str | None, text: bytes, elements: _Elements | None) -> Unit:
    if word:
        return "lines" if word[0] in "lL" else "items" if word[0] in "iI" else "bytes"
    if elements is not None:
        return "items"
    return "lines" if b"\n" in text else "bytes"


def _items(elements: _Elements, span: _Span, room: int) -> Answer:
    first, count = span.first - 1, len(elements.raw)
    wanted = elements.raw[first : span.last]
    if not wanted:
        return Answer(elements.written([], 0), "there are no items")
    names = elements.names[first : span.last] if elements.names else [b""] * len(wanted)
    shown = fitting([len(name) + len(raw) + 1 for name, raw in zip(names, wanted, strict=True)], room - 2)
    if shown == 0:
        shown = 1
        left = room - len(names[0]) - 2
        parts = [cut_value(wanted[0], left, elements.paths[first])]
    else:
        parts = wanted[:shown]
    end = first + shown
    return Answer(
        elements.written(parts, first),
        f"items {span.first:,}-{end:,} of {count:,}",
        _next("items", end, span.last, count),
    )


def _lines(text: bytes, span: _Span, room: int) -> Answer:
    count = lines_in(text)
    if not count:
        return Answer(b"", "the text is empty")
    start = _line_start(text, span.first)
    stop = len(text) if span.last >= count else _line_start(text, span.last + 1)
    if stop - start <= room:
        end = stop
    else:
        end = min(piece_end(text, start, room), stop)
        if text[end - 1 : end] != b"\n":
            line = line_at(text, start)
            upto = "" if stop == len(text) else f"{stop}"
            return Answer(
                text[start:end], f"the beginning of line {line:,} of {count:,}", f"bytes {end + 1}-{upto}"
            )
    last = line_at(text, end - 1)
    what = f"lines {span.first:,}-{last:,} of {count:,}"
    return Answer(text[start:end], what, _next("lines", last, span.last, count))


def _bytes(text: bytes, first: int, last: int, room: int) -> Answer:
    if not text:
        return Answer(b"", "the text is empty")
    start = character(text, first - 1)
    stop = len(text) if last >= len(text) else next_character(text, last - 1)
    end = min(piece_end(text, start, room), stop)
    what = f"bytes {start + 1:,}-{end:,} of {len(text):,}"
    return Answer(text[start:end], what, _next("bytes", end, stop, len(text)))


def _next(unit: Unit, end: int, wanted: int, count: int) -> str:
    if end >= wanted:
        return ""
    return f"{unit} {end + 1}-" + (f"{wanted}" if wanted < count else "")


def _line_start(text: bytes, number: int) -> int:
    start = 0
    for _ in range(number - 1):
        start = text.index(b"\n", start) + 1
    return start


def _found(text: bytes, wish: Wish, room: int) -> Answer:
    try:
        pattern = read_pattern(wish.grep)
    except BadPattern as error:
        raise BadRequest(str(error)) from None
    if not text:
        return Answer(b"", "the text is empty")
    span = _span(wish.range or "lines 1-", text, None)
    if span.unit == "items":
        raise BadRequest('grep goes with a range of lines or bytes: range="lines 100-"')
    if span.unit == "lines":
        start = _line_start(text, span.first)
        stop = len(text) if span.last >= lines_in(text) else _line_start(text, span.last + 1)
    else:
        start = character(text, span.first - 1)
        stop = len(text) if span.last >= len(text) else next_character(text, span.last - 1)
    found = grep(text, pattern, start, stop, min(max(wish.context, 0), MOST_CONTEXT), room)
    return Answer(found.text, found.what, found.next)
