"""What is wrong with a configuration, in words that can be acted on. Every check in this package reports in these."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from only1mcp_sdk import Only1McpError


@dataclass(frozen=True)
class Problem:
    """One thing to mend. Lines and columns count from 1; 0 means that there is no such position."""

    file: str
    line: int
    column: int
    where: str
    """The key, dotted: `servers.files.command`. Empty for the file as a whole."""
    message: str
    hint: str = ""

    def __str__(self) -> str:
        position = f":{self.line}:{self.column}" if self.line else ""
        where = f" {self.where}:" if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.file}{position}:{where} {self.message}{hint}"


class ConfigError(Only1McpError):
    """The configuration can't be used. Prints as one line per problem, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(word: str, known: Iterable[str]) -> str:
    """A "did you mean" for a word nobody knows, or nothing."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), names, n=1)
    return f'did you mean "{names[close[0]]}"?' if close else ""


def listed(words: Iterable[str]) -> str:
    """Words for a sentence: `a, b`; `none` for none."""
    return ", ".join(words) or "none"
