"""Configurations in, plans out. To accept changed plans after looking at them: UPDATE_GOLDEN=1 pytest tests/golden."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from only1mcp_kernel.config.load import load
from only1mcp_kernel.config.model import Component
from only1mcp_kernel.config.problems import ConfigError
from tests.kernel.config.installed import STORE, installed

HERE = Path(__file__).parent
FILES = sorted(path for ending in ("yaml", "toml", "json") for path in (HERE / "configs").glob(f"*.{ending}"))


def written(value: Any) -> Any:
    """A loaded configuration as JSON values; digests are told apart but not quoted."""
    if isinstance(value, Component):
        return {"place": value.place, "use": value.use, **value.options.model_dump(mode="json")}
    if dataclasses.is_dataclass(value):
        names = (field.name for field in dataclasses.fields(value))
        hidden = {"path", "effective", "fingerprint", "key"}
        return {name: written(getattr(value, name)) for name in names if name not in hidden}
    if isinstance(value, Mapping):
        return {key: written(member) for key, member in value.items()}
    return [written(item) for item in value] if isinstance(value, tuple) else value


def plan(path: Path) -> str:
    try:
        config = load(path, installed(), secrets={"env": STORE, "file": STORE})
    except ConfigError as error:
        return str(error).replace(f"{path.parent}{os.sep}", "") + "\n"
    shown = {"plan": written(config), "effective": config.effective}
    return json.dumps(shown, indent=1) + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_plan(path: Path) -> None:
    expected = HERE / "plans" / f"{path.name}.txt"
    found = plan(path)
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(found)
    assert found == expected.read_text()


def test_every_plan_belongs_to_a_configuration() -> None:
    assert {path.name for path in (HERE / "plans").iterdir()} == {f"{path.name}.txt" for path in FILES}
    assert FILES
