"""What is installed: every offer of every plugin, by kind and name.

Knows the kinds only through the SDK's hook specifications: a new hook there is a new kind here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from only1mcp_sdk import Offer, PluginConfig, hookspecs

HOOK_PREFIX = "only1mcp_register_"

KINDS: tuple[str, ...] = tuple(
    name.removeprefix(HOOK_PREFIX) for name in vars(hookspecs) if name.startswith(HOOK_PREFIX)
)
"""The kinds of extension, in the SDK's order."""


@dataclass(frozen=True)
class PluginInfo:
    """One entry point of the plugin group, for people to look at."""

    name: str
    distribution: str
    version: str
    module: str
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What it offers. Of a refused plugin: what it would offer, as far as that is known."""
    state: Literal["active", "refused"] = "active"
    reason: str = ""
    """One line; why it was refused."""


@dataclass(frozen=True)
class Registered:
    """An offer, and whose it is."""

    kind: str
    offer: Offer[Any]
    plugin: PluginInfo


class UnknownOffer(LookupError):
    """Nothing of that kind answers to that name."""


class Clash(ValueError):
    """A plugin wants a name that is taken, or an option that would be ambiguous where it is written."""


class Offers:
    """All offers of the active plugins. Immutable; `with_plugin` makes a larger one."""

    def __init__(self) -> None:
        self.plugins: tuple[PluginInfo, ...] = ()
        self._by_kind: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
        self._words: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}

    def get(self, kind: str, name: str) -> Registered:
        """The offer of this kind that answers to `name`, by its own name or an alias. Raises `UnknownOffer`."""
        own = self._words[kind].get(name)
        if own is None:
            raise UnknownOffer(f"no {kind} named {name!r} is installed")
        return self._by_kind[kind][own]

    def of(self, kind: str) -> Mapping[str, Registered]:
        """The offers of a kind by their own names, in a stable order."""
        return self._by_kind[kind]

    def words(self, kind: str) -> Iterable[str]:
        """Every word that `get` knows for a kind."""
        return self._words[kind]

    def inline_transforms(self) -> Iterable[Registered]:
        """Transforms whose options a user may write straight into a server or a profile."""
        return (found for found in self._by_kind["transform"].values() if found.offer.inline)

    def refused(self) -> Iterable[PluginInfo]:
        return (plugin for plugin in self.plugins if plugin.state == "refused")

    def with_refused(self, plugin: PluginInfo) -> Offers:
        """The same offers, and one more plugin to report on."""
        larger = Offers()
        larger.plugins = (*self.plugins, plugin)
        larger._by_kind, larger._words = self._by_kind, self._words
        return larger

    def with_plugin(
        self,
        plugin: PluginInfo,
        offers: Mapping[str, Iterable[Offer[Any]]],
        reserved: Mapping[str, frozenset[str]],
    ) -> Offers:
        """The offers of one more plugin added: all of them or, raising `Clash`, none.

        `reserved` are the keys per kind that the kernel itself reads where the options of that kind are written;
        under `inline`, where inline transforms are.
        """
        larger = self.with_refused(plugin)
        larger._by_kind = {kind: dict(found) for kind, found in self._by_kind.items()}
        larger._words = {kind: dict(words) for kind, words in self._words.items()}
        for kind, made in offers.items():
            for offer in made:
                larger._add(Registered(kind, offer, plugin), reserved)
        return larger

    def _add(self, new: Registered, reserved: Mapping[str, frozenset[str]]) -> None:
        kind, offer = new.kind, new.offer
        words = self._words[kind]
        for word in (offer.name, *offer.aliases):
            if word in words:
                holder = self._by_kind[kind][words[word]].plugin
                raise Clash(
                    f"the {kind} {word!r} of {new.plugin.distribution} is already offered by {holder.distribution}"
                )
            words[word] = offer.name
        self._check_keys(new, reserved)
        self._by_kind[kind][offer.name] = new

    def _check_keys(self, new: Registered, reserved: Mapping[str, frozenset[str]]) -> None:
        """Options that are written side by side with other keys must not share a name with one of them."""
        keys = option_names(new.offer.config)
        taken = reserved["inline" if new.offer.inline else new.kind] & keys
        if taken:
            raise Clash(
                f"the {new.kind} {new.offer.name!r} of {new.plugin.distribution} has an option {min(taken)!r}, "
                "which the gateway itself reads there"
            )
        if new.offer.inline:
            neighbours = (*self.inline_transforms(), *self._by_kind["connector"].values())
        elif new.kind == "connector":
            neighbours = tuple(self.inline_transforms())
        else:
            return
        for other in neighbours:
            both = keys & option_names(other.offer.config)
            if both:
                raise Clash(
                    f"the {new.kind} {new.offer.name!r} of {new.plugin.distribution} has an option {min(both)!r}, "
                    f"which the {other.kind} {other.offer.name!r} of {other.plugin.distribution} has in the same place"
                )


def option_names(config: type[PluginConfig]) -> frozenset[str]:
    """The keys a file may use for these options."""
    return frozenset(option_key(config, name) for name in config.model_fields)


def option_key(config: type[PluginConfig], name: str) -> str:
    """The key in a file for the field `name`."""
    found = config.model_fields[name]
    return found.validation_alias if isinstance(found.validation_alias, str) else found.alias or name


def required_options(config: type[PluginConfig]) -> frozenset[str]:
    """The keys a file has to give."""
    return frozenset(
        option_key(config, name) for name, found in config.model_fields.items() if found.is_required()
    )
