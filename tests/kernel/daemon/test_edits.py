"""What the command line changes in a configuration."""

from pathlib import Path

import pytest
from pydantic import Field

from only1mcp_kernel.config.model import Component
from only1mcp_kernel.config.problems import ConfigError
from only1mcp_kernel.daemon.edits import listen_at, listen_only
from only1mcp_sdk import PluginConfig
from tests.kernel.daemon.fakes import NO_OFFERS, config


class Pipe(PluginConfig):
    pass


class Http(PluginConfig):
    host: str = "127.0.0.1"
    port: int = Field(8080, alias="Port", le=9999)
    paths: tuple[str, ...] = ()


def listener(index: int, options: PluginConfig) -> Component:
    return Component("listener", "any", options, f"listen[{index}]")


HTTP = Http.model_validate({"paths": ("/a",)})
CONFIG = config(
    Path("/x.yaml"), listener(0, Pipe()), listener(1, HTTP), listener(2, Http.model_validate({"Port": 1}))
)


def test_the_first_listener_with_such_options_is_changed() -> None:
    edited = listen_at(host="0.0.0.0", port=9000)(CONFIG, NO_OFFERS)
    options = edited.listen[1].options
    assert options == Http.model_validate({"host": "0.0.0.0", "Port": 9000, "paths": ("/a",)})
    assert (edited.listen[0], edited.listen[2]) == (CONFIG.listen[0], CONFIG.listen[2])
    assert edited.listen[1].place == "listen[1]"


def test_nothing_given_changes_nothing() -> None:
    assert listen_at(host=None, port=None)(CONFIG, NO_OFFERS) is CONFIG


def test_a_value_the_listener_refuses_is_a_problem_of_the_command_line() -> None:
    with pytest.raises(ConfigError, match=r"command line: --port: .*9999"):
        listen_at(port=10_000)(CONFIG, NO_OFFERS)
    with pytest.raises(ConfigError, match=r"no listener in /x\.yaml"):
        listen_at(port=1)(config(Path("/x.yaml"), listener(0, Pipe())), NO_OFFERS)


def test_other_listeners_in_place_of_the_configured() -> None:
    assert listen_only()(CONFIG, NO_OFFERS).listen == ()
    with pytest.raises(ConfigError, match="no listener named 'pipe'"):
        listen_only("pipe")(CONFIG, NO_OFFERS)
