"""Callers may send anything: answers stay short, and come soon."""

from __future__ import annotations

import time
from typing import Any

import pytest

from only1mcp_context import plugin
from only1mcp_sdk import Result
from only1mcp_sdk.testing import Harness, make_exchange
from only1mcp_sdk.testing.economy import toolbox
from tests.plugins.context.modes.test_search_model import ask, tool

OFFER = {offer.name: offer for offer in plugin.only1mcp_register_economy()}["search"]
LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("tool_search", {"queries": [LONG]}),
        ("tool_search", {"queries": ["file"] * 100}),
        ("tool_search", {"queries": ["file"], "server": LONG}),
        ("tool_search", {"queries": ["file"], "limit": 10**9}),
        ("tool_describe", {"names": [LONG]}),
        ("tool_describe", {"names": [f"toool_{number}" for number in range(10)]}),
        ("tool_describe", {"names": ["tool_1"] * 1000}),
        ("result_read", {"handle": LONG}),
    ],
)
async def test_own_tools(name: str, arguments: dict[str, Any]) -> None:
    box = toolbox([tool(f"tool_{number}", "Reads a file.") for number in range(400)])
    with Harness() as harness:
        async with harness.open(OFFER, {}) as economy:
            view = economy.view("search", box)
            begin = time.process_time()
            assert len(await ask(view, name, **arguments)) < 2_000
            assert time.process_time() - begin < 2


@pytest.mark.parametrize("name", [LONG, "toool_1", ""])
async def test_a_wrapped_call_of_what_is_not_there(name: str) -> None:
    box = toolbox([tool(f"tool_{number}", "Reads a file.") for number in range(400)])
    with Harness() as harness:
        async with harness.open(OFFER, {}) as economy:
            view = economy.view("search", box)
            call = make_exchange("tools/call", {"name": "tool_call", "arguments": {"name": name}})
            begin = time.process_time()
            outcome = view.before(call)
            assert time.process_time() - begin < 1
            assert isinstance(outcome, Result)
            assert len(outcome.raw) < 500
