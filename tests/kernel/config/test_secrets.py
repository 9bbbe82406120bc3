"""References: where they may stand, what becomes of them, and that their values stay out of sight."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, field_validator

from only1mcp_kernel.config.load import load_config
from only1mcp_kernel.config.model import Component, Config
from only1mcp_kernel.config.problems import ConfigError
from only1mcp_kernel.discovery import take
from only1mcp_kernel.offers import Offers
from only1mcp_sdk import OpenFailed, PluginConfig, offer
from tests.kernel.config.installed import (
    STANDARD,
    STORE,
    Command,
    Http,
    Store,
    Url,
    config,
    installed,
    module,
    nothing,
    source,
)


def args(text: str) -> tuple[str, ...]:
    """What arguments written as a YAML list become."""
    options = (
        config(f"servers: {{x: {{command: c, args: {text}}}}}").servers["x"].replicas[0].component.options
    )
    assert isinstance(options, Command)
    return options.args


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${env:TOKEN}", "s3cret-value"),
        ("a${env:TOKEN}b${file:NAME}c", "as3cret-valuebfilesc"),
        ("${env:NONE:-else}", "else"),
        ("${env:NONE:-}", ""),
        ("${env:NONE:-a:-b}", "a:-b"),
        ("${env:NAME:-else}", "files"),
        ("$${env:TOKEN}", "${env:TOKEN}"),
        ("$$${env:TOKEN}", "$${env:TOKEN}"),
        ("$TOKEN $ {x} $$", "$TOKEN $ {x} $$"),
    ],
)
def test_references_in_text(written: str, value: str) -> None:
    assert args(f"['{written}']") == (value,)


def test_what_a_reference_gives_is_not_looked_at_again() -> None:
    text = "servers: {x: {command: '${env:A}'}}"
    offers = installed()
    from only1mcp_kernel.config.load import loads

    loaded = loads(text, Path("x.yaml"), offers, secrets={"env": Store({"A": "${env:B}", "B": "no"})})
    assert loaded.servers["x"].replicas[0].component.options == Command(command="${env:B}")


def test_keys_are_no_place_for_references() -> None:
    options = (
        config("servers: {x: {command: c, env: {'${env:TOKEN}': a}}}")
        .servers["x"]
        .replicas[0]
        .component.options
    )
    assert options == Command(command="c", env={"${env:TOKEN}": "a"})


def test_a_reference_can_give_a_number_or_a_boolean() -> None:
    loaded = config(
        """
listen: [{use: http, port: "${env:PORT}"}]
drain: ${env:NONE:-2.5}
servers:
  x: {url: "https://x", verify: "${env:FLAG}", retries: "${env:NONE:-3}"}
  y: {command: c, disabled: "${env:NONE:-true}"}
"""
    )
    assert loaded.listen[0].options == Http(port=9090)
    assert loaded.drain == 2.5
    assert loaded.servers["x"].replicas[0].component.options == Url(url="https://x", verify=False, retries=3)
    assert loaded.disabled == ("y",)
    assert loaded.profiles["default"].servers == ("x",)


def test_text_stays_text_where_text_is_wanted() -> None:
    assert args("['${env:PORT}', '${env:FLAG}']") == ("9090", "false")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "${env:TOKN}",
            "1:24: servers.x.command: ${env:TOKN}: no 'TOKN' in the store; did you mean \"TOKEN\"?",
        ),
        ("${enw:TOKEN}", "${enw:TOKEN}: no secret plugin is called 'enw'; did you mean \"env\"?"),
        ("${vault:TOKEN}", "no secret plugin is called 'vault'; installed: env, file"),
        ("${TOKEN}", "${TOKEN} does not say where to look; write e.g. ${env:TOKEN}, or $${ for a literal ${"),
        ("${TOKEN:-x}", "${TOKEN:-x} does not say where to look; write e.g. ${env:TOKEN}"),
        ("${env:TOKEN", "a ${ that does not end"),
        ("${}", "does not say where to look"),
    ],
)
def test_references_that_lead_nowhere(written: str, expected: str) -> None:
    assert expected in refusal(f"servers: {{x: {{command: '{written}'}}}}")


def test_a_switched_off_server_needs_no_secrets() -> None:
    loaded = config("servers: {x: {url: '${env:NONE}', retries: '${env:NONE}', disabled: true}}")
    assert loaded.disabled == ("x",)
    assert loaded.effective["servers"]["x"]["url"] == "${env:NONE}"
    assert "unknown key" in refusal("servers: {x: {url: '${env:NONE}', fo: 1, disabled: true}}")


class Broken:
    def resolve(self, reference: str) -> str:
        raise RuntimeError("read s3cret-value and stumbled")


def test_a_fault_of_a_secret_plugin_is_not_quoted() -> None:
    from only1mcp_kernel.config.load import loads

    with pytest.raises(ConfigError) as caught:
        loads("servers: {x: {command: '${env:A}'}}", Path("x.yaml"), installed(), secrets={"env": Broken()})
    assert "the secret plugin failed with RuntimeError" in str(caught.value)
    assert "s3cret" not in str(caught.value)


FULL = """
authenticate: [{use: keys, keys: {alice: "${env:TOKEN}", bob: literal-key}}]
servers:
  x:
    url: https://x/${env:TOKEN}
    token: ${env:TOKEN}
    headers: {Authorization: "Bearer ${env:TOKEN}", Plain: a}
    transforms: [{use: prefix, prefix: "${env:NAME}_"}]
