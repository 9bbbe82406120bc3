"""Who owns what in a profile, by the names its clients use.

Built from everything its servers are known to list, to whomever, so that a name does not depend on who asks or on which
server is up. Built when that changes, not per request.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from only1mcp_kernel.config.model import ProfileConfig
from only1mcp_kernel.gateway.routing import names
from only1mcp_kernel.gateway.servers.catalogue import LISTS, Catalogue, declared
from only1mcp_kernel.gateway.servers.server import Server
from only1mcp_sdk import Entry, EntryKind, Transform
from only1mcp_sdk.members import text

MAX_FORMER = 10_000


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
    annotated: bool
    """Some tool wants arguments repeated in header fields."""


class Former:
    """Names once shown in a profile, and whose they were. Belongs to the process; the oldest are forgotten."""

    def __init__(self, limit: int = MAX_FORMER) -> None:
        self._limit = limit
        self._owners: dict[EntryKind, dict[str, names.Owned]] = {}

    def note(self, kind: EntryKind, owners: Mapping[str, names.Owned]) -> None:
        """These are shown now."""
        known = self._owners.setdefault(kind, {})
        for name, owned in owners.items():
            known.pop(name, None)  # what is shown again is young again
            known[name] = owned
        while len(known) > self._limit:
            known.pop(next(iter(known)))

    def owner(self, kind: EntryKind, name: str) -> names.Owned | None:
        return self._owners.get(kind, {}).get(name)


class Naming:
    """Makes the table of one profile."""

    def __init__(
        self,
        profile: ProfileConfig,
        servers: Mapping[str, Server],
        server_transforms: Mapping[str, Sequence[Transform]],
        profile_transforms: Sequence[Transform],
    ) -> None:
        self._profile = profile
        self._servers = servers
        self._server_transforms = server_transforms
        self._profile_transforms = profile_transforms
        self._log = logging.getLogger(f"only1mcp.profiles.{profile.name}")

    def table(self) -> Table:
        table = Table(
            named={},
            owners={},
            ambiguous={},
            templates=[],
            aliases={},
            with_resources=[],
            hidden=set(),
            annotated=any(server.listings.annotated for server in self._servers.values()),
        )
        known = {name: self._known(server) for name, server in self._servers.items()}
        for kind in ("tool", "prompt"):
            self._name(kind, known, table)
        self._own_uris(known, table)
        return table

    def transformed(self, server: str, entries: Sequence[Entry]) -> list[Entry]:
        """As a server's own transforms show them."""
        for transform in self._server_transforms.get(server, ()):
            entries = transform.apply(entries)
        return list(entries)

    def finish(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """As the profile's own transforms show them."""
        for transform in self._profile_transforms:
            entries = transform.apply(entries)
        return entries

    def _known(self, server: Server) -> list[Entry]:
        """Everything the server is known to list to anybody, as its own transforms show it."""
        entries: dict[tuple[EntryKind, str], Entry] = {}
        for catalogue in [*server.listings.memory.all(), *server.listings.fetched.values()]:
            for entry in entries_of(server.name, catalogue):
                entries.setdefault((entry.kind, entry.name), entry)
        return self.transformed(server.name, list(entries.values()))

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
        for entry in self.finish(entries):
            owner = owners.setdefault(entry.shown, (entry.server, entry.name))
            if owner != (entry.server, entry.name):
                self._log.error(
                    "profile %s: two things are named %r; the first is kept", self._profile.name, entry.shown
                )
        table.owners[kind] = owners

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
                "resources" in declared(each.greeting) for each in self._servers[server].listings.memory.all()
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
            aliased(entry, table)
            for listed in known.values()
            for entry in listed
            if entry.kind in ("resource", "template")
        ]
        kept = {(entry.kind, entry.server, entry.name) for entry in self.finish(entries)}
        return [entry for entry in entries if (entry.kind, entry.server, entry.name) in kept]


def entries_of(server: str, catalogue: Catalogue) -> list[Entry]:
    entries = []
    for each in LISTS:
        for members in catalogue.entries.get(each.kind, ()):
            name = text(members.get(each.identifier))
            if name is not None:
                entries.append(Entry(kind=each.kind, server=server, name=name, shown=name, members=members))
    return entries


def aliased(entry: Entry, table: Table) -> Entry:
    """A resource or template under the URI it is shown by."""
    shown = table.aliases.get(entry.server, {}).get(entry.name, entry.shown)
    return msgspec.structs.replace(entry, shown=shown)
