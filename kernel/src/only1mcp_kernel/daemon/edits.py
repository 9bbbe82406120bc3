"""What the command line may change in a loaded configuration. Listeners are found by their options, not by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from only1mcp_kernel.config.model import Component, Config
from only1mcp_kernel.config.problems import ConfigError, Problem
from only1mcp_kernel.daemon.gateway import Edit
from only1mcp_kernel.offers import Offers, UnknownOffer
from only1mcp_sdk import PluginConfig


def listen_at(**given: Any) -> Edit:
    """Give the first listener that has these options (`host`, `port`) these values instead; None means not given."""
    wanted = {name: value for name, value in given.items() if value is not None}

    def edit(config: Config, _: Offers) -> Config:
        if not wanted:
            return config
        for index, component in enumerate(config.listen):
            if wanted.keys() <= type(component.options).model_fields.keys():
                changed = replace(component, options=_with(component.options, wanted))
                return replace(config, listen=(*config.listen[:index], changed, *config.listen[index + 1 :]))
        options = " and ".join(f"--{name}" for name in wanted)
        raise _refuse(options, f"no listener in {config.path} has such an option")

    return edit


def listen_only(*names: str) -> Edit:
    """In place of the configured listeners, those offered under these names, with their default options."""

    def edit(config: Config, offers: Offers) -> Config:
        listen = tuple(_listener(offers, name, index) for index, name in enumerate(names))
        return replace(config, listen=listen)

    return edit


def _listener(offers: Offers, name: str, index: int) -> Component:
    try:
        offer = offers.get("listener", name).offer
    except UnknownOffer as error:
        raise _refuse("listen", str(error)) from None
    return Component("listener", offer.name, offer.config(), f"listen[{index}]")


def _with(options: PluginConfig, changes: dict[str, Any]) -> PluginConfig:
    from pydantic import ValidationError

    values = {**options.model_dump(exclude_unset=True), **changes}
    try:
        return type(options).model_validate(values, by_name=True, by_alias=False)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else next(iter(changes))
        raise _refuse(f"--{name}", first["msg"]) from None


def _refuse(where: str, message: str) -> ConfigError:
    return ConfigError([Problem("command line", 0, 0, where, message)])
