"""A profile's catalogue: whose a name or URI is, and the lists each view of it shows.

A view is what callers of one era and one group of capabilities see; its lists are bytes, made on first use and dropped
when something a server lists has changed.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from functools import cached_property

import msgspec

from only1mcp_kernel.config.model import ProfileConfig
from only1mcp_kernel.gateway.routing import names
from only1mcp_kernel.gateway.routing.pages import Listed
from only1mcp_kernel.gateway.routing.showing import Showing, vendors
from only1mcp_kernel.gateway.routing.table import Former, Naming, Table, aliased, entries_of
from only1mcp_kernel.gateway.servers.catalogue import BY_METHOD, LISTS, ListKind
from only1mcp_kernel.gateway.servers.server import Server
from only1mcp_kernel.protocol import bridge, caching
from only1mcp_kernel.protocol.param_headers import Plan, plans_of
from only1mcp_sdk import Caller, Economy, Entry, EntryKind, Era, Members, Toolbox, Transform
from only1mcp_sdk.members import join, quoted

_MODERN_MEMBERS = ("resultType", "ttlMs", "cacheScope")
MAX_VIEWS = 64


class Views:
    """One profile's catalogue."""

    def __init__(
        self,
        profile: ProfileConfig,
        servers: Mapping[str, Server],
        server_transforms: Mapping[str, Sequence[Transform]],
        profile_transforms: Sequence[Transform],
        former: Former,
        economy: Economy | None = None,
        trusted: Container[str] = (),
    ) -> None:
        self._servers = servers
        self._naming = Naming(profile, servers, server_transforms, profile_transforms)
        self._former = former
        self._trusted = trusted
        self.showing = None if economy is None else Showing(economy, self.toolbox)
        """What decides how tools are shown, where something does."""
        self._lists: dict[tuple[Era, str, EntryKind, str], Listed] = {}
        self._plans: dict[tuple[Era, str, str], dict[str, Plan]] = {}
        self.plain = len(servers) == 1 and not profile_transforms and not any(server_transforms.values())
        """One server and nothing that hides or renames: what is unknown here may be known there."""

    def outdate(self) -> None:
        """Something a server lists has changed."""
        self.__dict__.pop("table", None)
        self._lists.clear()
        self._plans.clear()
        if self.showing is not None:
            self.showing.outdate()

    @cached_property
    def table(self) -> Table:
        """Made on first use after something has changed."""
        table = self._naming.table()
        for kind in ("tool", "prompt"):
            self._former.note(kind, table.owners[kind])
        return table

    # -- looking up

    def owner(self, kind: EntryKind, name: str) -> names.Owned | None:
        owned = self.table.owners[kind].get(name)
        if owned is None and name not in self.table.ambiguous.get(kind, ()):
            former = self._former.owner(kind, name)
            if former is not None and former in self.table.owners[kind].values():
                return former  # called by an old name; what is hidden now has none
        return owned

    def uri_owner(self, uri: str) -> names.Owned | None:
        """Whose resource this is: of a server that lists it, or a template it fits; else of the only one that has any
        resources."""
        table = self.table
        owned = self.listed_uri_owner(uri)
        if owned is None and len(table.with_resources) == 1 and not self._hidden(uri):
            return table.with_resources[0], uri
        return owned

    def listed_uri_owner(self, uri: str) -> names.Owned | None:
        """Whose resource this certainly is."""
        owned = self.table.owners["resource"].get(uri)
        if owned is not None or self._hidden(uri):
            return owned
        own = names.own_uri(uri)
        if own is not None and own[0] in self._servers:
            return own
        for literals, server in self.table.templates:
            if names.expands_to(literals, uri):
                return server, uri
        return None

    def _hidden(self, uri: str) -> bool:
        """Whether it is listed, and left out of this profile."""
        own = names.own_uri(uri)
        if own is not None and own[0] in self._servers:
            return own in self.table.hidden
        return any((server, uri) in self.table.hidden for server in self._servers)

    def header_plan(self, name: str, caller: Caller) -> Plan:
        """Which arguments this caller repeats in header fields when calling this tool, by what it is shown."""
        owned = self.table.owners["tool"].get(name)
        if owned is None or not self._servers[owned[0]].listings.annotated:
            return ()
        key = (caller.era, caller.capabilities.group, self._variant(caller))
        if key not in self._plans:
            self._merge(BY_METHOD["tools/list"], caller)
        return self._plans[key].get(name, ())

    # -- lists

    def listing(self, each: ListKind, caller: Caller) -> Listed:
        """The merged list for this caller, from what the servers have listed so far."""
        variant = self._variant(caller) if each.kind == "tool" else ""
        key = (caller.era, caller.capabilities.group, each.kind, variant)
        listed = self._lists.get(key)
        if listed is None:
            listed = self._merge(each, caller)
            if len(self._lists) >= MAX_VIEWS * len(LISTS):
                self._lists.clear()
            self._lists[key] = listed
        return listed

    def _variant(self, caller: Caller) -> str:
        return "" if self.showing is None else self.showing.economy.variant(caller)

    def toolbox(self, caller: Caller) -> Toolbox:
        """What an economy may show this caller of."""
        tools = self._entries(BY_METHOD["tools/list"], caller)
        about = vendors(self._servers, self._trusted, caller.era)
        return Toolbox(tools, about, self.table.owners["tool"])

    def _entries(self, each: ListKind, caller: Caller) -> list[Entry]:
        """What the servers list to this caller, as the transforms show it."""
        table = self.table
        merged: list[Entry] = []
        for name, server in self._servers.items():
            catalogue = server.listings.current(caller)
            if catalogue is None:
                continue
            era = server.listings.variant(caller)[0]
            entries = [
                msgspec.structs.replace(entry, members=bridge.entry(entry.members, era, caller.era))
                for entry in entries_of(name, catalogue)
                if entry.kind == each.kind
            ]
            merged += self._naming.transformed(name, entries)
        if each.kind in ("tool", "prompt"):
            shown = table.named[each.kind]
            owners = table.owners[each.kind]
            named = [
                msgspec.structs.replace(entry, shown=shown[entry.server, entry.name])
                for entry in merged
                if (entry.server, entry.name) in shown
            ]
            return [
                entry
                for entry in self._naming.finish(named)
                if owners.get(entry.shown) == (entry.server, entry.name)
            ]
        return list(self._naming.finish([aliased(entry, table) for entry in merged]))

    def _merge(self, each: ListKind, caller: Caller) -> Listed:
        listed: Sequence[Entry]
        if each.kind == "tool" and self.showing is not None:
            listed = self.showing.view(caller).tools
        else:
            listed = self._entries(each, caller)
        if each.kind == "tool":
            if len(self._plans) >= MAX_VIEWS:
                self._plans.clear()
            self._plans[caller.era, caller.capabilities.group, self._variant(caller)] = plans_of(
                {entry.shown: entry.members.get("inputSchema", b"") for entry in listed}
            )
        items = [join(_shown_members(entry, each)) for entry in listed]
        return Listed(each.member, items, self._beside(each, caller), caller.era)

    def _beside(self, each: ListKind, caller: Caller) -> Members:
        """What stands in the list result beside the entries."""
        servers = self._servers.values()
        known = [found for server in servers if (found := server.listings.current(caller)) is not None]
        parts = [catalogue.extras[each.kind] for catalogue in known if each.kind in catalogue.extras]
        beside: Members = {}
        if len(servers) == 1:
            beside = {name: value for part in parts for name, value in part.items()}
        if caller.era == "legacy":
            return {name: value for name, value in beside.items() if name not in _MODERN_MEMBERS}
        complete = len(known) == len(servers) and not any(each.listings.lacks(caller) for each in servers)
        return {**beside, "resultType": b'"complete"', **caching.of_all(parts if complete else [])}

    def shown_names(self, kind: EntryKind) -> list[str]:
        return list(self.table.owners[kind])


def _shown_members(entry: Entry, each: ListKind) -> Members:
    if entry.shown == entry.name:
        return entry.members
    return {**entry.members, each.identifier: quoted(entry.shown)}
