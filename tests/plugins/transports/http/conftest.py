"""Which event loops the tests here run on: one, or all that their module names in `LOOPS`. And which lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.plugins.transports.http import listening


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    module = item.getparent(pytest.Module)
    named = getattr(module and module.obj, "LOOPS", None)
    return named or {"asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which lane the listeners of a test have. Those of a module that says `BOTH_LANES` are tried with each."""
    monkeypatch.setattr(listening, "default_lane", listening.LANES[getattr(request, "param", "fast")])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if getattr(metafunc.module, "BOTH_LANES", False):
        metafunc.parametrize("lane", list(listening.LANES), indirect=True)
