"""Where a request leads in one profile: from what it names to the server that has it. Looks up and decides; sends
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from only1mcp_kernel.gateway.routing import names
from only1mcp_kernel.gateway.routing.views import Views
from only1mcp_kernel.gateway.servers.catalogue import declared
from only1mcp_kernel.gateway.servers.server import Server
from only1mcp_kernel.protocol.revisions import INVALID_PARAMS, REVISIONS
from only1mcp_sdk import Caller, EntryKind, Era, Failure, Members
from only1mcp_sdk.members import quoted, text

_WITHOUT_METHODS = frozenset({"io.modelcontextprotocol/tasks", "io.modelcontextprotocol/ui"})
"""Extensions that add no methods, or none but those the gateway routes itself."""


class Leads:
    """The servers of a profile, by what requests name."""

    def __init__(self, views: Views, servers: Mapping[str, Server], methods: Mapping[str, str]) -> None:
        self._views = views
        self._servers = servers
        self._methods = methods

    def owner(self, kind: EntryKind, name: str) -> names.Owned | None:
        """Whose tool, prompt or resource this is, and what its server calls it."""
        owned = self._views.uri_owner(name) if kind == "resource" else self._views.owner(kind, name)
        return owned or self._only(name)

    def template(self, uri: str) -> names.Owned | None:
        """Whose resource template this is; else whose resource."""
        for server, aliases in self._views.table.aliases.items():
            for own, shown in aliases.items():
                if shown == uri:
                    return server, own
        for server in self._servers:
            if any(each == uri for each in self._servers[server].listings.memory.identifiers("template")):
                return server, uri
        return self.owner("resource", uri)

    def undefined(self, method: str, params: Members, era: Era) -> tuple[str, Members] | None:
        """Where a method goes that MCP does not define: the server, and the params with its own words."""
        for member, owned in (("name", self._named(params)), ("uri", self._listed(params))):
            if owned is not None:
                own = {} if text(params[member]) == owned[1] else {member: quoted(owned[1])}
                return owned[0], {**params, **own}
        server = self.configured(method) or self._only_extended(era)
        return None if server is None else (server, params)

    def configured(self, method: str) -> str | None:
        """Where the configuration says that a method, or a notification, goes that MCP does not define; the only
        server, if nothing changes what it shows, gets them all."""
        found = self._methods.get(method)
        prefix = method
        while found is None and "/" in prefix:
            prefix = prefix.rpartition("/")[0]
            found = self._methods.get(f"{prefix}/*")
        if found is None and self._views.plain:
            return next(iter(self._servers))
        return found

    def unknown(self, kind: EntryKind, name: str, caller: Caller) -> Failure:
        """What to answer when nobody owns this."""
        if kind == "resource":
            code = REVISIONS[caller.revision].not_found
            return Failure.of(code, f"Resource not found: {name}", {"uri": name})
        servers = self._views.table.ambiguous.get(kind, {}).get(name)
        if servers:
            listed = " and ".join(f'"{server}"' for server in servers)
            return Failure.of(INVALID_PARAMS, f"Ambiguous {kind}: {name} is in the servers {listed}")
        return self.unheard(kind, name, self._views.shown_names(kind))

    def unheard(self, what: str, name: str, known: list[str]) -> Failure:
        """The like, with what may have been meant."""
        close = names.nearest(name, known)
        hint = f". Did you mean {', '.join(close)}?" if close else ""
        return Failure.of(INVALID_PARAMS, f"Unknown {what}: {name}{hint}")

    def _only(self, name: str) -> names.Owned | None:
        """In a profile of one server that nothing filters, what is unknown here is that server's to judge."""
        if self._views.plain:
            return next(iter(self._servers)), name
        return None

    def _named(self, params: Members) -> names.Owned | None:
        """Whose tool or prompt the params name; None too where a tool and a prompt lead to different servers."""
        name = text(params.get("name"))
        if name is None:
            return None
        tool, prompt = self._views.owner("tool", name), self._views.owner("prompt", name)
        if tool is not None and prompt is not None and tool != prompt:
            return None
        return tool or prompt

    def _listed(self, params: Members) -> names.Owned | None:
        """Whose resource the params name, or whose template it fits."""
        uri = text(params.get("uri"))
        return None if uri is None else self._views.listed_uri_owner(uri)

    def _only_extended(self, era: Era) -> str | None:
        """The only server that declares an extension whose methods could be meant."""
        found = [name for name, server in self._servers.items() if _extended(server, era)]
        return found[0] if len(found) == 1 else None


def _extended(server: Server, era: Era) -> bool:
    extensions = declared(server.listings.greeting(era)[1]).get("extensions")
    return isinstance(extensions, dict) and bool(extensions.keys() - _WITHOUT_METHODS)
