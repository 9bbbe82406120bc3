"""What a server lists: fetched whole, kept raw, remembered over restarts.

A catalogue belongs to a variant: the era the server is spoken to in and the group of capabilities declared to it,
since servers list different things to different clients.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.request import ServerError, ask
from only1mcp_kernel.protocol import caching
from only1mcp_kernel.protocol.revisions import METHOD_NOT_FOUND
from only1mcp_sdk import Capabilities, EntryKind, Era, Json, Members
from only1mcp_sdk.members import encode, items, quoted, split, text

_log = logging.getLogger("only1mcp.gateway")

MAX_PAGES = 1000
MAX_ENTRIES = 20_000
MAX_VARIANTS = 32
"""Variants of one server that are remembered."""

Variant = tuple[Era, str]


class ListKind(Struct, frozen=True):
    """One sort of list: how it is asked for and what identifies its entries."""

    kind: EntryKind
    method: str
    member: str
    identifier: str
    capability: str


LISTS = (
    ListKind("tool", "tools/list", "tools", "name", "tools"),
    ListKind("prompt", "prompts/list", "prompts", "name", "prompts"),
    ListKind("resource", "resources/list", "resources", "uri", "resources"),
    ListKind("template", "resources/templates/list", "resourceTemplates", "uriTemplate", "resources"),
)
BY_METHOD = {each.method: each for each in LISTS}
_decode = msgspec.json.Decoder(float_hook=str).decode  # nobody reads the numbers, and a string takes any


class Catalogue(Struct):
    """Everything a server lists to one variant of clients. Entries keep every member they came with."""

    greeting: Members = {}
    """The result of `server/discover` or `initialize`."""
    entries: dict[EntryKind, list[Members]] = {}
    extras: dict[EntryKind, Members] = {}
    """Members of the list results beside the entries. A list that the server has not got has none, and no entries."""

    def announced(self) -> bool:
        """Whether the server promises to tell of every change in what it lists."""
        has = declared(self.greeting)
        lists = [has[each.capability] for each in LISTS if each.capability in has]
        return all(isinstance(each, dict) and each.get("listChanged") is True for each in lists)

    def identifiers(self, kind: EntryKind) -> list[str]:
        identifier = next(each.identifier for each in LISTS if each.kind == kind)
        return [
            name for entry in self.entries.get(kind, []) if (name := text(entry.get(identifier))) is not None
        ]


def declared(greeting: Members) -> dict[str, Any]:
    """The capabilities in a server's greeting, to look at; none when they are no object."""
    try:
        value = _decode(greeting.get("capabilities", b"{}"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


async def fetch(link: Link, capabilities: Capabilities, timeout: float, log: logging.Logger) -> Catalogue:
    """List everything the server declares. Lists it refuses are empty, and said in the log.

    Raises `ConnectionLost`, or `TimeoutError` when one list takes longer than `timeout` seconds.
    """
    has = declared(link.greeting)
    catalogue = Catalogue(greeting=link.greeting, entries={}, extras={})
    for each in LISTS:
        if each.capability not in has:
            continue
        try:
            async with asyncio.timeout(timeout):
                entries, extras = await _fetch_list(link, each, capabilities, timeout)
        except ServerError as error:
            if error.failure.code == METHOD_NOT_FOUND:
                continue
            log.warning("%s was refused: %s", each.method, error)
            entries, extras = [], {}
        except ValueError as error:
            log.warning("%s was answered with something else: %s", each.method, error)
            entries, extras = [], {}
        catalogue.entries[each.kind] = entries
        catalogue.extras[each.kind] = extras
    return catalogue


async def _fetch_list(
    link: Link, each: ListKind, capabilities: Capabilities, timeout: float
) -> tuple[list[Members], Members]:
    entries: list[Json] = []
    pages: list[Members] = []
    params: Members = {}
    cursors: set[str] = set()
    for _ in range(MAX_PAGES):
        page = split(await ask(link, each.method, params, timeout, capabilities))
        entries += items(page.pop(each.member, b"[]"))
        cursor = text(page.pop("nextCursor", None))  # "" is one like any other
        pages.append(page)
        if cursor is None or cursor in cursors or len(entries) > MAX_ENTRIES:
            break
        cursors.add(cursor)
        params = {"cursor": quoted(cursor)}
    # A server that ignores cursors lists the same page again. What is no object is no entry.
    return [split(entry) for entry in dict.fromkeys(entries) if entry[:1] == b"{"], _beside(pages)


def _beside(pages: Sequence[Members]) -> Members:
    """What the pages of a list say beside its entries; where they differ, the first page counts."""
    beside = {name: value for page in reversed(pages) for name, value in page.items()}
    beside = {**pages[0], **beside}
    return {**beside, **caching.of_all(pages)} if caching.TTL in beside else beside


class _Remembered(Struct):
    variants: dict[str, Catalogue] = {}
    wants_roots: bool = False


class Memory:
    """The last known catalogues of one server, in a file of the state directory."""

    def __init__(self, directory: Path, server: str) -> None:
        digest = hashlib.sha256(server.encode()).hexdigest()[:8]
        self._path = directory / f"{server}-{digest}.json"
        self._known = _Remembered()
        self._seen: set[str] = set()
        try:
            self._known = msgspec.json.decode(self._path.read_bytes(), type=_Remembered)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError):
            self._known = _Remembered()  # a damaged memory is only forgotten

    @property
    def wants_roots(self) -> bool:
        return self._known.wants_roots

    def note_roots(self) -> None:
        if not self._known.wants_roots:
            self._known.wants_roots = True
            self._write()

    def recall(self, variant: Variant) -> Catalogue | None:
        return self._known.variants.get("/".join(variant))

    def keep(self, variant: Variant, catalogue: Catalogue) -> None:
        """Remember what the server lists now. When that differs from last time, the server itself has changed, and
        what is remembered of variants that were not seen since is forgotten."""
        key = "/".join(variant)
        self._seen.add(key)
        if self._known.variants.get(key) == catalogue:
            return
        self._known.variants = {
            each: kept for each, kept in self._known.variants.items() if each in self._seen
        }
        self._known.variants[key] = catalogue
        while len(self._known.variants) > MAX_VARIANTS:
            self._known.variants.pop(next(iter(self._known.variants)))
        self._write()

    def all(self) -> list[Catalogue]:
        """Every variant's catalogue, in an order that does not depend on which came first."""
        return [self._known.variants[key] for key in sorted(self._known.variants)]

    def variants(self) -> list[tuple[Variant, Catalogue]]:
        """Every variant with its catalogue."""
        known: list[tuple[Variant, Catalogue]] = []
        for key, catalogue in self._known.variants.items():
            era, _, group = key.partition("/")
            known.append((("modern" if era == "modern" else "legacy", group), catalogue))
        return known

    def greeting(self, era: Era) -> Members | None:
        """How the server greeted those who spoke this era to it, whoever was first; None when nobody did."""
        bare = self.recall((era, Capabilities().group))
        keys = [key for key in sorted(self._known.variants) if key.startswith(f"{era}/")]
        found = [bare] if bare is not None else [self._known.variants[key] for key in keys]
        return found[0].greeting if found else None

    def identifiers(self, kind: EntryKind) -> list[str]:
        """What the server is known to list to anybody, without repetition."""
        return list(dict.fromkeys(name for each in self.all() for name in each.identifiers(kind)))

    def _write(self) -> None:
        draft = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_bytes(encode(self._known))
            os.replace(draft, self._path)
        except OSError as error:
            _log.warning("what servers list can't be remembered over restarts: %s", error)
