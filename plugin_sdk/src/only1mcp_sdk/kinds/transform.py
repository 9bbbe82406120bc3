"""Kind `transform`: change what a catalogue shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from only1mcp_sdk.messages import Members

EntryKind: TypeAlias = Literal["tool", "prompt", "resource", "template"]


class Entry(Struct, frozen=True):
    """One entry of a catalogue. `members` is the entry as its server lists it, each value as raw JSON."""

    kind: EntryKind
    server: str
    name: str
    """What the server calls it: a tool's or prompt's name, a resource's URI, a template's URI template."""
    shown: str
    """What clients see and call it by. Change this to rename; calls are routed accordingly."""
    members: Members


class Transform(Protocol):
    """Changes the entries a server or a profile shows: leave some out, rename, describe anew.

    Called while a list is built, not per request; may take milliseconds, must not block on I/O. Must be a function
    of its input and its configuration alone, so that lists are the same after a restart. A transform of a server
    sees that server's own names, before collisions are resolved; one of a profile sees the names clients see.
    """

    def apply(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries to show, in the order to show them. Make changed ones with `msgspec.structs.replace`."""
