"""Which event loops the tests here run on: one, or all that their module names in `LOOPS`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    module = item.getparent(pytest.Module)
    named = getattr(module and module.obj, "LOOPS", None)
    return named or {"asyncio": asyncio.new_event_loop}
