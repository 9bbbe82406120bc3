"""Taking the offers of plugins: what is refused, why, and that nobody else suffers for it."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from only1mcp_kernel.discovery import GROUP, ONLY, Source, discover, take
from only1mcp_kernel.offers import KINDS, Offers, PluginInfo, UnknownOffer
from only1mcp_sdk import PluginConfig, hookimpl, offer
from tests.kernel.config.installed import (
    STANDARD,
    Nothing,
    Prefix,
    Tools,
    Url,
    installed,
    module,
    nothing,
    source,
)

GOOD = module({"balancer": [offer("good", Nothing, nothing)]})


def reason(offers: Offers, distribution: str) -> str:
    """Why that plugin was refused; it must have been."""
    (info,) = [plugin for plugin in offers.plugins if plugin.distribution == distribution]
    assert info.state == "refused"
    assert "\n" not in info.reason
    return info.reason


def test_the_kinds_are_those_of_the_sdk() -> None:
    assert set(KINDS) == {
        "listener",
        "connector",
        "balancer",
        "economy",
        "filter",
        "middleware",
        "transform",
        "secret",
        "authenticator",
    }


def test_offers_are_found_by_name_and_alias() -> None:
    offers = installed()
    assert offers.get("connector", "web").offer.config is Url
    assert offers.get("connector", "sse") is offers.get("connector", "web")
    assert offers.get("connector", "web").plugin.distribution == "standard"
    assert list(offers.of("balancer")) == ["weighted", "spread"]
    assert offers.plugins[0].kinds["transform"] == ("only", "prefix")
    with pytest.raises(UnknownOffer, match="'web'"):
        offers.get("balancer", "web")


def fails() -> Any:
    raise RuntimeError("broken\nin several lines")


def leaves() -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (SimpleNamespace(only1mcp_register_teapot=hookimpl(lambda: ())), "teapot"),
        (SimpleNamespace(only1mcp_register_filter=hookimpl(lambda unasked: [])), "unasked"),
        (SimpleNamespace(only1mcp_register_filter=hookimpl(fails)), "RuntimeError: broken"),
        (SimpleNamespace(only1mcp_register_filter=hookimpl(leaves)), "SystemExit"),
        (SimpleNamespace(only1mcp_register_filter=hookimpl(lambda: None)), "filter failed: TypeError"),
        (SimpleNamespace(only1mcp_register_filter=hookimpl(lambda: ["x"])), "returned a str"),
        (module({"filter": [offer("Bad Name", Nothing, nothing)]}), "'Bad Name'"),
        (module({"filter": [offer("x", Nothing, nothing, aliases=("sp ace",))]}), "'sp ace'"),
        (module({"filter": [offer("x", Nothing, nothing, aliases="yz")]}), "aliases"),  # type: ignore[arg-type]
        (module({"filter": [offer("x", dict, nothing)]}), "not a PluginConfig"),  # type: ignore[type-var, arg-type]
        (module({"filter": [offer("x", Nothing, nothing, inline=True)]}), "inline"),
        (module({"filter": [offer("x", Nothing, nothing, schemes=("http",))]}), "URL schemes"),
        (module({"connector": [offer("x", Nothing, nothing, schemes="ws")]}), "schemes"),  # type: ignore[arg-type]
        (module({}, ONLY1MCP_API=(2, 0)), "plugin API 2.0"),
        (module({}, ONLY1MCP_API=(1, 99)), "plugin API 1.99"),
        (module({}, ONLY1MCP_API="1.0"), "pair of numbers"),
    ],
)
def test_a_broken_plugin_is_refused_alone(plugin: object, words: str) -> None:
    offers = take([source("bad", plugin), source("good", GOOD)])
    assert words in reason(offers, "bad")
    assert offers.get("balancer", "good").plugin.distribution == "good"


def test_an_older_api_is_taken() -> None:
    offers = take([source("old", module({"filter": [offer("x", Nothing, nothing)]}, ONLY1MCP_API=(1, 0)))])
    assert offers.plugins[0].state == "active"


class UsesUse(PluginConfig):
    use: str = ""


class Weight(PluginConfig):
    weight: int = 1


class Names(PluginConfig):
    names: str = ""


class AlsoTools(PluginConfig):
    tools: str = ""
    url: str = ""


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (
            module({"balancer": [offer("spread", Nothing, nothing)]}),
            ["late", "standard", "balancer 'spread'"],
        ),
        (
            module({"connector": [offer("new", Nothing, nothing, aliases=("sse",))]}),
            ["late", "standard", "connector 'sse'"],
        ),
        (module({"filter": [offer("x", UsesUse, nothing)]}), ["late", "option 'use'"]),
        (module({"connector": [offer("x", Weight, nothing)]}), ["late", "option 'weight'"]),
        (module({"transform": [offer("x", Names, nothing, inline=True)]}), ["late", "option 'names'"]),
        (
            module({"transform": [offer("x", Tools, nothing, inline=True)]}),
            ["late", "standard", "transform 'only'"],
        ),
        (
            module({"connector": [offer("x", AlsoTools, nothing)]}),
            ["late", "standard", "option 'tools'", "transform 'only'"],
        ),
    ],
)
def test_what_is_taken_is_refused_to_the_later_plugin(plugin: object, words: list[str]) -> None:
    offers = take([source("standard", module(STANDARD)), source("late", plugin)])
    text = reason(offers, "late")
    assert all(word in text for word in words), text


def test_a_clash_takes_all_offers_of_the_later_plugin_away() -> None:
    both = module(
        {"filter": [offer("fine", Nothing, nothing)], "balancer": [offer("good", Nothing, nothing)]}
    )
    offers = take([source("first", GOOD), source("late", both)])
    assert "fine" not in offers.of("filter")
    assert offers.plugins[1].kinds["filter"] == ("fine",), "what it would have offered is told"


def test_options_may_share_names_where_they_never_meet() -> None:
    fine = module({"transform": [offer("x", Tools, nothing), offer("y", Prefix, nothing, inline=True)]})
    assert take([source("standard", module(STANDARD)), source("fine", fine)]).plugins[1].state == "active"


def test_a_source_that_can_not_be_loaded_is_refused() -> None:
    def load() -> object:
        from only1mcp_kernel.discovery import Unfit

        raise Unfit("gone")

    info = PluginInfo("a", "a", "1", "a")
    assert reason(take([Source(info, load), source("good", GOOD)]), "a") == "gone"


# Real distributions, as the interpreter sees them


def write_distribution(folder: Path, name: str, code: str) -> None:
    module_name = name.replace("-", "_") + "_plugin"
    (folder / f"{module_name}.py").write_text(code)
    info = folder / f"{name.replace('-', '_')}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {module_name}\n")


WORKING = """
from contextlib import asynccontextmanager
from only1mcp_sdk import PluginConfig, hookimpl, offer

