"""Lines of the access log: how a record is written, and to where.

Principals, methods and names come from outside. Whatever is in them, a record stays one line of plain text.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from time import gmtime, strftime
from typing import TypeAlias

from only1mcp_sdk import OpenFailed

Record: TypeAlias = tuple[float, str, str, str, str, str, str, float]
"""Seconds since the epoch, principal, profile, method, name, server, outcome, milliseconds."""

FIELDS = ("time", "principal", "profile", "method", "name", "server", "outcome", "ms")
LONGEST = 200
"""Characters of one field; the rest is cut off."""

_PLAIN = re.compile(r"[!#-\[\]-~]+")
"""Printable ASCII without space, quotation mark and backslash."""


def as_text(record: Record) -> str:
    """The fields in the order of `FIELDS`, separated by spaces. One that is empty is -, one with anything but plain
    characters a JSON string."""
    time, *words, milliseconds = record
    return f"{_moment(time)} {' '.join(_word(str(word)) for word in words)} {milliseconds:.1f}"


def as_json(record: Record) -> str:
    """One JSON object, in ASCII; text that is empty is null."""
    time, *words, milliseconds = record
    values = [_moment(time), *(_cut(str(word)) or None for word in words), round(milliseconds, 3)]
    return json.dumps(dict(zip(FIELDS, values, strict=True)), separators=(",", ":"))


class LoggerLines:
    """Writes lines to the standard library's logger `only1mcp.access`."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("only1mcp.access")

    def write(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._logger.info("%s", line)


class FileLines:
    """Appends lines to a file, which is open only while it is written to: so it may be moved away at any time, and
    two generations of a configuration may share it. Only its owner may read a file that is made here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            os.close(self._open(os.fspath(path), os.O_WRONLY))
        except (OSError, ValueError) as error:
            raise OpenFailed(
                f"the access log {path} can't be written to ({error}); create its directory, or name another file"
            ) from error

    def write(self, lines: Sequence[str]) -> None:
        with open(self._path, "a", encoding="utf-8", opener=self._open) as file:
            file.write("\n".join(lines) + "\n")

    @staticmethod
    def _open(path: str, flags: int) -> int:
        return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _moment(time: float) -> str:
    """RFC 3339, in UTC."""
    second, milliseconds = divmod(int(time * 1000), 1000)
    return f"{_second(second)}.{milliseconds:03d}Z"


@lru_cache(maxsize=8)
def _second(time: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(time))


def _word(text: str) -> str:
    return _written(_cut(text)) if text else "-"


@lru_cache(maxsize=4096)  # The same few users call the same few tools.
def _written(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text != "-" else json.dumps(text)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
