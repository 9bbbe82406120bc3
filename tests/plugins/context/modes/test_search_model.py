"""A model of the user's own beside the words."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from only1mcp_context import plugin
from only1mcp_sdk import Entry, OpenFailed, Outcome, Result, View
from only1mcp_sdk.members import encode
from only1mcp_sdk.testing import Harness, make_caller, make_exchange
from only1mcp_sdk.testing.economy import toolbox
from tests.plugins.context.ranking.test_meanings import model

OFFER = {offer.name: offer for offer in plugin.only1mcp_register_economy()}["search"]


def tool(name: str, description: str) -> Entry:
    members = {"name": encode(name), "description": encode(description), "inputSchema": b'{"type":"object"}'}
    return Entry("tool", "files", name, name, members)


async def ask(view: View, tool: str, principal: str = "anonymous", **arguments: Any) -> str:
    """What an own tool answers."""
    answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    params = {"name": tool, "arguments": encode(arguments)}
    view.serve(make_exchange("tools/call", params, caller=make_caller(principal)), answered.set_result)
    async with asyncio.timeout(10):
        outcome = await answered
    assert isinstance(outcome, Result)
    text: str = json.loads(outcome.raw)["content"][0]["text"]
    return text


async def test_it_has_a_say_once_it_has_read_the_tools(tmp_path: Path) -> None:
    box = toolbox([tool("alpha", "Takes things away."), tool("beta", "Puts things back.")])
    with Harness() as harness:
        async with harness.open(OFFER, {"search_model": str(model(tmp_path))}) as economy:
            view = economy.view("search", box)
            for _ in range(100):
                found = await ask(view, "tool_search", queries=["zzz"])
                if "alpha" in found and "beta" in found:
                    break  # words alone find nothing of that name
                await asyncio.sleep(0.02)
            assert "alpha(" in found
            again = economy.view("search", box)  # what was read is not read again
            assert "beta(" in await ask(again, "tool_search", queries=["things"])


async def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with Harness() as harness, pytest.raises(OpenFailed, match="search_model"):
        async with harness.open(OFFER, {"search_model": str(tmp_path)}):
            pass
