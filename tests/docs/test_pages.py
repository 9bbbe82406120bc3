"""The pages that are written by hand: what they point at exists, and every page can be found from the index."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DECISIONS = sorted(DOCS.glob("decisions/[0-9]*.md"))
PAGES = [ROOT / "CONTRIBUTING.md", DOCS / "README.md", DOCS / "ARCHITECTURE.md", *DOCS.glob("decisions/*.md")]
ROOMS = [ROOT / "plugin_sdk/src", ROOT / "kernel/src", *ROOT.glob("plugins/*/src"), DOCS]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def links(page: Path) -> list[Path]:
    found = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    return [page.parent / link for link in found if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not link.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_modules_that_are_named_exist(page: Path) -> None:
    modules = {path.as_posix() for room in ROOMS for path in room.rglob("*.py")}
    named = set(re.findall(r"`([\w/]+\.py)`", page.read_text("utf-8")))
    assert {name for name in named if not any(path.endswith(f"/{name}") for path in modules)} == set()


def test_the_index_leads_to_every_page() -> None:
    listed = {link.resolve() for link in links(DOCS / "README.md")}
    assert {page for page in DOCS.glob("*.md") if page.resolve() not in listed} == {DOCS / "README.md"}
    assert {(DOCS / "kinds/README.md").resolve(), (DOCS / "decisions/README.md").resolve()} <= listed


def test_the_decisions_are_numbered_and_listed() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    listed = [link.name for link in links(DOCS / "decisions/README.md")]
    assert listed == [page.name for page in DECISIONS]


@pytest.mark.parametrize("page", DECISIONS, ids=name_of)
def test_a_decision_is_short_and_has_its_three_parts(page: Path) -> None:
    text = page.read_text("utf-8").splitlines()
    assert text[0].startswith(f"# {page.name[:4]}: ")
    assert [line for line in text if line.startswith("## ")] == [
        "## Context",
        "## Decision",
        "## Consequences",
    ]
    assert len(text) <= 40
