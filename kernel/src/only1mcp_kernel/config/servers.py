"""The servers of a configuration: how each is reached, by how many replicas, and with which settings."""

from __future__ import annotations

from dataclasses import replace

from only1mcp_kernel.config.components import Components
from only1mcp_kernel.config.document import Node, Path, drop, keep
from only1mcp_kernel.config.fingerprint import digest, essence
from only1mcp_kernel.config.model import Component, ReplicaConfig, ServerConfig
from only1mcp_kernel.config.problems import listed, nearest
from only1mcp_kernel.config.settings import NAME, NAME_RULE, PLAIN_SETTINGS, ReplicaSettings, ServerSettings
from only1mcp_kernel.config.validate import describe
from only1mcp_kernel.offers import Registered, option_names, required_options

_SELECTORS = ("use", "type")
_OWN = frozenset(ServerSettings.model_fields)


class Servers:
    """Each method reports what it finds wrong and goes on; None stands for what could not be made."""

    def __init__(self, components: Components) -> None:
        self._components = components
        self._connectors = components.offers.of("connector")
        self._report = components.checker.report

    def read(self, node: Node, path: Path) -> tuple[dict[str, ServerConfig], tuple[str, ...]]:
        """The enabled servers by name, and the names of the others."""
        servers: dict[str, ServerConfig] = {}
        disabled: list[str] = []
        for name, member in node.members.items():
            here = (*path, name)
            if not NAME.match(name):
                self._report(member, here, NAME_RULE, at_key=True)
            if not self._components.checker.mapping(member, here):
                continue
            settings = self._components.checker.check(ServerSettings, keep(member, _OWN), here)
            server = self._server(name, member, here, settings or ServerSettings())
            if settings is not None and settings.disabled:
                disabled.append(name)
            elif server is not None:
                servers[name] = server
        return servers, tuple(disabled)

    def _server(self, name: str, node: Node, path: Path, settings: ServerSettings) -> ServerConfig | None:
        transforms = self._components.transforms(node, path)
        connector = drop(node, _OWN | self._components.inline.keys())
        listed_ones = node.members.get("replicas")
        if listed_ones is None or listed_ones.value is None:
            neighbours = _OWN | self._components.inline.keys()
            replicas = [self._replica(connector, path, 1, neighbours)]
        else:
            self._misplaced(connector, path)
            replicas = self._replicas(listed_ones, (*path, "replicas"))
        balance = self._balance(node, node.members.get("balance"), len(replicas), path)
        made = tuple(replica for replica in replicas if replica is not None)
        if len(made) < len(replicas):
            return None
        server = ServerConfig(
            name=name,
            replicas=_distinct(made),
            balance=balance,
            transforms=transforms,
            isolation=settings.isolation,
            era=settings.era,
            connect_timeout=settings.connect_timeout,
            list_timeout=settings.list_timeout,
            call_timeout=settings.call_timeout,
            idle_stop=settings.idle_stop,
            trusted=settings.trusted,
            fingerprint="",
        )
        return replace(server, fingerprint=_fingerprint(server))

    def _replicas(self, node: Node, path: Path) -> list[ReplicaConfig | None]:
        if isinstance(node.value, list) and not node.items:
            self._report(node, path, "should have at least one entry")
        replicas: list[ReplicaConfig | None] = []
        for index, item in enumerate(node.items):
            here = (*path, index)
            if not self._components.checker.mapping(item, here):
                replicas.append(None)
                continue
            keys = ReplicaSettings.model_fields.keys()
            settings = self._components.checker.check(ReplicaSettings, keep(item, keys), here)
            weight = settings.weight if settings is not None else 1
            replicas.append(self._replica(drop(item, keys), here, weight, frozenset(keys)))
        return replicas

    def _misplaced(self, node: Node, path: Path) -> None:
        """Keys that stand beside `replicas` and are not the server's own."""
        options = {key for found in self._connectors.values() for key in option_names(found.offer.config)}
        for key, member in node.members.items():
            if key in _SELECTORS or key in options:
                message, hint = 'can\'t stand beside "replicas"', "move it into each replica"
            else:
                message, hint = "unknown key", nearest(key, _OWN | self._components.inline.keys())
            self._report(member, (*path, key), message, hint, at_key=True)

    def _replica(
        self, node: Node, path: Path, weight: int, neighbours: frozenset[str]
    ) -> ReplicaConfig | None:
        """A connector: the one that is named, or else the one whose required options are there."""
        selectors = [key for key in _SELECTORS if key in node.members]
        if len(selectors) == 2:
            self._report(
                node.members["type"], (*path, "type"), 'means the same as "use"; give one', at_key=True
            )
        neighbours |= frozenset(_SELECTORS)
        if selectors:
            key = selectors[0]
            found = self._components.named("connector", node.members[key], (*path, key))
        else:
            found = self._inferred(node, path, neighbours)
        if found is None:
            return None
        component = self._components.make(found, drop(node, _SELECTORS), path, neighbours)
        if component is None:
            return None
        return ReplicaConfig(component, weight, digest(essence(component))[:12])

    def _inferred(self, node: Node, path: Path, neighbours: frozenset[str]) -> Registered | None:
        if not self._connectors:
            self._report(node, path, "no connector is installed", self._components.silent(), at_key=True)
            return None
        given = node.members.keys()
        needs = {name: required_options(found.offer.config) for name, found in self._connectors.items()}
        fitting = [name for name, keys in needs.items() if keys and keys <= given]
        if len(fitting) == 1:
            return self._connectors[fitting[0]]
        if fitting:
            return self._by_scheme(fitting, node, path)
        known = neighbours.union(*(option_names(found.offer.config) for found in self._connectors.values()))
        unknown = {key: nearest(key, known) for key in given if key not in known}
        for key, hint in unknown.items():
            self._report(node.members[key], (*path, key), "unknown key", hint, at_key=True)
        if not any(unknown.values()):
            ways = [f"{' and '.join(sorted(keys))} ({name})" for name, keys in needs.items() if keys]
            message = "nothing here says how to reach the server"
            self._report(node, path, message, f'give "use", or one of: {listed(ways)}', at_key=True)
        return None

    def _by_scheme(self, fitting: list[str], node: Node, path: Path) -> Registered | None:
        """Of several that fit because they want a URL, the one to which its scheme belongs."""
        by_url = [name for name in fitting if "url" in required_options(self._connectors[name].offer.config)]
        known = {scheme: name for name in by_url for scheme in self._connectors[name].offer.schemes}
        url = node.members.get("url")
        if url is None or not known or by_url != fitting:
            message = f"what is given fits several connectors: {listed(fitting)}"
            self._report(node, path, message, 'say which with "use"', at_key=True)
            return None
        if url.unresolved:
            return None
        if not isinstance(url.value, str):
            self._report(url, (*path, "url"), f"should be valid text, not {describe(url)}")
            return None
        scheme, separator, _ = url.value.partition("://")
        name = known.get(scheme.lower()) if separator else None
        if name is None:
            starts = f"should start with {listed(f'{each}://' for each in known)}"
            hint = nearest(scheme, known) if separator else ""
            self._report(
                url, (*path, "url"), starts, hint or 'for anything else say which connector with "use"'
            )
            return None
        return self._connectors[name]

    def _balance(self, server: Node, node: Node | None, replicas: int, path: Path) -> Component | None:
        if node is not None and node.value is not None:
            return self._components.selected("balancer", node, (*path, "balance"))
        if replicas > 1:
            installed = listed(self._components.offers.of("balancer"))
            message = f'{replicas} replicas need a "balance"'
            hint = f"write balance: {{use: name}}; installed: {installed}"
            self._report(server, path, message, hint, at_key=True)
        return None


def _fingerprint(server: ServerConfig) -> str:
    replicas = [[essence(replica.component), replica.weight] for replica in server.replicas]
    transforms = [essence(transform) for transform in server.transforms]
    settings = [getattr(server, name) for name in PLAIN_SETTINGS]
    return digest([server.name, replicas, essence(server.balance), transforms, settings])


def _distinct(replicas: tuple[ReplicaConfig, ...]) -> tuple[ReplicaConfig, ...]:
    """Replicas that are configured alike still need keys of their own."""
    seen: dict[str, int] = {}
    made = []
    for replica in replicas:
        copy = seen[replica.key] = seen.get(replica.key, 0) + 1
        made.append(replica if copy == 1 else replace(replica, key=f"{replica.key}-{copy}"))
    return tuple(made)
