"""Lines that hold words.

A pattern is words, not a regular expression: `|` stands between alternatives, `.*` for anything within a line, `^` and
`$` for its beginning and end, and a backslash makes the sign after it a plain one. Every other sign stands for itself.
Python's own regular expressions can take for ever on a hostile line and can't be interrupted; RE2, which can't, comes
without wheels for musl and for new versions of Python. What is left is found in one pass.
"""

from __future__ import annotations

from msgspec import Struct

LONGEST = 200
"""Characters of a pattern."""
_CLASSES = "dDwWsSbBAZ"


class BadPattern(ValueError):
    """The message is for the caller."""


class Words(Struct, frozen=True):
    """One alternative."""

    pieces: tuple[bytes, ...]
    at_start: bool
    at_end: bool


class Pattern(Struct, frozen=True):
    """What a line must hold one of. Without a capital letter in it, A is a."""

    alternatives: tuple[Words, ...]
    any_case: bool

    def haystack(self, text: bytes) -> bytes:
        """What to look in for this pattern: of the same length as the text."""
        return text.lower() if self.any_case else text

    def first(self, haystack: bytes, start: int, stop: int) -> tuple[int, int] | None:
        """Where in `haystack[start:stop]`, part of one line, the first match begins and ends."""
        found = [
            place
            for words in self.alternatives
            if (place := _match(words, haystack, start, stop)) is not None
        ]
        return min(found, default=None)


def read_pattern(pattern: str) -> Pattern:
    """Raises `BadPattern`."""
    if not pattern or len(pattern) > LONGEST:
        raise BadPattern(f"grep takes 1 to {LONGEST} characters")
    any_case = pattern.startswith("(?i)")
    pattern = pattern.removeprefix("(?i)")
    any_case = any_case or pattern == pattern.lower()
    alternatives = []
    for signs in _alternatives(pattern):
        at_start, at_end = signs[:1] == ["^"], signs[-1:] == ["$"]
        pieces = _pieces(signs[at_start : len(signs) - at_end])
        if not any(pieces):
            raise BadPattern("grep: every alternative needs a word")
        alternatives.append(Words(tuple(_folded(piece, any_case) for piece in pieces), at_start, at_end))
    return Pattern(tuple(alternatives), any_case)


def _match(words: Words, haystack: bytes, start: int, stop: int) -> tuple[int, int] | None:
    if words.at_end and haystack[max(stop - 1, start) : stop] == b"\r":
        stop -= 1
    begin = place = start
    last = len(words.pieces) - 1
    for number, piece in enumerate(words.pieces):
        if number == last and words.at_end:
            found = stop - len(piece)
            if found < place or haystack[found:stop] != piece:
                return None
        else:
            found = haystack.find(piece, place, stop)
        if found < 0 or (number == 0 and words.at_start and found > start):
            return None
        begin = found if number == 0 else begin
        place = found + len(piece)
    return begin, place


def _alternatives(pattern: str) -> list[list[str]]:
    """The signs of each alternative: single ones, escaped ones with their backslash, and `.*`."""
    every: list[list[str]] = [[]]
    place = 0
    while place < len(pattern):
        sign = pattern[place]
        if sign == "\\" and place + 1 < len(pattern):
            place += 1
            sign += pattern[place]
            if sign[1] in _CLASSES:
                raise BadPattern(
                    f"grep takes words, | and .*, and no regular expression: {sign} is not understood"
                )
        elif pattern.startswith(".*", place):
            place += 1
            sign = ".*"
        place += 1
        if sign == "|":
            every.append([])
        else:
            every[-1].append(sign)
    return every


def _pieces(signs: list[str]) -> list[str]:
    pieces = [""]
    for sign in signs:
        if sign == ".*":
            pieces.append("")
        else:
            pieces[-1] += sign[-1]
    return pieces


def _folded(piece: str, any_case: bool) -> bytes:
    raw = piece.encode("utf-8", "surrogatepass")
    return raw.lower() if any_case else raw
