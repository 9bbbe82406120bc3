"""TOML into a tree. The standard library reads the values; where they stood is found by looking for keys line by
line, so inside inline tables and multi-line values a position is that of the surrounding key."""

from __future__ import annotations

import datetime
import math
import re
import tomllib
from typing import Any

from only1mcp_kernel.config.document import Builder, Node, Path, refuse

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEYS = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEYS})\s*\]")
_ASSIGNMENT = re.compile(rf"(\s*)({_KEYS})\s*=\s*")
_POSITION = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


def read_toml(text: str, file: str) -> Node:
    """Raises `ConfigError` with the first thing that can't be read."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.match(str(error))
        message, line, column = found.groups() if found else (str(error), None, None)
        last = max(1, len(text.splitlines()))
        raise refuse(file, int(line or last), int(column or 1), f"not TOML: {message}") from None
    except (ValueError, RecursionError) as error:  # a date that is none, an absurd number, absurd nesting
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise refuse(file, 0, 0, f"not TOML: {reason}") from None
    builder = Builder(file)
    _build(builder, data, (), _positions(text), (1, 1), file)
    assert builder.root is not None
    return builder.root


_Spot = tuple[int, int]


def _build(tree: Builder, value: Any, path: Path, spots: dict[Path, _Spot], near: _Spot, file: str) -> None:
    here = spots.get(path, near)
    if isinstance(value, dict):
        tree.begin(True, *here)
        for key, member in value.items():
            tree.key(key, *spots.get((*path, key), here))
            _build(tree, member, (*path, key), spots, here, file)
        tree.end()
    elif isinstance(value, list):
        tree.begin(False, *here)
        for index, item in enumerate(value):
            _build(tree, item, (*path, index), spots, here, file)
        tree.end()
    elif isinstance(value, datetime.date | datetime.time):
        tree.scalar(value.isoformat(), *here)
    elif isinstance(value, float) and not math.isfinite(value):
        raise refuse(file, *here, "numbers have to be finite")
    else:
        tree.scalar(value, *here)


def _positions(text: str) -> dict[Path, _Spot]:
    """Where keys and tables stand, as far as single lines tell."""
    spots: dict[Path, _Spot] = {}
    lists: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            table = _enter(_split(header[2]), lists, grow=header[1] == "[[")
            spots.setdefault(table, (number, header.start(2) + 1))
            continue
        assignment = _ASSIGNMENT.match(line)
        if assignment:
            spots.setdefault((*table, *_split(assignment[2])), (number, assignment.start(2) + 1))
    return spots


def _enter(keys: list[str], lists: dict[Path, int], *, grow: bool) -> Path:
    """The path of a table header; a table of a list is in that list's newest item."""
    path: Path = ()
    for index, key in enumerate(keys):
        path = (*path, key)
        if grow and index == len(keys) - 1:
            lists[path] = lists.get(path, -1) + 1
        if path in lists:
            path = (*path, lists[path])
    return path


def _split(keys: str) -> list[str]:
    parts = [found[0] for found in re.finditer(_PART, keys)]
    return [part[1:-1] if part[0] in "\"'" else part for part in parts]
