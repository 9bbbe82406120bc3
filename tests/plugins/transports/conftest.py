"""Which event loops the tests here run on: all that their module names in `LOOPS`, or else the one that
`ONLY1MCP_LOOP` says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    module = item.getparent(pytest.Module)
    named: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None = getattr(
        module and module.obj, "LOOPS", None
    )
    if named:
        return named
    if os.environ.get("ONLY1MCP_LOOP") == "uvloop":
        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
