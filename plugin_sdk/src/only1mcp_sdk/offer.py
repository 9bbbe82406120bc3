"""What a plugin hands to the kernel: offers.

An offer says "under this name, with this configuration, I can open one of these". Nothing is opened by making
an offer, and nothing that is offered runs unless a configuration names it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pluggy
from pydantic import BaseModel, ConfigDict

from only1mcp_sdk.context import Context

API_VERSION = (1, 0)
"""The plugin API of this SDK. A plugin module may state the one it was written for as `ONLY1MCP_API`;
it is loaded when the major number is equal and its minor number is not newer."""

hookimpl = pluggy.HookimplMarker("only1mcp")
"""Marks a plugin module's `only1mcp_register_<kind>` functions."""


class PluginConfig(BaseModel):
    """The options of one component. Unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


KindT = TypeVar("KindT", covariant=True)
Component = TypeVar("Component")
ConfigT = TypeVar("ConfigT", bound=PluginConfig)


@dataclass(frozen=True)
class Offer(Generic[KindT]):
    """One named component a plugin can open. Make it with `offer()`, which ties the types together."""

    name: str
    config: type[PluginConfig]
    open: Callable[[Any, Context], AbstractAsyncContextManager[KindT]]
    aliases: tuple[str, ...] = ()
    inline: bool = False
    schemes: tuple[str, ...] = ()


def offer(
    name: str,
    config: type[ConfigT],
    open: Callable[[ConfigT, Context], AbstractAsyncContextManager[Component]],
    *,
    aliases: tuple[str, ...] = (),
    inline: bool = False,
    schemes: tuple[str, ...] = (),
) -> Offer[Component]:
    """Offer a component under `name`, the word that configuration files give after `use:`.

    `open(config, context)` returns an async context manager: entering it provisions and starts the component,
    leaving it stops and cleans up, also when a later component failed to open. Import heavy libraries inside
    `open`, not at module level.

    `aliases` are other words a configuration may use for it, e.g. those of clients whose files get pasted in.
    `inline=True` (transforms only) lets a user write the options of `config` straight into a server or a
    profile, without `use:`.

    `schemes` (connectors only) are the URL schemes, in lower case, that are told by themselves to be yours: a server
    that gives a `url` of one of them and no `use:` is reached by this connector, though the options of others fit too.
    """
    return Offer(name=name, config=config, open=open, aliases=aliases, inline=inline, schemes=schemes)
