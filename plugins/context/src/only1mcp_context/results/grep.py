"""What was found, as `grep -n` shows it: `12:the line`, `13-a line around it`, `--` between places apart.

Of a long line, the surroundings of each match are shown, with the bytes of the text they are.
"""

from __future__ import annotations

from msgspec import Struct

from only1mcp_context.results.find import Pattern
from only1mcp_context.results.texts import character, line_at, next_character

_LONG = 400
"""Bytes, from which on a line is not shown whole."""
_AROUND = 140


class Found(Struct):
    """What was found in a text."""

    text: bytes = b""
    what: str = "nothing found"
    next: str = ""
    """The range to look on in; empty at the end."""


def grep(text: bytes, pattern: Pattern, start: int, stop: int, context: int, room: int) -> Found:
    """Look in `text[start:stop]`, one pass over it. What is shown has about `room` bytes."""
    page = _Page(text, start, stop, context, room)
    haystack = pattern.haystack(text)
    shown = count = 0
    next_range = ""
    upto = "" if stop == len(text) else f"{stop}"
    begin = start
    while begin < stop:
        end = text.find(b"\n", begin, stop)
        end = stop if end < 0 else end
        if pattern.first(haystack, begin, end) is not None:
            count += 1
            if next_range:
                pass
            elif end - begin <= _LONG:
                if page.line(begin, end):
                    shown += 1
                else:
                    next_range = f"bytes {begin + 1}-{upto}"
            else:
                shown += 1
                after = page.long_line(haystack, pattern, begin, end)
                if after:
                    next_range = f"bytes {after + 1}-{upto}"
        begin = end + 1
    page.end()
    if not count:
        return Found()
    return Found(b"\n".join(page.rows), f"{shown:,} of {count:,} lines found", next_range)


class _Page:
    def __init__(self, text: bytes, start: int, stop: int, context: int, room: int) -> None:
        self._text = text
        self._start = start
        self._stop = stop
        self._context = context
        self._room = room
        self.rows: list[bytes] = []
        self._done = start
        """Before this, everything is on the page or left out."""
        self._owed = 0
        """Lines that may still follow the last one found."""
        self._counted = (start, line_at(text, start))

    def line(self, begin: int, end: int) -> bool:
        """A line that was found. False where it has no room."""
        self._after(begin)
        around = self._before(begin)
        first = self._number(begin)
        rows = [
            b"%d-%b" % (first - len(around) + n, _short(self._text[a:b])) for n, (a, b) in enumerate(around)
        ]
        if self.rows and self._context and (around[0][0] if around else begin) > self._done:
            rows.insert(0, b"--")
        rows.append(b"%d:%b" % (first, self._text[begin:end].removesuffix(b"\r")))
        if sum(len(row) + 1 for row in rows) > self._room:
            del rows[:-1]
            if self.rows and len(rows[0]) + 1 > self._room:
                return False
        self._write(rows)
        self._done = end + 1
        self._owed = self._context
        return True

    def long_line(self, haystack: bytes, pattern: Pattern, begin: int, end: int) -> int:
        """The places of a long line that was found. Where to look on, if they have no room; else 0."""
        self._after(begin)
        number = self._number(begin)
        seen = begin
        while (place := pattern.first(haystack, seen, end)) is not None:
            a = character(self._text, max(place[0] - _AROUND, seen))
            b = min(next_character(self._text, min(place[1], place[0] + _LONG) + _AROUND), end)
            row = b"%d:(bytes %d-%d) %b" % (number, a + 1, b, self._text[a:b])
            if self.rows and len(row) + 1 > self._room:
                self._done = end + 1
                return place[0]
            self._write([row])
            seen = b
        self._done = end + 1
        self._owed = 0
        return 0

    def end(self) -> None:
        self._after(self._stop)

    def _after(self, limit: int) -> None:
        """The lines that follow what was found last, as far as they are no match themselves."""
        while self._owed and self._done < limit:
            self._owed -= 1
            begin = self._done
            end = self._text.find(b"\n", begin, self._stop)
            end = self._stop if end < 0 else end
            row = b"%d-%b" % (self._number(begin), _short(self._text[begin:end]))
            if len(row) + 1 > self._room:
                self._owed = 0
                return
            self._write([row])
            self._done = end + 1

    def _before(self, begin: int) -> list[tuple[int, int]]:
        lines: list[tuple[int, int]] = []
        while len(lines) < self._context and begin > self._done:
            end = begin - 1
            begin = max(self._text.rfind(b"\n", self._done, end) + 1, self._done)
            lines.insert(0, (begin, end))
        return lines

    def _number(self, place: int) -> int:
        """The number of the line at `place`, which is never before the last one asked for."""
        known, number = self._counted
        self._counted = place, number + self._text.count(b"\n", known, place)
        return self._counted[1]

    def _write(self, rows: list[bytes]) -> None:
        self.rows += rows
        self._room -= sum(len(row) + 1 for row in rows)


def _short(line: bytes) -> bytes:
    line = line.removesuffix(b"\r")
    return line if len(line) <= _LONG else line[: character(line, _LONG // 2)] + b"..."
