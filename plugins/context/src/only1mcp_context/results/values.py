"""JSON values cut at whole elements and members, each cut telling what is missing and where it is found.

What was cut reads `[1,2 /* 3 more of 5: path rows[2:] */]`. With its comments the text is no JSON any more: a program
that parses it finds out, instead of going on with less.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from only1mcp_context.results.texts import piece_end
from only1mcp_sdk import Json, members

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_DEEPEST = 24
_LEAST = 48
"""Bytes, below which it is not worth while to look into a value."""


def cut_value(raw: Json, room: int, path: str = "", depth: int = 0) -> bytes:
    """A compact JSON value in about `room` bytes; itself where it fits. `path` is the expression that leads to it.

    Raises `msgspec.DecodeError` for bad JSON and `DuplicateMember`.
    """
    if len(raw) <= room:
        return raw
    kind = raw[:1]
    if kind in (b"[", b"{", b'"') and room >= _LEAST and depth < _DEEPEST:
        if kind == b"[":
            return _array(raw, room, path, depth)
        if kind == b"{":
            return _object(raw, room, path, depth)
        return _string(raw, room, path)
    return _remark(f"{len(raw):,} bytes: path {path or '@'}")


def fitting(sizes: Sequence[int], room: int) -> int:
    """How many of these, from the first on, have room together."""
    used = 0
    for count, size in enumerate(sizes):
        used += size
        if used > room:
            return count
    return len(sizes)


def level(sizes: Sequence[int], room: int) -> int:
    """The size down to which the largest have to be cut for all of them to fit into the room."""
    left = len(sizes)
    for size in sorted(sizes):
        share = max(room, 0) // left
        if size > share:
            return share
        room -= size
        left -= 1
    return max(sizes, default=0)


def member_path(path: str, name: str) -> str:
    step = name if _PLAIN.match(name) else members.quoted(name).decode()
    return f"{path}.{step}" if path and not path.endswith(" | ") else path + step


def _array(raw: Json, room: int, path: str, depth: int) -> bytes:
    elements = members.items(raw)
    count = len(elements)
    room -= 2 + len(_rest(count, count, f"{path}[{count}:]"))
    shown = fitting([len(element) + 1 for element in elements], room)
    parts = elements[:shown]
    left = room - sum(len(part) + 1 for part in parts)
    if shown < count and left >= max(room // 3, _LEAST):
        parts.append(cut_value(elements[shown], left, f"{path}[{shown}]", depth + 1))
        shown += 1
    rest = _rest(count - shown, count, f"{path}[{shown}:]") if shown < count else b""
    return b"[" + b",".join(parts) + rest + b"]"


def _object(raw: Json, room: int, path: str, depth: int) -> bytes:
    parts = members.split(raw)
    names = {name: members.quoted(name) + b":" for name in parts}
    inside = room - 2 - sum(len(name) + 1 for name in names.values())
    share = level([len(value) for value in parts.values()], inside)
    if share >= _LEAST:
        return (
            b"{"
            + b",".join(
                names[name] + cut_value(value, share, member_path(path, name), depth + 1)
                for name, value in parts.items()
            )
            + b"}"
        )
    # More names than room for what they stand for.
    whole = [names[name] + value for name, value in parts.items()]
    keys = f"keys({path.removesuffix(' | ') or '@'})"
    if path.endswith(" | "):
        keys = f"{path}keys(@)"
    shown = fitting([len(one) + 1 for one in whole], room - 2 - len(_rest(len(whole), len(whole), keys)))
    return b"{" + b",".join(whole[:shown]) + _rest(len(whole) - shown, len(whole), keys) + b"}"


def _string(raw: Json, room: int, path: str) -> bytes:
    text = (members.text(raw) or "").encode()
    room -= 2 + len(_missing(len(text), len(text), path))
    end = piece_end(text, 0, max(room, 4))
    shown = members.quoted(text[:end].decode())
    while len(shown) > room + 2 and end > 8:  # escapes take more
        end = piece_end(text, 0, end * max(room, 1) // len(shown))
        shown = members.quoted(text[:end].decode())
    return shown + _missing(len(text) - end, len(text), path)


def _rest(missing: int, count: int, path: str) -> bytes:
    return b" " + _remark(f"{missing:,} more of {count:,}: path {path}")


def _missing(missing: int, size: int, path: str) -> bytes:
    return b" " + _remark(f"{missing:,} more of {size:,} bytes: path {path or '@'}")


def _remark(text: str) -> bytes:
    return b"/* " + text.encode() + b" */"
