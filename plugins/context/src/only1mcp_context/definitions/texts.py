"""Texts that servers say about their tools, made shorter."""

from __future__ import annotations

import re

from only1mcp_sdk import Json
from only1mcp_sdk.members import text

_SENTENCE = re.compile(r"(.+?[.!?\u3002])(?=\s|$|\u3002)", re.DOTALL)
_SHORT_FORMS = ("e.g.", "i.e.", "etc.", "vs.", "cf.", "approx.", "incl.", "no.")
_SPACE = re.compile(r"\s+")
_GAPS = re.compile(r"\n{3,}")


def read(raw: Json | None) -> str | None:
    """A text that a server lists; None for what is none."""
    try:
        return text(raw)
    except ValueError:
        return None


def first_sentence(said: str, limit: int) -> str:
    """What a text begins with, in at most `limit` characters and one line."""
    paragraph = said.strip()[: 4 * limit].split("\n\n", 1)[0]
    line = _SPACE.sub(" ", paragraph).strip()
    end = 0
    while match := _SENTENCE.match(line, end):
        end = match.end()
        if not line[:end].lower().endswith(_SHORT_FORMS) and end > 3:
            line = line[:end]
            break
    return shortened(line, limit)


def shortened(said: str, limit: int) -> str:
    """At most `limit` characters, cut between words where that is near."""
    if len(said) <= limit:
        return said
    cut = said[: limit - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit // 2 else cut).rstrip(" ,;:") + "\u2026"


def tidy(said: str) -> str:
    """The same text without white space that nobody sees: that of code, at the beginning of lines, included."""
    lines = [line.rstrip(" ") for line in said.expandtabs(4).strip().split("\n")]
    indents = [len(line) - len(line.lstrip()) for line in lines[1:] if line]
    common = min(indents, default=0)
    joined = "\n".join([lines[0], *(line[common:] for line in lines[1:])])
    return _GAPS.sub("\n\n", joined)
