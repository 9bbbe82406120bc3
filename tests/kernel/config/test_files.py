"""Where the file is looked for, and the one that is written for new users."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from only1mcp_kernel.config.document import plain
from only1mcp_kernel.config.locate import default_path, locate
from only1mcp_kernel.config.read_yaml import read_yaml
from only1mcp_kernel.config.starter import starter_text, write_starter


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration directory; the working directory is another, empty one."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    folder = default_path().parent
    folder.mkdir(parents=True)
    return folder


def test_a_given_file_is_used_whether_or_not_it_exists(home: Path) -> None:
    assert locate(Path("mine.toml")) == Path.cwd() / "mine.toml"


def test_the_working_directory_comes_before_the_user_s(home: Path) -> None:
    assert locate() == home / "only1mcp.yaml", "where a starter belongs"
    (home / "only1mcp.json").touch()
    assert locate() == home / "only1mcp.json"
    Path("only1mcp.toml").touch()
    assert locate() == Path.cwd() / "only1mcp.toml"
    Path("only1mcp.yml").touch()
    assert locate() == Path.cwd() / "only1mcp.yml"
    Path("only1mcp.yaml").mkdir()
    assert locate() == Path.cwd() / "only1mcp.yml", "a directory is no file"


def test_a_starter_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "only1mcp.yaml"
    write_starter(path)
    assert path.read_text() == starter_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        write_starter(path)
    assert path.read_text() == "mine"


def test_a_starter_does_not_follow_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_starter(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_the_starter_serves_one_server() -> None:
    assert list(plain(read_yaml(starter_text(), "f"))["servers"]) == ["time"]


def test_finding_and_writing_a_file_imports_nothing_heavy() -> None:
    code = (
        "import sys; import only1mcp_kernel.config.locate, only1mcp_kernel.config.starter;"
        "sys.exit(bool({'pydantic', 'ruamel', 'only1mcp_sdk'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
