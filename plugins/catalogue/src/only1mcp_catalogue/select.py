"""Select: which entries of a catalogue are shown, by what names and with what descriptions.

Whatever is not asked for stays as the server wrote it, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate

import msgspec

from only1mcp_sdk import Entry, Json

_NAMED = ("tool", "prompt")
"""The kinds that have names of ours to give; a resource's URI is its identity."""


class Select:
    """Implements `Transform`. Every option looks at what an entry was called before."""

    def __init__(
        self,
        include: Iterable[str],
        exclude: Iterable[str],
        rename: Mapping[str, str],
        describe: Mapping[str, str],
    ) -> None:
        self._include = _any_of(include)
        self._exclude = _any_of(exclude)
        self._rename = dict(rename)
        self._describe: dict[str, Json] = {
            name: msgspec.json.encode(description) for name, description in describe.items()
        }

    def apply(self, entries: Sequence[Entry]) -> list[Entry]:
        return [self._changed(entry) for entry in entries if self._shows(entry.shown)]

    def _shows(self, shown: str) -> bool:
        return bool(self._include.match(shown)) and not self._exclude.match(shown)

    def _changed(self, entry: Entry) -> Entry:
        name = self._rename.get(entry.shown, entry.shown) if entry.kind in _NAMED else entry.shown
        description = self._describe.get(entry.shown)
        if description is not None:
            members = {**entry.members, "description": description}
            return msgspec.structs.replace(entry, shown=name, members=members)
        return entry if name == entry.shown else msgspec.structs.replace(entry, shown=name)


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Matches what fits one of these patterns, as `fnmatch.fnmatchcase` would; nothing if there are none."""
    return re.compile("|".join(map(translate, patterns)) or r"(?!)")
