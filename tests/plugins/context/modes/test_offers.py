"""What every economy of the distribution keeps to."""

from __future__ import annotations

import pytest

from only1mcp_context import plugin
from only1mcp_sdk.testing import check_economy

OFFERS = {offer.name: offer for offer in plugin.only1mcp_register_economy()}


@pytest.mark.parametrize("name", OFFERS)
async def test_check(name: str) -> None:
    await check_economy(OFFERS[name], {"pinned": ["search", "odd*"]})


def test_they_are_all_there() -> None:
    assert list(OFFERS) == ["auto", "native", "normalise", "slim", "signatures", "search"]
