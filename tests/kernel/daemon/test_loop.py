"""The event loop that is chosen."""

from __future__ import annotations

import asyncio
import sys

import pytest

from only1mcp_kernel.daemon.loop import VARIABLE, run
from only1mcp_sdk import Only1McpError


def loop_made() -> str:
    made: list[str] = []

    async def look() -> None:
        made.append(type(asyncio.get_running_loop()).__module__.partition(".")[0])

    run(look())
    return made[0]


def test_it_is_uvloop_where_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvloop")
    monkeypatch.delenv(VARIABLE, raising=False)
    assert loop_made() == "uvloop"


@pytest.mark.parametrize("wanted", ["uvloop", "asyncio"])
def test_one_can_be_asked_for(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    pytest.importorskip("uvloop")
    monkeypatch.setenv(VARIABLE, wanted)
    assert loop_made() == wanted


def test_without_uvloop_there_is_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_made() == "asyncio"


@pytest.mark.parametrize(("wanted", "said"), [("trio", "asyncio or uvloop"), ("uvloop", "not installed")])
def test_what_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, wanted: str, said: str) -> None:
    monkeypatch.setenv(VARIABLE, wanted)
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(Only1McpError, match=said):
        loop_made()
