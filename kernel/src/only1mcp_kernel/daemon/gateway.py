"""What the process asks of the gateway it runs, and what puts one together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from only1mcp_kernel.config.model import Config
from only1mcp_kernel.offers import Offers
from only1mcp_sdk import Gate, Listener

Edit: TypeAlias = Callable[[Config, Offers], Config]
"""A change the command line makes to a loaded configuration. Raises `Only1McpError` when it does not fit."""
Load: TypeAlias = Callable[[], Awaitable[Config]]
"""Reads the configuration anew. Raises `ConfigError`."""


class Gateway(Protocol):
    """A gateway, from `start` to `stop`."""

    @property
    def gate(self) -> Gate: ...

    @property
    def listeners(self) -> Sequence[Listener]: ...

    async def start(self, config: Config, *, insecure: bool = False) -> None:
        """Open everything and take clients in. Raises `Only1McpError`, and has then closed what it opened."""

    async def reload(self, config: Config) -> None:
        """Serve another configuration. Raises `Only1McpError`, and then serves the old one on."""

    async def stop(self) -> None:
        """Drain, and close everything."""

    async def settled(self, timeout: float) -> bool:
        """Wait until each server has answered or failed; False when some did neither in time."""

    def status(self) -> dict[str, Any]:
        """What goes on, as JSON values."""

    async def compare(self) -> dict[str, Any]:
        """What the tools of each profile cost a model, in every way they can be shown."""


@dataclass(frozen=True)
class Assembly:
    """A gateway that is not started, and how to read what it is to serve."""

    gateway: Gateway
    load: Load


def assemble(path: Path, state: Path, edit: Edit | None = None) -> Assembly:
    """Put together a gateway for a configuration file. Imports every installed plugin; opens nothing. `state` is for
    what components keep over restarts."""
    from only1mcp_kernel.discovery import discover
    from only1mcp_kernel.gateway.gateway import Gateway as TheGateway

    offers = discover()

    async def load() -> Config:
        config = await read_config(path, state, offers)
        return edit(config, offers) if edit else config

    return Assembly(TheGateway(offers=offers, base_dir=path.parent, state_dir=state), load)


async def read_config(path: Path, state: Path, offers: Offers) -> Config:
    """The configuration in a file. `state` is for the plugins that resolve its secrets. Raises `ConfigError`."""
    from only1mcp_kernel.component import Workshop
    from only1mcp_kernel.config.load import load_config
    from only1mcp_kernel.shared import Pool
    from only1mcp_sdk import Budget

    return await load_config(path, offers, Workshop(offers, path.parent, state, Pool(), Budget(0)).open)
