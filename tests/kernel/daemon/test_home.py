"""Where a gateway keeps its things, and who may have them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from only1mcp_kernel.daemon.home import AlreadyRunning, CantCreate, Home, Lock, make_private, socket_of


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONLY1MCP_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def test_each_configuration_has_its_own(tmp_path: Path) -> None:
    here, there = tmp_path / "here" / "only1mcp.yaml", tmp_path / "there" / "only1mcp.yaml"
    assert Home.of(here).directory != Home.of(there).directory
    assert Home.of(here).directory.name.startswith("here-only1mcp-")
    assert Home.of(here) == Home.of(here.parent / ".." / "here" / "only1mcp.yaml")


def test_the_directory_may_be_reached_by_a_link_and_the_file_be_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert Home.of(tmp_path / "link" / "a.yaml") == Home.of(tmp_path / "real" / "a.yaml")
    (tmp_path / "real" / "a.yaml").symlink_to("version-7.yaml")
    assert Home.of(tmp_path / "link" / "a.yaml").config == tmp_path / "real" / "a.yaml"


@pytest.mark.parametrize("name", ["é" * 200, "../..", "a b\n$(c)", "-"])
def test_names_of_any_kind_make_a_directory(tmp_path: Path, root: Path, name: str) -> None:
    directory = Home.of(tmp_path / name / "x.yaml").directory
    assert directory.parent == root
    assert len(directory.name) <= 53
    assert directory.name.replace("-", "").isalnum()


def test_without_the_variable_it_is_in_the_users_state_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ONLY1MCP_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert Home.of(tmp_path / "a.yaml").directory.parent == tmp_path / "xdg" / "only1mcp"


def test_a_long_path_moves_the_socket_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    short = Path("/tmp") / f"only1mcp-test-{os.getpid()}"
    monkeypatch.setenv("ONLY1MCP_STATE_DIR", str(tmp_path / ("x" * 100)))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    home = Home.of(tmp_path / "a.yaml")
    assert home.socket.parent == short / "only1mcp"
    assert len(os.fsencode(home.socket)) <= 103
    for useless in ("", "relative", str(tmp_path / ("y" * 100))):
        monkeypatch.setenv("XDG_RUNTIME_DIR", useless)
        assert home.socket.parent == Path(f"/tmp/only1mcp-{os.getuid()}")
    monkeypatch.setenv("ONLY1MCP_STATE_DIR", str(tmp_path / ("z" * 100)))
    assert Home.of(tmp_path / "a.yaml").socket != home.socket


def test_a_client_with_another_environment_finds_the_socket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ONLY1MCP_STATE_DIR", str(tmp_path / ("x" * 100)))
    runtime = Path("/tmp") / f"only1mcp-test-{os.getpid()}"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    home = Home.of(tmp_path / "a.yaml")
    home.prepare()
    try:
        lock = Lock(home)
        expected = home.socket
        monkeypatch.setenv("XDG_RUNTIME_DIR", "/elsewhere")
        assert socket_of(home) == expected != home.socket
        lock.release()
        assert socket_of(home) == home.socket
    finally:
        (runtime / "only1mcp").rmdir()
        runtime.rmdir()


def test_what_is_made_is_private_whatever_the_mask(tmp_path: Path) -> None:
    home = Home.of(tmp_path / "a.yaml")
    mask = os.umask(0)
    try:
        home.prepare()
        lock = Lock(home)
    finally:
        os.umask(mask)
    assert home.directory.stat().st_mode & 0o777 == 0o700
    assert home.state.stat().st_mode & 0o777 == 0o700
    assert home.pid_file.stat().st_mode & 0o777 == 0o600
    home.directory.chmod(0o755)
    home.prepare()
    assert home.directory.stat().st_mode & 0o777 == 0o700
    lock.release()


def test_a_directory_that_is_not_ours_alone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "file").touch()
    for name in ("link", "file", "file/below"):
        with pytest.raises(CantCreate):
            make_private(tmp_path / name)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(CantCreate, match="another user"):
        make_private(tmp_path / "target")


def test_the_lock_is_one_process_s_at_a_time(tmp_path: Path) -> None:
    home = Home.of(tmp_path / "a.yaml")
    home.prepare()
    lock = Lock(home)
    with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"):
        Lock(home)
    lock.release()
    Lock(home).release()


@pytest.mark.parametrize("content", [b"", b"1\n", b"junk", b"-5\n/tmp/x\n", b"\xff" * 100, b"9" * 10_000])
def test_a_stale_pid_file_means_nothing(tmp_path: Path, content: bytes) -> None:
    home = Home.of(tmp_path / "a.yaml")
    home.prepare()
    home.pid_file.write_bytes(content)
    socket_of(home)
    lock = Lock(home)
    assert home.pid_file.read_bytes() == b"%d\n%s\n" % (os.getpid(), os.fsencode(home.socket))
    lock.release()


def test_a_pid_file_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    home = Home.of(tmp_path / "a.yaml")
    home.prepare()
    (tmp_path / "precious").write_text("precious")
    home.pid_file.symlink_to(tmp_path / "precious")
    with pytest.raises(CantCreate):
        Lock(home)
    assert (tmp_path / "precious").read_text() == "precious"


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    home = Home.of(tmp_path / "a.yaml")
    home.prepare()
    program = (
        "import sys\nfrom pathlib import Path\nfrom only1mcp_kernel.daemon.home import Home, Lock\n"
        f"lock = Lock(Home.of(Path({str(tmp_path / 'a.yaml')!r})))\nprint('locked', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(AlreadyRunning, match=f"pid {process.pid}"):
            Lock(home)
        process.kill()
        process.wait()
        Lock(home).release()
