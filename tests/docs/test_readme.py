"""What the README shows works: its commands run, its configurations load, its plugin keeps the contract."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from only1mcp_kernel.config.load import loads
from only1mcp_kernel.config.model import Config
from only1mcp_kernel.daemon.report import serving_lines
from only1mcp_kernel.discovery import RESERVED, Source, discover, take
from only1mcp_kernel.offers import PluginInfo
from only1mcp_sdk import Entry, Offer, SecretMissing, Transform
from only1mcp_sdk.testing import check_transform, open_alone

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
ADDRESS = "http://127.0.0.1:8080/mcp"
SERVER = ROOT / ".ci/echo_server.py"
ONLY1MCP = [sys.executable, "-m", "only1mcp_kernel.cli"]


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCKS if found == language]


def lines(program: str) -> list[str]:
    """The shown commands that begin with this program."""
    shown = [line for text in blocks("sh") for line in text.splitlines()]
    return [line for line in shown if line.split()[0] == program]


class Environment:
    """Has one variable."""

    def resolve(self, reference: str) -> str:
        if reference == "TICKETS_TOKEN":
            return "secret"
        raise SecretMissing("not here")


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    """The plugin, run as a module."""
    [source] = blocks("python")
    module = ModuleType("read_only")
    exec(compile(source, "read_only.py", "exec"), module.__dict__)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A directory with a configuration of its own, and the gateway of it ended in the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = {"command": sys.executable, "args": [str(SERVER)]}
    config = {"listen": [{"use": "http", "port": port}], "servers": {"local": server}}
    (tmp_path / "only1mcp.yaml").write_text(json.dumps(config), "utf-8")
    yield tmp_path
    run(tmp_path, ["stop"], check=False)


def run(folder: Path, arguments: list[str], *, check: bool = True, text: str = "") -> str:
    """What `only1mcp` prints."""
    environment = {**os.environ, "ONLY1MCP_STATE_DIR": str(folder / "state")}
    done = subprocess.run(
        [*ONLY1MCP, *arguments],
        cwd=folder,
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def load(text: str, ending: str, plugin: ModuleType) -> Config:
    """A configuration, where what ships and the README's plugin are installed."""
    offers = discover(["only1mcp-transports", "only1mcp-balancing", "only1mcp-catalogue"])
    sources = take([Source(PluginInfo("read_only", "read-only", "1", "read_only"), lambda: plugin)])
    info = sources.plugins[0]
    assert info.state == "active", info.reason
    own = {"transform": tuple(each.offer for each in sources.of("transform").values())}
    offers = offers.with_plugin(info, own, RESERVED)
    return loads(text, Path(f"only1mcp.{ending}"), offers, secrets={"env": Environment()})


def test_every_block_is_of_a_language_that_is_tested_here() -> None:
    assert len(BLOCKS) == README.count("```") // 2
    assert {language for language, _ in BLOCKS} == {"sh", "json", "yaml", "toml", "python"}
    programs = {line.split()[0] for text in blocks("sh") for line in text.splitlines()}
    assert programs == {"make", "claude", "pip", "uv", "pipx", "only1mcp"}


