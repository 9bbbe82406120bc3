"""From a tree with its references resolved to a `Config`. Pure: opens nothing, reads nothing."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import replace
from pathlib import Path as FilePath

from only1mcp_kernel.config.components import Components
from only1mcp_kernel.config.document import Node, Path, drop
from only1mcp_kernel.config.effective import effective
from only1mcp_kernel.config.model import DEFAULT_PROFILE, Config, Limits, ProfileConfig
from only1mcp_kernel.config.problems import ConfigError, listed, nearest
from only1mcp_kernel.config.secrets import Vault
from only1mcp_kernel.config.servers import Servers
from only1mcp_kernel.config.settings import METHODS, NAME, NAME_RULE, ProfileSettings, RootSettings
from only1mcp_kernel.config.validate import Checker
from only1mcp_kernel.offers import Offers
from only1mcp_kernel.protocol.revisions import defined


def assemble(root: Node, path: FilePath, offers: Offers, file: str, vault: Vault) -> Config:
    """The configuration in a tree. Raises `ConfigError` with everything that is wrong with it."""
    checker = Checker(file, vault)
    if root.value is None:  # An empty file is a configuration without any keys.
        root = replace(root, value={})
    config = _config(root, path, Components(offers, checker)) if checker.mapping(root, ()) else None
    if config is None or checker.problems:
        raise ConfigError(checker.problems)
    return replace(config, effective=effective(config, root, vault))


def _config(root: Node, path: FilePath, components: Components) -> Config | None:
    spelling = _spelling(root, components.checker)
    top = {("servers" if key == spelling else key): node for key, node in root.members.items()}
    settings = components.checker.check(RootSettings, replace(root, value=top), (), ["mcpServers"])
    listen = top.get("listen") or _default(root, "listen")
    servers_node = top.get("servers") or replace(root, value={})
    servers, disabled = Servers(components).read(servers_node, (spelling,))
    profiles = _Profiles(servers_node, disabled, components).read(
        top.get("profiles") or replace(root, value={})
    )
    listeners = components.listed("listener", listen, ("listen",))
    authenticators = components.listed("authenticator", top.get("authenticate"), ("authenticate",))
    filters = components.listed("filter", top.get("filters"), ("filters",))
    middleware = components.listed("middleware", top.get("middleware"), ("middleware",))
    if settings is None:
        return None
    return Config(
        path=path,
        listen=listeners,
        authenticate=authenticators,
        servers=servers,
        disabled=disabled,
        profiles=profiles,
        filters=filters,
        middleware=middleware,
        limits=Limits(**settings.limits.model_dump()),
        startup_wait=settings.startup_wait,
        drain=settings.drain,
        log_level=settings.log.level,
        effective={},
    )


def _spelling(root: Node, checker: Checker) -> str:
    """Which word the file uses for `servers`."""
    other = root.members.get("mcpServers")
    if other is None:
        return "servers"
    if "servers" in root.members:
        message = 'means the same as "servers"; only one of them may be given'
        checker.report(other, ("mcpServers",), message, at_key=True)
    return "mcpServers"


class _Profiles:
    def __init__(self, servers: Node, disabled: Container[str], components: Components) -> None:
        self._servers = servers.members
        self._disabled = disabled
        self._components = components

    def read(self, node: Node) -> Mapping[str, ProfileConfig]:
        members = node.members
        if DEFAULT_PROFILE not in members:
            members = {DEFAULT_PROFILE: replace(node, value={}), **members}
        profiles: dict[str, ProfileConfig] = {}
        for name, member in members.items():
            path = ("profiles", name)
            if not NAME.match(name):
                self._components.checker.report(member, path, NAME_RULE, at_key=True)
            if self._components.checker.mapping(member, path):
                profile = self._profile(name, member, path)
                if profile is not None:
                    profiles[name] = profile
        return profiles

    def _profile(self, name: str, node: Node, path: Path) -> ProfileConfig | None:
        inline = self._components.inline
        own = drop(node, inline)
        settings = self._components.checker.check(ProfileSettings, own, path, inline)
        transforms = self._components.transforms(node, path)
        wanted = own.members.get("servers")
        for index, item in enumerate(wanted.items if wanted is not None else ()):
            if isinstance(item.value, str) and item.value not in self._servers:
                hint = nearest(item.value, self._servers) or f"there are: {listed(self._servers)}"
                place = (*path, "servers", index)
                self._components.checker.report(item, place, f"no server {item.value!r}", hint)
        chosen = list(self._servers)
        if wanted is not None and isinstance(wanted.value, list):
            listed_ones = [item.value for item in wanted.items]
            chosen = [server for server in chosen if server in listed_ones]
        if "methods" in own.members:
            self._check_methods(own.members["methods"], (*path, "methods"), chosen)
        context = None
        if "context" in own.members and own.members["context"].value is not None:
            context = self._components.selected("economy", own.members["context"], (*path, "context"))
        if settings is None:
            return None
        return ProfileConfig(
            name=name,
            servers=tuple(server for server in chosen if server not in self._disabled),
            names=settings.names,
            safe_names=settings.safe_names,
            transforms=transforms,
            context=context,
            page_size=settings.page_size,
            methods={
                method: server for method, server in settings.methods.items() if server not in self._disabled
            },
        )

    def _check_methods(self, node: Node, path: Path, chosen: Collection[str]) -> None:
        report = self._components.checker.report
        for method, member in node.members.items():
            place = (*path, method)
            if not METHODS.match(method):
                message = "is no method, and no prefix that ends in /*"
                report(member, place, message, "write skills/list, or skills/*", at_key=True)
            elif defined(method):
                report(member, place, "is MCP's own: where it goes is known", "leave it out", at_key=True)
            if not isinstance(member.value, str):
                continue
            if member.value not in self._servers:
                hint = nearest(member.value, chosen) or f"there are: {listed(chosen)}"
                report(member, place, f"no server {member.value!r}", hint)
            elif member.value not in chosen:
                report(member, place, f"the profile does not show the server {member.value!r}")


def _default(root: Node, key: str) -> Node:
    """The default of a list of components, as if the file had said it on its first line."""
    items = RootSettings.model_fields[key].get_default()
    made = [
        replace(root, value={word: replace(root, value=value) for word, value in item.items()})
        for item in items
    ]
    return replace(root, value=made)
