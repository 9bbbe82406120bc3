"""Which mode `auto` picks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from only1mcp_context import plugin
from only1mcp_sdk import Economy, View
from only1mcp_sdk.testing import Harness, make_caller
from only1mcp_sdk.testing.economy import toolbox
from tests.plugins.context.modes.test_search_model import tool

OFFER = {offer.name: offer for offer in plugin.only1mcp_register_economy()}["auto"]
WORDS = "Does what its name says with every file of a folder. "


@asynccontextmanager
async def auto(**options: Any) -> AsyncIterator[Economy]:
    with Harness() as harness:
        async with harness.open(OFFER, options) as economy:
            yield economy


def mode(view: View) -> str:
    own = list(view.own)  # type: ignore[call-overload]
    if "tool_search" in own:
        return "search"
    if "tool_call" in own:
        return "signatures"
    return "slim" if "tool_describe" in own else "all"


@pytest.mark.parametrize(
    ("tools", "expected"),
    [(10, "all"), (60, "slim"), (120, "signatures"), (129, "signatures"), (400, "search")],
)
async def test_by_size(tools: int, expected: str) -> None:
    box = toolbox([tool(f"tool_{number}", WORDS * 2) for number in range(tools)])
    async with auto() as economy:
        assert mode(economy.view(economy.variant(make_caller()), box)) == expected
        assert economy.compare(box)["auto"] in (expected, "normalise")


@pytest.mark.parametrize(
    ("name", "expected"),
    [(b"claude-code", "all"), (b"cursor-vscode", "all"), (b"Visual Studio Code", "all"), (b"else", "search")],
)
async def test_by_client(name: bytes, expected: str) -> None:
    box = toolbox([tool(f"tool_{number}", WORDS * 2) for number in range(400)])
    async with auto() as economy:
        caller = replace(make_caller(), client_info=b'{"name":"%b","version":"1"}' % name)
        assert mode(economy.view(economy.variant(caller), box)) == expected
        forced = replace(caller, context="slim")
        assert mode(economy.view(economy.variant(forced), box)) == "slim"


async def test_what_clients_can_take() -> None:
    box = toolbox([tool(f"tool_{number}", "Does it.") for number in range(20)])
    async with auto() as economy:
        assert mode(economy.view("auto", box)) == "all"
    async with auto(limits={"tools": 21}) as economy:
        assert mode(economy.view("auto", box)) == "all"
    async with auto(limits={"tools": 20}) as economy:
        assert mode(economy.view("auto", box)) == "signatures"
    async with auto(limits={"name": 6}) as economy:
        assert mode(economy.view("auto", box)) == "search"
    async with auto(limits={"name": 13}, thresholds={"normalise": 0}) as economy:
        long = toolbox([tool("a_name_of_some_length", "Does it.")])
        assert mode(economy.view("auto", long)) == "signatures"
    async with auto(limits={"description": 500}) as economy:
        assert mode(economy.view("auto", toolbox([tool("one", WORDS * 20)]))) == "slim"
    async with auto(limits={"tools": 19, "description": 300}) as economy:
        assert mode(economy.view("auto", box)) == "search"


async def test_other_thresholds_and_clients() -> None:
    box = toolbox([tool(f"tool_{number}", "Does it.") for number in range(20)])
    options = {"thresholds": {"slim": 10, "signatures": 100_000}, "clients": {"mine*": "signatures"}}
    async with auto(**options) as economy:
        assert mode(economy.view(economy.variant(make_caller()), box)) == "slim"
        mine = replace(make_caller(), client_info=b'{"name":"mine-2"}')
        assert mode(economy.view(economy.variant(mine), box)) == "signatures"