@pytest.mark.parametrize("line", lines("make"))
def test_make_knows_the_target(line: str) -> None:
    # What it would do; `make test` runs this very test, and `make wheels` asks an index for its tools.
    done = subprocess.run(
        [*shlex.split(line), "-n"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    does = {
        "make run": "only1mcp start -c examples/quickstart.yaml",
        "make test": "pytest tests",
        "make wheels": "--wheel --out-dir dist",
    }
    assert does[line] in done.stdout


def test_the_quickstart_is_at_the_address_shown(plugin: ModuleType) -> None:
    quickstart = load((ROOT / "examples/quickstart.yaml").read_text("utf-8"), "yaml", plugin)
    assert list(quickstart.servers) == ["time", "git", "fetch"]
    [listener] = quickstart.listen
    shown = listener.options.model_dump()
    assert f"http://{shown['host']}:{shown['port']}{shown['path']}" == ADDRESS


def test_clients_are_told_what_the_gateway_tells_them() -> None:
    said = [line.strip() for line in serving_lines({"config": "", "addresses": [ADDRESS]})]
    assert lines("claude") == [line for line in said if line.startswith("claude")]
    assert blocks("json")[0].strip() in said


def test_the_wheels_are_where_they_are_installed_from() -> None:
    """The continuous integration really builds and installs them; this holds the README to what it does."""
    name = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    integration = (ROOT / ".ci/run").read_text("utf-8")
    assert "make wheels" in integration
    assert re.search(rf"pip install .*--find-links dist {name}\b", integration)
    assert lines("pip") == [f"pip install --find-links dist {name}"]
    assert lines("uv") == [f"uv tool install --find-links dist {name}"]
    assert lines("pipx") == [f'pipx install --pip-args="--find-links $PWD/dist" {name}']


def test_the_commands_run_in_the_order_shown(folder: Path) -> None:
    shown = [shlex.split(line)[1:] for line in lines("only1mcp")]
    assert [arguments[0] for arguments in shown][:1] == ["start"]
    said = {" ".join(arguments): run(folder, arguments) for arguments in shown}
    assert said["status"].startswith("serving")
    assert said["tools list"].split()[0] == "echo"
    assert shown[-1] == ["stop"]
    assert "no gateway" not in said["stop"]


def test_a_client_that_starts_its_servers_gets_a_gateway(folder: Path) -> None:
    told = json.loads(blocks("json")[1])["mcpServers"]["only1mcp"]
    assert told["command"] == "only1mcp"
    arguments = [str(folder / Path(each).name) if each.endswith(".yaml") else each for each in told["args"]]
    client = {"name": "test", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    said = [json.loads(line) for line in run(folder, arguments, text=json.dumps(hello) + "\n").splitlines()]
    [answer] = [message for message in said if message.get("id") == 1]
    assert answer["result"]["serverInfo"]["name"] == "only1mcp"


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_configuration_loads(text: str, plugin: ModuleType) -> None:
    assert load(text, "yaml", plugin).servers


def test_the_pasted_block_loads_as_it_is(plugin: ModuleType) -> None:
    config = load(blocks("json")[2], "json", plugin)
    kinds = {name: each.replicas[0].component.use for name, each in config.servers.items()}
    assert kinds == {"files": "stdio", "tickets": "http"}
    inside = json.dumps({"servers": json.loads(blocks("json")[2])["mcpServers"]})
    assert list(load(inside, "yaml", plugin).servers) == list(config.servers)


def test_the_entry_point_names_the_plugin() -> None:
    [text] = blocks("toml")
    assert blocks("python")[0].startswith("# read_only.py\n")
    assert tomllib.loads(text)["project"]["entry-points"]["only1mcp.plugins"] == {"read_only": "read_only"}


async def test_the_plugin_keeps_the_contract(plugin: ModuleType) -> None:
    offered: list[Offer[Transform]] = plugin.only1mcp_register_transform()
    await check_transform(offered[0], options={})


async def test_the_plugin_does_what_it_says(plugin: ModuleType) -> None:
    offered: list[Offer[Transform]] = plugin.only1mcp_register_transform()
    entries = [
        entry("reads", {"readOnlyHint": True}),
        entry("writes", {"readOnlyHint": False}),
        entry("odd", "readOnlyHint"),
        Entry("tool", "files", "silent", "silent", {}),
        Entry("resource", "files", "file:///a", "file:///a", {}),
    ]
    async with open_alone(offered[0]) as read_only:
        assert [each.name for each in read_only.apply(entries)] == ["reads", "file:///a"]


def entry(name: str, annotations: object) -> Entry:
    return Entry("tool", "files", name, name, {"annotations": msgspec.json.encode(annotations)})


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
