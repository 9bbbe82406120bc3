"""The program as a whole: help, versions, installed commands, what it prints where."""

import io
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from only1mcp_kernel.cli import installed
from only1mcp_kernel.cli.app import build
from only1mcp_kernel.cli.output import for_terminal
from only1mcp_kernel.daemon import exits
from tests.kernel.daemon.installation import Installation

HEAVY = {"asyncio", "msgspec", "platformdirs", "pluggy", "pydantic", "rich", "ruamel"}


def test_help_is_there_at_once(user: Installation) -> None:
    times = []
    for _ in range(10):
        began = time.perf_counter()
        user.run("--help")
        times.append(time.perf_counter() - began)
    assert statistics.median(times) < 0.4  # 0.2 on a machine with nothing else to do


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['only1mcp', '--help']\n"
        "from only1mcp_kernel.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_versions(user: Installation) -> None:
    assert user.run("--version").stdout == user.run("version").stdout == "only1mcp 0.1.0\n"
    assert "2026-07-28" in user.json("version")["protocol"]


def test_an_installed_command_is_listed_and_run(user: Installation) -> None:
    (user.home / "only1mcp.yaml").write_text("")
    listed = user.run("--help").stdout
    assert "greet" in listed
    assert "From only1mcp-testing-parts" in listed
    user.run("greet", "you", "--help", "--", "-x", code=7)
    assert (user.home / "greeted").read_text() == "you --help -- -x"
    assert "can't be loaded" in user.run("broken", code=1).stderr
    user.run("status", code=69)  # a name of ours is ours


def test_usage_errors(user: Installation) -> None:
    for arguments in (["nonsense"], ["start", "--nonsense"], ["tools", "call"], ["validate"]):
        assert "Usage:" in user.run(*arguments, code=2).stderr


def test_plugins(user: Installation) -> None:
    line = user.run("plugins", "list").stdout
    assert line.split() == [
        "only1mcp-testing-parts",
        "1.0",
        "listener:",
        "still,",
        "stdio;",
        "connector:",
        "canned",
    ]
    (plugin,) = user.json("plugins", "list")
    assert (plugin["distribution"], plugin["state"]) == ("only1mcp-testing-parts", "active")
    user.module.write_text("raise RuntimeError('no luck')")
    assert (
        "refused: only1mcp-testing-parts can't be imported: RuntimeError: no luck"
        in user.run("plugins", "list").stdout
    )


def test_validate(user: Installation) -> None:
    user.configure()
    fine = user.run("validate", "only1mcp.yaml")
    assert (fine.stdout, fine.stderr) == ("", "only1mcp.yaml is fine\n")
    user.config.write_text("listen: [{use: still, prot: 1}]\nserver: {}\n")
    bad = user.json("validate", "only1mcp.yaml", code=78)
    assert [(problem["line"], problem["where"]) for problem in bad["problems"]] == [
        (1, "listen[0].prot"),
        (2, "server"),
    ]
    words = user.run("validate", "only1mcp.yaml", code=78).stderr
    assert 'did you mean "port"?' in words
    assert "no such file" in user.run("validate", "nowhere.yaml", code=78).stderr


def test_config_commands(user: Installation) -> None:
    user.run("config", "path", code=78)
    assert user.json("config", "init") == {"ok": True, "path": str(user.config)}
    before = user.config.read_bytes()
    for _ in range(2):
        assert "left as it is" in user.run("config", "init", code=73).stderr
    assert user.config.read_bytes() == before
    user.run("config", "init", "only1mcp.yaml/x.yaml", code=73)
    assert user.run("config", "path").stdout == f"{user.config}\n"
    user.configure(servers={"a": {"use": "canned"}})
    assert user.json("config", "show")["servers"]["a"]["use"] == "canned"
    assert "use: canned" in user.run("config", "show").stdout
    assert (
        "still" in json.loads(user.run("config", "schema").stdout)["$defs"]["listener"]["oneOf"][0]["title"]
    )


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_no_control_characters() -> None:
    text = "a\tb\n\x1b[31mred\x9b"
    assert for_terminal(text, _Terminal()) == "a\tb\n\\x1b[31mred\\x9b"
    assert for_terminal(text, io.StringIO()) == text


@pytest.mark.parametrize("words", [["--help"], ["tools", "--help"], ["start", "--help"]])
def test_no_line_of_help_is_cut(user: Installation, words: list[str]) -> None:
    assert "..." not in user.run(*words).stdout.replace("[ARGS]...", "")


def test_the_documentation_names_every_command_and_every_exit_code() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    app = build()
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    commands = [
        command.name or command.callback.__name__
        for command in app.registered_commands
        if command.callback and command.callback.__module__ != installed.__name__
    ]
    for name, group in groups.items():
        assert group
        commands += [f"{name} {command.name}" for command in group.registered_commands]
    assert len(commands) > 10
    assert [name for name in commands if f"only1mcp {name}" not in page] == []
    codes = [value for name, value in vars(exits).items() if name.isupper()]
    assert [code for code in codes if f"| {code} |" not in page] == []
