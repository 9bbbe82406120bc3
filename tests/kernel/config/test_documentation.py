"""Every example in the guide, and everything the starter file suggests, loads with the plugins that come along."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from only1mcp_kernel.config.document import plain
from only1mcp_kernel.config.load import loads, parse
from only1mcp_kernel.config.model import Config
from only1mcp_kernel.config.schema import json_schema
from only1mcp_kernel.config.starter import starter_text
from only1mcp_kernel.discovery import discover
from only1mcp_kernel.offers import Offers
from only1mcp_sdk import SecretMissing
from tests.kernel.config.json_schema import accepts

GUIDE = (Path(__file__).parents[3] / "docs" / "CONFIGURATION_GUIDE.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```(yaml|toml|json)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
DISTRIBUTIONS = [
    "transports",
    "balancing",
    "catalogue",
    "context",
    "observability",
    "secrets",
    "identity",
    "resilience",
]


class Environment:
    """Has what ends in KEY or TOKEN."""

    def resolve(self, reference: str) -> str:
        if reference.endswith(("KEY", "TOKEN")):
            return f"{reference} as long as needed".replace(" ", "-")
        raise SecretMissing("not here")


@pytest.fixture(scope="module")
def offers() -> Offers:
    return discover([f"only1mcp-{name}" for name in DISTRIBUTIONS])


def read(text: str, ending: str, offers: Offers) -> Config:
    return loads(text, Path(f"example.{ending}"), offers, secrets={"env": Environment()})


def test_the_guide_has_examples() -> None:
    assert {ending for ending, _ in EXAMPLES} == {"yaml", "toml", "json"}
    assert len(EXAMPLES) == GUIDE.count("```") // 2


@pytest.mark.parametrize(("ending", "text"), EXAMPLES)
def test_an_example_of_the_guide_loads(ending: str, text: str, offers: Offers) -> None:
    read(text, ending, offers)
    schema = json_schema(offers)
    assert accepts(schema, plain(parse(text, Path(f"example.{ending}"))), schema), "and an editor is content"


def test_the_starter_loads(offers: Offers) -> None:
    assert list(read(starter_text(), "yaml", offers).servers) == ["time"]


def test_the_starter_loads_with_all_it_suggests(offers: Offers) -> None:
    text = starter_text()
    head, _, rest = text.partition("\nlisten:")
    everything = re.sub(r"^( *)# (?= *(?:[A-Za-z_]+:|- ))", r"\1", rest, flags=re.MULTILINE)
    config = read(f"{head}\nlisten:{everything}", "yaml", offers)
    assert list(config.servers) == ["time", "files", "git", "tickets", "search"]
    assert config.profiles["work"].servers == ("files", "git")
    assert config.authenticate
