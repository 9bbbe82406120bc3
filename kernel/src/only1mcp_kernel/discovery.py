"""Find the plugins that are installed and take their offers. One broken plugin never stops another: it is refused,
with one line that says why.

`ONLY1MCP_PLUGINS`, a comma separated list of distribution names, limits which distributions are looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from only1mcp_kernel.config.settings import ProfileSettings, ReplicaSettings, ServerSettings
from only1mcp_kernel.offers import HOOK_PREFIX, KINDS, Clash, Offers, PluginInfo
from only1mcp_sdk import API_VERSION, Offer, PluginConfig, hookspecs

GROUP = "only1mcp.plugins"
ONLY = "ONLY1MCP_PLUGINS"

_SELECTORS = frozenset({"use", "type"})
_SERVER_KEYS = frozenset(ServerSettings.model_fields) | frozenset(ReplicaSettings.model_fields) | _SELECTORS
RESERVED = {
    **dict.fromkeys(KINDS, frozenset({"use"})),
    "connector": _SERVER_KEYS,
    "inline": _SERVER_KEYS | frozenset(ProfileSettings.model_fields),
}
"""The keys the kernel reads where plugins' options are written."""

_WORD = re.compile(r"[a-z0-9][A-Za-z0-9_-]{0,63}\Z")


class Unfit(Exception):
    """Why a plugin is refused."""


@dataclass(frozen=True)
class Source:
    """A plugin that could be loaded: what is known of it before, and how."""

    info: PluginInfo
    load: Callable[[], object]


def discover(only: Iterable[str] = ()) -> Offers:
    """Load every installed plugin, or those of the distributions in `only`. Never raises for what a plugin does; look
    at `Offers.plugins` for what was refused.

    Imports all plugin modules, so it may take a while: for starting and for commands that need it, not for `--help`.
    """
    chosen = [*only] or os.environ.get(ONLY, "").split(",")
    return take(_sources({_canonical(name) for name in chosen if name.strip()}))


def take(sources: Iterable[Source]) -> Offers:
    """The offers of these plugins, in this order: where two want the same name, the earlier one has it."""
    offers = Offers()
    for source in sources:
        info = source.info
        try:
            made = _ask(source.load(), info.name)
            info = replace(info, kinds={kind: tuple(o.name for o in found) for kind, found in made.items()})
            offers = offers.with_plugin(info, made, RESERVED)
        except (Unfit, Clash) as reason:
            offers = offers.with_refused(replace(info, state="refused", reason=str(reason)))
    return offers


def _sources(only: set[str]) -> Iterable[Source]:
    found: dict[tuple[str, str], EntryPoint] = {}
    for point in entry_points(group=GROUP):
        distribution = _canonical(point.dist.name) if point.dist else ""
        if not only or distribution in only:
            found.setdefault((distribution, point.name), point)
    for (distribution, name), point in sorted(found.items(), key=lambda item: item[0]):
        version = point.dist.version if point.dist else ""
        info = PluginInfo(name=name, distribution=distribution, version=version, module=point.value)
        yield Source(info, partial(_load, point, info))


def _load(point: EntryPoint, info: PluginInfo) -> object:
    try:
        return point.load()
    except (Exception, SystemExit) as fault:
        raise Unfit(f"{info.distribution} can't be imported: {_one_line(fault)}") from fault


def _ask(module: object, name: str) -> dict[str, tuple[Offer[Any], ...]]:
    """The offers of one plugin module by kind; raises `Unfit`. The plugin manager does not outlive the question."""
    _check_api(module)
    manager = pluggy.PluginManager("only1mcp")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name)
        manager.check_pending()
    except Exception as fault:
        raise Unfit(f"its hooks do not fit: {_one_line(fault)}") from fault
    made: dict[str, tuple[Offer[Any], ...]] = {}
    for kind in KINDS:
        for hook in getattr(manager.hook, HOOK_PREFIX + kind).get_hookimpls():
            try:
                answer = tuple(hook.function())
            except (Exception, SystemExit) as fault:
                raise Unfit(f"{HOOK_PREFIX}{kind} failed: {_one_line(fault)}") from fault
            for offer in answer:
                _check_offer(kind, offer)
            made[kind] = answer
    return made


def _check_api(module: object) -> None:
    wanted = getattr(module, "ONLY1MCP_API", API_VERSION)
    match wanted:
        case (int(major), int(minor)):
            if major != API_VERSION[0] or minor > API_VERSION[1]:
                ours = ".".join(map(str, API_VERSION))
                raise Unfit(f"it was written for plugin API {major}.{minor}, and this is {ours}")
        case _:
            raise Unfit("its ONLY1MCP_API is not a pair of numbers")


def _check_offer(kind: str, offer: object) -> None:
    if not isinstance(offer, Offer):
        raise Unfit(f"{HOOK_PREFIX}{kind} returned a {type(offer).__name__} where an offer was expected")
    claimed: Any = offer  # Types are promises, and this is where they are checked.
    if not isinstance(claimed.aliases, tuple):
        raise Unfit(f"the aliases of the {kind} {offer.name!r} are not a tuple")
    words = (claimed.name, *claimed.aliases)
    bad = [word for word in words if not isinstance(word, str) or not _WORD.match(word)]
    if bad:
        raise Unfit(f"{bad[0]!r} is no name for a {kind}: 1 to 64 letters, digits, _ and -, no capital first")
    if not (isinstance(claimed.config, type) and issubclass(claimed.config, PluginConfig)):
        raise Unfit(f"the configuration of the {kind} {offer.name!r} is not a PluginConfig")
    if not isinstance(claimed.schemes, tuple) or not all(isinstance(each, str) for each in claimed.schemes):
        raise Unfit(f"the schemes of the {kind} {offer.name!r} are not a tuple of texts")
    if offer.schemes and kind != "connector":
        raise Unfit(f"the {kind} {offer.name!r} has URL schemes, which only a connector can have")
    if offer.inline and kind != "transform":
        raise Unfit(f"the {kind} {offer.name!r} is inline, which only a transform can be")


def _canonical(name: str) -> str:
    """A distribution's name as indexes compare it (PyPA, name normalization)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _one_line(fault: BaseException) -> str:
    text = " ".join(str(fault).split())[:300]
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__
