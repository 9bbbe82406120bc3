"""The distributions agree with each other, and the tools' settings in the root know them all."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SDK = "only1mcp-plugin-sdk"
PUBLIC_HOSTS = {"https://pypi.org", "https://files.pythonhosted.org"}

FOLDERS = sorted(
    path.parent.relative_to(ROOT).as_posix()
    for pattern in ("plugin_sdk", "kernel", "plugins/*", "examples/plugins/*")
    for path in ROOT.glob(f"{pattern}/pyproject.toml")
)
PLUGINS = [folder for folder in FOLDERS if "plugins/" in folder]


def load(folder: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))


def requirements(folder: str) -> dict[str, str]:
    """What a member depends on: distribution name to version specifier."""
    pairs = [re.match(r"([A-Za-z0-9._-]+)(.*)", line) for line in load(folder)["project"]["dependencies"]]
    return {pair[1]: pair[2] for pair in pairs if pair}


def ours(folder: str) -> set[str]:
    return {name for name in requirements(folder) if name.startswith("only1mcp")}


def import_name(folder: str) -> str:
    (package,) = (ROOT / folder / "src").glob("only1mcp_*")
    return package.name


def test_there_are_members() -> None:
    assert {"plugin_sdk", "kernel"} < set(FOLDERS)
    assert PLUGINS


def test_one_version_everywhere() -> None:
    assert {load(folder)["project"]["version"] for folder in [".", *FOLDERS]} == {"0.1.0"}


@pytest.mark.parametrize("folder", [".", *FOLDERS])
def test_one_licence_and_one_oldest_python(folder: str) -> None:
    project = load(folder)["project"]
    assert (project["license"], project["requires-python"]) == ("Apache-2.0", ">=3.11")


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_member_ships_its_types(folder: str) -> None:
    assert (ROOT / folder / "src" / import_name(folder) / "py.typed").is_file()


def test_sdk_depends_on_nothing_of_ours() -> None:
    assert ours("plugin_sdk") == set()


@pytest.mark.parametrize("folder", ["kernel", *PLUGINS])
def test_kernel_and_plugins_depend_on_the_sdk_only(folder: str) -> None:
    assert ours(folder) == {SDK}
    assert requirements(folder)[SDK] == "~=0.1"


@pytest.mark.parametrize("folder", PLUGINS)
def test_plugin_is_announced_under_its_folder_name(folder: str) -> None:
    name = folder.rsplit("/", 1)[1]
    assert import_name(folder) == f"only1mcp_{name}"
    assert load(folder)["project"]["entry-points"]["only1mcp.plugins"] == {name: f"only1mcp_{name}.plugin"}


def test_meta_distribution_pins_the_kernel_and_every_standard_plugin() -> None:
    standard = ["kernel", *(folder for folder in PLUGINS if folder.startswith("plugins/"))]
    wanted = {load(folder)["project"]["name"]: "==0.1.0" for folder in standard}
    pinned = {name: version for name, version in requirements(".").items() if name.startswith("only1mcp")}
    assert pinned == wanted


def test_tools_know_every_member() -> None:
    tool = load(".")["tool"]
    assert set(tool["uv"]["sources"]) == {load(folder)["project"]["name"] for folder in FOLDERS}
    assert set(tool["mypy"]["files"]) == {f"{folder}/src" for folder in FOLDERS} | {"tests"}
    assert set(tool["importlinter"]["root_packages"]) == {import_name(folder) for folder in FOLDERS}
    above_sdk = tool["importlinter"]["contracts"][0]["layers"][0].split(" | ")
    assert set(above_sdk) == set(tool["importlinter"]["root_packages"]) - {"only1mcp_sdk"}


def test_plugins_keep_the_bans_that_are_not_about_input_and_output() -> None:
    """`extend` replaces a table instead of adding to it, so the shared bans stand in two files."""
    everywhere = load(".")["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    settings = tomllib.loads((ROOT / "plugins/ruff.toml").read_text("utf-8"))
    in_plugins = settings["lint"]["flake8-tidy-imports"]["banned-api"]
    assert set(in_plugins) == {"asyncio.create_task", "asyncio.ensure_future"}
    assert in_plugins.items() <= everywhere.items()


def test_lock_file_names_public_indexes_only() -> None:
    lock = (ROOT / "uv.lock").read_text("utf-8")
    assert set(re.findall(r"[a-z]+://[^/\"]*", lock)) == PUBLIC_HOSTS
    sources = [package["source"] for package in tomllib.loads(lock)["package"]]
    assert {kind for source in sources for kind in source} == {"registry", "editable"}
