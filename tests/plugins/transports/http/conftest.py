"""Which lanes the tests of listeners run on."""

from __future__ import annotations

import pytest

from tests.plugins.transports.http import listening


@pytest.fixture(autouse=True)
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which lane the listeners of a test have. Those of a module that says `BOTH_LANES` are tried with each."""
    monkeypatch.setattr(listening, "default_lane", listening.LANES[getattr(request, "param", "fast")])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if getattr(metafunc.module, "BOTH_LANES", False):
        metafunc.parametrize("lane", list(listening.LANES), indirect=True)
