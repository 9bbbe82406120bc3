"""The generated reference page."""

from __future__ import annotations

from pathlib import Path

import pytest

from only1mcp_kernel.config.reference import main, render
from only1mcp_kernel.config.settings import ProfileSettings, ReplicaSettings, RootSettings, ServerSettings
from tests.kernel.config.installed import installed

PAGE = render(installed())


def test_every_key_has_a_described_row() -> None:
    for model in (RootSettings, ServerSettings, ReplicaSettings, ProfileSettings):
        for name, field in model.model_fields.items():
            assert field.description
            assert f"| `{field.alias or name}` |" in PAGE


@pytest.mark.parametrize(
    "line",
    [
        "| `port` | integer, 0 to 65535 | `8080` | The port. |",
        "| `command` | text | required | The program. |",
        "| `limit.memory` | integer | `0` | In MiB. |",
        "| `keys` | mapping of names to text, secret | required | Key by name. |",
        '| `servers` | `*` or list of text | `"*"` | The servers it shows: `"*"` for all, or a list of names. |',
        "From standard. Also called `sse`, `streamable-http`.",
        "From standard. Its options may be written straight into a server or a profile.",
        "Ways to tell who is calling (`authenticate:`).",
    ],
)
def test_what_a_page_says(line: str) -> None:
    assert line in PAGE.splitlines()


def test_a_page_is_checked_against_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    assert main(["--check", str(page)]) == 1
    assert main(["--write", str(page)]) == 0
    assert main(["--check", str(page)]) == 0
    assert main([]) == 0
    assert capsys.readouterr().out == page.read_text()
    page.write_text(page.read_text() + "more")
    assert main(["--check", str(page)]) == 1
    assert "out of date" in capsys.readouterr().err