class Options(PluginConfig):
    pass

@asynccontextmanager
async def open(config, context):
    yield None

@hookimpl
def only1mcp_register_filter():
    return [offer("discovered", Options, open)]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of distributions that is searched besides what is installed."""
    write_distribution(tmp_path, "z-broken", "import a_module_nobody_has")
    write_distribution(tmp_path, "y-Working", WORKING)
    write_distribution(tmp_path, "x-rude", "raise SystemExit('bye')")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    monkeypatch.setenv(ONLY, "y_working, Z-Broken,x-rude")
    return tmp_path


def test_installed_plugins_are_discovered_in_order(site: Path) -> None:
    offers = discover()
    assert [plugin.distribution for plugin in offers.plugins] == ["x-rude", "y-working", "z-broken"]
    working = offers.plugins[1]
    assert (working.state, working.version, working.module) == ("active", "1.5", "y_Working_plugin")
    assert working.kinds == {"filter": ("discovered",)}
    assert reason(offers, "z-broken").startswith("z-broken can't be imported: ModuleNotFoundError")
    assert "SystemExit: bye" in reason(offers, "x-rude")


def test_the_distributions_can_be_chosen(site: Path) -> None:
    assert [plugin.distribution for plugin in discover(["Y.Working"]).plugins] == ["y-working"]
