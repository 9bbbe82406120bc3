"""A profile's catalogue: the table calls are routed by, and the lists each view of it shows.

Built from what the servers list whenever that changes, not per request. A view is what callers of one era and one group
of capabilities see; its lists are bytes, made on first use.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from only1mcp_kernel.config.model import ProfileConfig
from only1mcp_kernel.gateway import names
from only1mcp_kernel.gateway.catalogue import LISTS, Catalogue, ListKind
from only1mcp_kernel.gateway.server import Server
from only1mcp_kernel.protocol import bridge
from only1mcp_sdk import Caller, Entry, EntryKind, Era, Members, Result, Transform
from only1mcp_sdk.members import array, join, quoted, text

_MODERN_MEMBERS = ("resultType", "ttlMs", "cacheScope")
MAX_VIEWS = 64


class Table(Struct):
    """Who owns what, by the names clients use."""

    named: dict[EntryKind, dict[names.Owned, str]]
    """What the servers' tools and prompts are called before the profile's own transforms."""
    owners: dict[EntryKind, dict[str, names.Owned]]
    """What they are called after them, and whose it is."""
    ambiguous: dict[EntryKind, dict[str, list[str]]]
    templates: list[tuple[list[str], str]]
    """Literals and server; the one to try first comes first."""
    aliases: dict[str, dict[str, str]]
    """Server -> its own URI -> the one shown in its place."""
    with_resources: list[str]
    hidden: set[names.Owned]
    """Resources that are listed, but not shown here."""


class Views:
    """One profile's catalogue."""

    def __init__(
        self,
        profile: ProfileConfig,
        servers: Mapping[str, Server],
        server_transforms: Mapping[str, Sequence[Transform]],
        profile_transforms: Sequence[Transform],
        former: dict[EntryKind, dict[str, names.Owned]],
    ) -> None:
        self._profile = profile
        self._servers = servers
        self._server_transforms = server_transforms
        self._profile_transforms = profile_transforms
        self._former = former
        self._log = logging.getLogger(f"only1mcp.profiles.{profile.name}")
        self._table: Table | None = None
        self._lists: dict[tuple[Era, str, EntryKind], Result] = {}
        self.plain = len(servers) == 1 and not profile_transforms and not any(server_transforms.values())
        """One server and nothing that hides or renames: what is unknown here may be known there."""

    def outdate(self) -> None:
        """Something a server lists has changed."""
        self._table = None
        self._lists.clear()

    @property
    def table(self) -> Table:
        if self._table is None:
            self._table = self._build_table()
        return self._table

    # -- the table

    def _build_table(self) -> Table:
        table = Table(
            named={}, owners={}, ambiguous={}, templates=[], aliases={}, with_resources=[], hidden=set()
        )
        known = {name: self._known(server) for name, server in self._servers.items()}
        for kind in ("tool", "prompt"):
            self._name(kind, known, table)
        self._own_uris(known, table)
        return table

    def _known(self, server: Server) -> list[Entry]:
        """Everything the server is known to list to anybody, as its own transforms show it."""
        entries: dict[tuple[EntryKind, str], Entry] = {}
        for catalogue in [*server.listings.memory.all(), *server.listings.fetched.values()]:
            for entry in _entries(server.name, catalogue):
                entries.setdefault((entry.kind, entry.name), entry)
        return self._transformed(server.name, list(entries.values()))

    def _transformed(self, server: str, entries: Sequence[Entry]) -> list[Entry]:
        for transform in self._server_transforms.get(server, ()):
            entries = transform.apply(entries)
        return list(entries)

    def _name(self, kind: EntryKind, known: Mapping[str, list[Entry]], table: Table) -> None:
        offered = {
            server: [entry.shown for entry in entries if entry.kind == kind]
            for server, entries in known.items()
        }
        style = self._profile.names
        shown = names.show(offered, style, self._profile.safe_names)
        if style == "never":
            table.ambiguous[kind] = names.ambiguous(offered)
            for name, servers in table.ambiguous[kind].items():
                self._log.error(
                    "profile %s: %s %r is in several servers (%s) and `names: never` forbids to tell them apart; rename"
                    " or exclude it in one of them",
                    self._profile.name, kind, name, ", ".join(servers),
                )  # fmt: skip
        entries = [
            msgspec.structs.replace(entry, shown=shown[server, entry.shown])
            for server, listed in known.items()
            for entry in listed
            if entry.kind == kind and entry.shown not in table.ambiguous.get(kind, ())
        ]
        table.named[kind] = {(entry.server, entry.name): entry.shown for entry in entries}
        owners: dict[str, names.Owned] = {}
        for entry in self._finish(entries):
            owner = owners.setdefault(entry.shown, (entry.server, entry.name))
            if owner != (entry.server, entry.name):
                self._log.error(
                    "profile %s: two things are named %r; the first is kept", self._profile.name, entry.shown
                )
        former = self._former.setdefault(kind, {})
        former.update(owners)  # a name once shown goes on calling its owner, unlisted
        table.owners[kind] = owners

    def _finish(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        for transform in self._profile_transforms:
            entries = transform.apply(entries)
        return entries

    def _own_uris(self, known: Mapping[str, list[Entry]], table: Table) -> None:
        owners: dict[str, names.Owned] = {}
        listed_templates: dict[str, str] = {}
        for server, entries in known.items():
            aliases: dict[str, str] = {}
            for entry in entries:
                if entry.kind == "resource":
                    shown = entry.name
                    if owners.setdefault(shown, (server, entry.name))[0] != server:
                        shown = aliases[entry.name] = names.alias_uri(server, entry.name)
                        owners[shown] = (server, entry.name)
                elif entry.kind == "template" and listed_templates.setdefault(entry.name, server) != server:
                    aliases[entry.name] = names.alias_uri(server, entry.name)
            if aliases:
                table.aliases[server] = aliases
            if any(
                "resources" in _capabilities(each) for each in self._servers[server].listings.memory.all()
            ) or any(entry.kind in ("resource", "template") for entry in entries):
                table.with_resources.append(server)
        kept = self._kept(known, table)
        resources = {(entry.server, entry.name) for entry in kept if entry.kind == "resource"}
        owners = {uri: owned for uri, owned in owners.items() if owned in resources}
        table.owners["resource"] = owners
        for name, each_server in self._servers.items():
            listed = {
                (name, uri) for each in each_server.listings.known() for uri in each.identifiers("resource")
            }
            table.hidden |= listed.difference(owners.values())
        templates = [
            (names.template_literals(entry.name), entry.server) for entry in kept if entry.kind == "template"
        ]
        # Stable sort: among equally long prefixes the order of the configuration stays.
        table.templates = sorted(templates, key=lambda each: -len(each[0][0]))

    def _kept(self, known: Mapping[str, list[Entry]], table: Table) -> list[Entry]:
        """The resources and templates that the profile's own transforms leave."""
        entries = [
            _aliased(entry, table)
            for listed in known.values()
            for entry in listed
            if entry.kind in ("resource", "template")
        ]
        kept = {(entry.kind, entry.server, entry.name) for entry in self._finish(entries)}
        return [entry for entry in entries if (entry.kind, entry.server, entry.name) in kept]

    # -- looking up

    def owner(self, kind: EntryKind, name: str) -> names.Owned | None:
        owned = self.table.owners[kind].get(name)
        if owned is None and name not in self.table.ambiguous.get(kind, ()):
            former = self._former.get(kind, {}).get(name)
            if former is not None and former in self.table.owners[kind].values():
                return former  # called by an old name; what is hidden now has none
        return owned

    def uri_owner(self, uri: str) -> names.Owned | None:
        table = self.table
        owned = table.owners["resource"].get(uri)
        if owned is not None or any((server, uri) in table.hidden for server in self._servers):
            return owned
        aliased = names.own_uri(uri)
        if aliased is not None and aliased[0] in self._servers:
            return None if aliased in table.hidden else aliased
        for literals, server in table.templates:
            if names.expands_to(literals, uri):
                return server, uri
        if len(table.with_resources) == 1:
            return table.with_resources[0], uri
        return None

    # -- lists

    def listing(self, each: ListKind, caller: Caller) -> Result:
        """The merged list for this caller, from what the servers have listed so far."""
        key = (caller.era, caller.capabilities.group, each.kind)
        result = self._lists.get(key)
        if result is None:
            result = self._merge(each, caller)
            if len(self._lists) >= MAX_VIEWS * len(LISTS):
                self._lists.clear()
            self._lists[key] = result
        return result

    def _merge(self, each: ListKind, caller: Caller) -> Result:
        table = self.table
        merged: list[Entry] = []
        extras: list[tuple[Era, Members]] = []
        for name, server in self._servers.items():
            catalogue = server.listings.current(caller)
            if catalogue is None:
                continue
            era = server.listings.variant(caller)[0]
            entries = [
                msgspec.structs.replace(entry, members=bridge.entry(entry.members, era, caller.era))
                for entry in _entries(name, catalogue)
                if entry.kind == each.kind
            ]
            merged += self._transformed(name, entries)
            extras.append((era, catalogue.extras.get(each.kind, {})))
        if each.kind in ("tool", "prompt"):
            shown = table.named[each.kind]
            owners = table.owners[each.kind]
            named = [
                msgspec.structs.replace(entry, shown=shown[entry.server, entry.name])
                for entry in merged
                if (entry.server, entry.name) in shown
            ]
            listed = [
                entry
                for entry in self._finish(named)
                if owners.get(entry.shown) == (entry.server, entry.name)
            ]
        else:
            listed = list(self._finish([_aliased(entry, table) for entry in merged]))
        items = array(join(_shown_members(entry, each)) for entry in listed)
        return Result(join({each.member: items, **self._list_members(extras, caller.era)}), caller.era)

    def _list_members(self, extras: Sequence[tuple[Era, Members]], era: Era) -> Members:
        """What stands in the list result beside the entries."""
        members: Members = {}
        if len(self._servers) == 1 and extras:
            members = {name: value for name, value in extras[0][1].items() if name not in _MODERN_MEMBERS}
        if era == "legacy":
            return members
        complete = len(extras) == len(self._servers)
        given = [each.get("ttlMs", b"0") for _, each in extras]
        ttls = [int(ttl) for ttl in given if ttl.isdigit() and len(ttl) < 20]
        private = any(each.get("cacheScope") != b'"public"' for _, each in extras)
        members["resultType"] = b'"complete"'
        members["ttlMs"] = b"%d" % (min(ttls, default=0) if complete and len(ttls) == len(extras) else 0)
        members["cacheScope"] = b'"private"' if private or not extras else b'"public"'
        return members

    def shown_names(self, kind: EntryKind) -> list[str]:
        return list(self.table.owners[kind])


def _entries(server: str, catalogue: Catalogue) -> list[Entry]:
    entries = []
    for each in LISTS:
        for members in catalogue.entries.get(each.kind, ()):
            name = text(members.get(each.identifier))
            if name is not None:
                entries.append(Entry(kind=each.kind, server=server, name=name, shown=name, members=members))
    return entries


def _aliased(entry: Entry, table: Table) -> Entry:
    shown = table.aliases.get(entry.server, {}).get(entry.name, entry.shown)
    return msgspec.structs.replace(entry, shown=shown)


def _shown_members(entry: Entry, each: ListKind) -> Members:
    if entry.shown == entry.name:
        return entry.members
    return {**entry.members, each.identifier: quoted(entry.shown)}


def _capabilities(catalogue: Catalogue) -> dict[str, Any]:
    raw = catalogue.greeting.get("capabilities")
    value = msgspec.json.decode(raw) if raw else {}
    return value if isinstance(value, dict) else {}
