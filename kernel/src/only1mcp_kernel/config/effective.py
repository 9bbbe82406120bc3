"""The effective configuration: what a file amounts to with every default filled in, in the words of a file, with
references in place of what they resolved to. For `config show` and for people; nothing is built from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from only1mcp_kernel.config.document import Node, Step, child
from only1mcp_kernel.config.model import Component, Config, ProfileConfig, ServerConfig
from only1mcp_kernel.config.secrets import Vault
from only1mcp_kernel.config.settings import PLAIN_SETTINGS


def effective(config: Config, root: Node, vault: Vault) -> dict[str, Any]:
    """As JSON values. Never holds a resolved secret."""
    servers = root.members.get("mcpServers") or root.members.get("servers")
    written = servers.members if servers is not None else {}
    shown = {
        "listen": [_component(each) for each in config.listen],
        "authenticate": [_component(each) for each in config.authenticate],
        "servers": {
            name: _server(config.servers[name]) if name in config.servers else _as_written(node)
            for name, node in written.items()
        },
        "profiles": {
            name: _profile(profile, _at(root, "profiles", name, "servers"))
            for name, profile in config.profiles.items()
        },
        "filters": [_component(each) for each in config.filters],
        "middleware": [_component(each) for each in config.middleware],
        "limits": dataclasses.asdict(config.limits),
        "startup_wait": config.startup_wait,
        "drain": config.drain,
        "log": {"level": config.log_level},
    }
    file = dict(root.members)
    if servers is not None:
        file["servers"] = servers
    return {key: _put_back(value, file.get(key), vault) for key, value in shown.items()}


def _component(component: Component) -> dict[str, Any]:
    return {"use": component.use, **_options(component)}


def _options(component: Component) -> dict[str, Any]:
    return component.options.model_dump(mode="json", by_alias=True)


def _server(server: ServerConfig) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if server.replicas[0].component.place.endswith("]"):
        shown["replicas"] = [
            {**_component(replica.component), "weight": replica.weight} for replica in server.replicas
        ]
    else:
        shown.update(_component(server.replicas[0].component))
    if server.balance is not None:
        shown["balance"] = _component(server.balance)
    shown.update({key: getattr(server, key) for key in PLAIN_SETTINGS})
    return {**shown, **_transforms(server.transforms)}


def _profile(profile: ProfileConfig, servers: Node | None) -> dict[str, Any]:
    return {
        "servers": "*" if servers is None else _as_written(servers),
        "names": profile.names,
        "safe_names": profile.safe_names,
        "page_size": profile.page_size,
        "methods": dict(profile.methods),
        **({} if profile.context is None else {"context": _component(profile.context)}),
        **_transforms(profile.transforms),
    }


def _transforms(transforms: tuple[Component, ...]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    listed = []
    for transform in transforms:
        if transform.place.endswith("]"):
            listed.append(_component(transform))
        else:
            shown.update(_options(transform))
    return {**shown, "transforms": listed} if listed else shown


def _at(root: Node, *steps: Step) -> Node | None:
    node: Node | None = root
    for step in steps:
        node = child(node, step) if node is not None else None
    return node


def _as_written(node: Node) -> Any:
    if isinstance(node.value, Mapping):
        return {key: _as_written(member) for key, member in node.value.items()}
    if isinstance(node.value, str):
        return node.value if node.written is None else node.written
    return [_as_written(item) for item in node.items] if isinstance(node.value, list) else node.value


def _put_back(shown: Any, node: Node | None, vault: Vault) -> Any:
    """What the file says, wherever it says it with a reference."""
    if node is not None and node.written is not None:
        return node.written

    def inside(step: Step) -> Node | None:
        return None if node is None else child(node, step)

    if isinstance(shown, dict):
        return {vault.blot(key): _put_back(value, inside(key), vault) for key, value in shown.items()}
    if isinstance(shown, list):
        return [_put_back(value, inside(index), vault) for index, value in enumerate(shown)]
    return vault.blot(shown) if isinstance(shown, str) else shown
