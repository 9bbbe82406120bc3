"""Where texts are best cut: between paragraphs, else lines, else words, and never within a character."""

from __future__ import annotations

_FAR = 7, 8
"""Of the room, before words are cut."""


def piece_end(text: bytes, start: int, room: int) -> int:
    """Where a piece that begins at `start` and has at most `room` bytes ends. Pieces end behind the text, a blank
    line or a line, unless that wastes most of the room. Always behind `start`, where text is left."""
    limit = start + room
    if limit >= len(text):
        return len(text)
    blank = text.rfind(b"\n\n", start + room * 3 // 4, limit)
    if blank >= 0:
        return blank + 2
    line = text.rfind(b"\n", start, limit)
    if line >= start + room // 4:
        return line + 1
    far = start + room * _FAR[0] // _FAR[1]
    space = text.rfind(b" ", far, limit)
    return space + 1 if space >= 0 else max(character(text, limit), next_character(text, start))


def tail_start(text: bytes, end: int, room: int) -> int:
    """Where a piece of at most `room` bytes that ends at `end` begins, at a line where that wastes not too much."""
    limit = max(end - room, 0)
    if limit == 0:
        return 0
    line = text.find(b"\n", limit - 1, end - room // 4)
    return line + 1 if line >= 0 else character(text, limit + 3)


def character(text: bytes, place: int) -> int:
    """`place`, or the beginning of the character that it is in."""
    while 0 < place < len(text) and text[place] & 0xC0 == 0x80:
        place -= 1
    return max(place, 0)


def next_character(text: bytes, place: int) -> int:
    """Where the character after the one at `place` begins."""
    place += 1
    while place < len(text) and text[place] & 0xC0 == 0x80:
        place += 1
    return min(place, len(text))


def lines_in(text: bytes) -> int:
    """How many lines a text has. What stands behind its last line feed is one, too, unless it is nothing."""
    return text.count(b"\n") + (not text.endswith(b"\n") and bool(text))


def line_at(text: bytes, place: int) -> int:
    """The number of the line that `place` is in, from 1."""
    return text.count(b"\n", 0, place) + 1