"""


def test_values_are_in_the_options_and_nowhere_else() -> None:
    loaded = config(FULL)
    options = loaded.servers["x"].replicas[0].component.options
    assert isinstance(options, Url)
    assert options.headers["Authorization"] == "Bearer s3cret-value"
    assert options.token == SecretStr("s3cret-value")
    assert "s3cret" not in repr(loaded)
    shown = json.dumps(loaded.effective)
    assert "s3cret" not in shown
    assert "literal-key" not in shown


def test_the_effective_configuration_shows_references_and_defaults() -> None:
    shown = config(FULL).effective
    server = shown["servers"]["x"]
    assert server["url"] == "https://x/${env:TOKEN}"
    assert server["headers"] == {"Authorization": "Bearer ${env:TOKEN}", "Plain": "a"}
    assert server["token"] == "${env:TOKEN}"
    assert server["transforms"] == [{"use": "prefix", "prefix": "${env:NAME}_", "loud": False}]
    assert server["verify"] is True
    assert shown["authenticate"][0]["keys"]["alice"] == "${env:TOKEN}"
    assert shown["profiles"]["default"] == {
        "servers": "*",
        "names": "auto",
        "safe_names": False,
        "page_size": 0,
        "methods": {},
    }


@pytest.mark.parametrize(
    "text",
    [
        FULL,
        "servers: {x: {replicas: [{url: 'https://a', weight: 2}, {type: sse, url: 'https://b'}], "
        "balance: {use: spread}, tools: [a]}, off: {command: x, disabled: true}}\n"
        "profiles: {p: {servers: [x, off], hide: [q], page_size: 3, methods: {a/*: x}}}",
    ],
)
def test_the_effective_configuration_loads_as_the_same(text: str) -> None:
    first = config(text.replace("literal-key", "'${env:TOKEN}'"))
    again = config(json.dumps(first.effective), name="x.json")
    assert {name: server.fingerprint for name, server in again.servers.items()} == {
        name: server.fingerprint for name, server in first.servers.items()
    }
    assert again.profiles.keys() == first.profiles.keys()
    assert again.effective == first.effective


def test_problems_never_quote_a_value() -> None:
    text = refusal('authenticate: [{use: keys, keys: {a: "${env:TINY}"}}]')
    assert "'${env:TINY}' is too short" in text
    assert "'ab'" not in text


class Quoting(PluginConfig):
    header: str

    @field_validator("header")
    @classmethod
    def _basic(cls, header: str) -> str:
        raise ValueError(f"{header.split()[1]} is no Basic credential")


def test_problems_do_not_quote_a_part_of_a_value_either() -> None:
    quoting = module({"filter": [offer("quoting", Quoting, nothing)]})
    offers = take([source("s", module(STANDARD)), source("q", quoting)])
    with pytest.raises(ConfigError) as caught:
        config("filters: [{use: quoting, header: 'Bearer ${env:TOKEN}'}]", offers=offers)
    assert "${env:TOKEN} is no Basic credential" in str(caught.value)


# Opening the plugins


def opener(opened: list[str]) -> Any:
    offers = installed()

    @asynccontextmanager
    async def open(component: Component) -> AsyncIterator[Any]:
        opened.append(f"+{component.place}")
        async with offers.get(component.kind, component.use).offer.open(component.options, None) as made:  # type: ignore[arg-type]
            yield made
        opened.append(f"-{component.place}")

    return open


async def load_text(text: str, tmp_path: Path, offers: Offers, open: Any) -> Config:
    file = tmp_path / "only1mcp.yaml"
    file.write_text(text)
    return await load_config(file, offers, open)


async def test_only_the_plugins_a_file_refers_to_are_opened(tmp_path: Path) -> None:
    opened: list[str] = []
    loaded = await load_text("servers: {x: {command: '${env:NAME}'}}", tmp_path, installed(), opener(opened))
    assert loaded.servers["x"].replicas[0].component.options == Command(command="files")
    assert opened == ["+secrets.env", "-secrets.env"]
    opened.clear()
    await load_text("", tmp_path, installed(), opener(opened))
    assert opened == []


async def test_a_secret_plugin_that_does_not_open_is_a_problem(tmp_path: Path) -> None:
    def open(component: Component) -> AbstractAsyncContextManager[Any]:
        raise OpenFailed(f"{component.place}: the lid is stuck")

    with pytest.raises(ConfigError, match=r"only1mcp\.yaml: secrets\.env: the lid is stuck"):
        await load_text("servers: {x: {command: '${env:NAME}'}}", tmp_path, installed(), open)


class Demanding(PluginConfig):
    address: str


async def test_a_secret_plugin_that_needs_options_is_a_problem(tmp_path: Path) -> None:
    demanding = module({"secret": [offer("vault", Demanding, nothing)]})
    offers = take([source("s", module(STANDARD)), source("v", demanding)])
    with pytest.raises(ConfigError, match="the secret plugin 'vault' has options that must be given"):
        await load_text("servers: {x: {command: '${vault:NAME}'}}", tmp_path, offers, opener([]))


async def test_secret_plugins_are_closed_when_the_file_is_refused(tmp_path: Path) -> None:
    opened: list[str] = []
    with pytest.raises(ConfigError):
        await load_text("servers: {x: {comand: '${env:NAME}'}}", tmp_path, installed(), opener(opened))
    assert opened[0] == "+secrets.env"


def test_the_store_is_what_these_tests_think() -> None:
    assert STORE.resolve("TOKEN") == "s3cret-value"
