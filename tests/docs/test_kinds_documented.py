"""A kind is done when it has a page, a check, and a plugin that is no example."""

from pathlib import Path
from types import ModuleType

import pytest

from only1mcp_sdk import hookspecs, kinds, reference, testing

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs/kinds"
HOOKS = [name for name in vars(hookspecs) if name.startswith("only1mcp_register_")]


def test_there_are_hooks() -> None:
    assert len(HOOKS) >= 7


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_is_documented(hook: str) -> None:
    kind = hook.removeprefix("only1mcp_register_")
    page = (PAGES / f"{kind}.md").read_text("utf-8")
    assert page.startswith(f"# {kind.capitalize()}\n")
    assert hook in page
    assert f"]({kind}.md)" in (PAGES / "README.md").read_text("utf-8")


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_has_a_protocol_and_a_check(hook: str) -> None:
    kind = hook.removeprefix("only1mcp_register_")
    assert kind.capitalize() in kinds.__all__
    assert f"check_{kind}" in testing.__all__


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_is_used_by_what_ships(hook: str) -> None:
    page = (PAGES / f"{hook.removeprefix('only1mcp_register_')}.md").read_text("utf-8")
    table = page.partition("## What there is")[2]
    assert "| only1mcp-" in table
    assert "example" not in table


def test_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check", str(PAGES)]) == 0, capsys.readouterr().err


def test_pages_that_are_not_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--write", str(tmp_path)]) == 0
    assert reference.main(["--check", str(tmp_path)]) == 0
    (tmp_path / "filter.md").write_text("something else")
    (tmp_path / "gone.md").write_text("of a kind that is no more")
    assert reference.main(["--check", str(tmp_path)]) == 1
    assert "out of date: filter.md, gone.md;" in capsys.readouterr().err


@pytest.mark.parametrize("module", [kinds, testing])
def test_what_is_public_exists(module: ModuleType) -> None:
    assert all(hasattr(module, name) for name in module.__all__)
