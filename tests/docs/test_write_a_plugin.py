"""What docs/write-a-plugin.md tells people to write is written, installed, listed, validated and tested."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/write-a-plugin.md"


def files_of(page: str) -> dict[str, str]:
    """The code blocks by the file name in their first line."""
    return dict(re.findall(r"^```\w+\n# ([\w.]+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that the page describes, installed as far as finding it by its metadata goes."""
    files = files_of(PAGE.read_text("utf-8"))
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    project = tomllib.loads(files["pyproject.toml"])["project"]
    metadata = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in found.items())
        for group, found in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(points))
    return tmp_path


def run(folder: Path, *command: str) -> str:
    """What the command prints; it has to succeed."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_every_file_is_on_the_page() -> None:
    assert set(files_of(PAGE.read_text("utf-8"))) == {
        "standby.py",
        "pyproject.toml",
        "only1mcp.yaml",
        "test_standby.py",
    }


def test_the_gateway_finds_it(folder: Path) -> None:
    listed = run(folder, "only1mcp_kernel.cli", "plugins", "list")
    assert re.search(r"only1mcp-standby +1\.0\.0 +balancer: standby", listed)


def test_its_configuration_is_valid(folder: Path) -> None:
    run(folder, "only1mcp_kernel.cli", "validate", "only1mcp.yaml")


def test_its_tests_pass(folder: Path) -> None:
    assert "2 passed" in run(folder, "pytest", "-q", "-p", "no:cacheprovider", "test_standby.py")


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text("utf-8"))
    assert links
    for link in links:
        assert (PAGE.parent / link).exists(), link
