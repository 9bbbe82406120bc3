"""What every transform keeps to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from only1mcp_sdk.kinds import Entry, Transform
from only1mcp_sdk.messages import Members
from only1mcp_sdk.offer import Offer
from only1mcp_sdk.testing.fakes import raw_members
from only1mcp_sdk.testing.lifecycle import check_lifecycle, checked, quick
from only1mcp_sdk.testing.samples import NAMES

CATALOGUE = 1_000
LIMIT = 1.0
"""Seconds for a catalogue of that many entries."""


async def check_transform(
    offer: Offer[Transform], options: Mapping[str, Any], entries: Sequence[Entry] = ()
) -> None:
    """Assert that the transform is a function of its input and options alone, changes no entry in place, shows only
    entries it was given, keeps them sound, and takes what servers may list. `entries` are tried besides."""
    await check_lifecycle(offer, options)
    batches: list[list[Entry]] = [
        [],
        list(entries),
        odd_entries(),
        [*odd_entries(), *entries, *odd_entries()],
    ]
    async with checked(offer, options) as transform:
        shown = [_apply(transform, batch) for batch in batches]
        large = [_tool(f"tool_{index}") for index in range(CATALOGUE)]
        quick(f"{offer.name}: apply to {CATALOGUE} entries", lambda: transform.apply(large), LIMIT)
    async with checked(offer, options) as again:
        for batch, before in zip(batches, shown, strict=True):
            assert _apply(again, batch) == before, (
                "opened again with the same options, it shows something else; lists must be the same after a restart"
            )


def _apply(transform: Transform, entries: list[Entry]) -> list[Entry]:
    given = [msgspec.structs.replace(entry, members=dict(entry.members)) for entry in entries]
    shown = list(transform.apply(tuple(given)))
    assert given == entries, "it changed an entry in place; make changed ones with msgspec.structs.replace"
    assert list(transform.apply(tuple(given))) == shown, "asked twice, it shows two different lists"
    known = {(entry.kind, entry.server, entry.name) for entry in entries}
    for entry in shown:
        assert isinstance(entry, Entry), f"{entry!r} is no Entry"
        owned = (entry.kind, entry.server, entry.name)
        assert owned in known, f"{owned} was not among the entries; calls to it would have nowhere to go"
        assert isinstance(entry.shown, str), f"an entry is shown as {entry.shown!r}"
        for name, value in entry.members.items():
            _check_json(value, f"{entry.shown}: {name}")
    return shown


def _check_json(raw: bytes, what: str) -> None:
    try:
        json.loads(raw)
    except (ValueError, TypeError) as error:
        raise AssertionError(f"{what} is no JSON ({error}): {raw[:80]!r}") from error


def _tool(name: str, **more: Any) -> Entry:
    members: Members = raw_members({"name": name, "inputSchema": {"type": "object"}, **more})
    return Entry(kind="tool", server="files", name=name, shown=name, members=members)


def odd_entries() -> list[Entry]:
    """Entries as servers may list them."""
    return [
        *(_tool(name, description=f"about {name}") for name in NAMES),
        _tool("search"),
        _tool("empty", description="", title=None, annotations=[], **{"x-unknown": {"a": [1, 2.50, None]}}),
        _tool("raw", description=b'"\\u00fc"', inputSchema=b'{ "type" : "object" }'),
        _tool("wrong", description=7, inputSchema="none", _meta=True),
        Entry("prompt", "files", "search", "search", raw_members({"name": "search"})),
        Entry("tool", "other", "search", "other_search", raw_members({"name": "search"})),
        Entry(
            "resource",
            "files",
            "file:///a b",
            "file:///a b",
            raw_members({"uri": "file:///a b", "name": "a"}),
        ),
        Entry("resource", "files", "", "", {}),
        Entry(
            "template",
            "files",
            "file:///{path}",
            "file:///{path}",
            raw_members({"uriTemplate": "file:///{path}"}),
        ),
    ]
