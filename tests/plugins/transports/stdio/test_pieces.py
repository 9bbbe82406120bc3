"""The parts of the stdio transport that need no process, or hardly one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from only1mcp_sdk.flow import Budget
from only1mcp_transports.stdio import family
from only1mcp_transports.stdio.environment import build
from only1mcp_transports.stdio.lines import Lines
from only1mcp_transports.stdio.pipes import Outflow, PlainEnd
from tests.plugins.transports.stdio.children import alive


@pytest.mark.parametrize("size", [1, 2, 7, 65536, 1 << 20])
def test_lines_come_out_however_they_arrive(size: int) -> None:
    stream = b"one\n\ntwo\r\n" + b"x" * 300_000 + b"\nrest"
    lines = Lines(1 << 20)
    got = [line for at in range(0, len(stream), size) for line in lines.feed(stream[at : at + size])]
    assert got == [b"one", b"", b"two\r", b"x" * 300_000]
    assert lines.rest() == b"rest"
    assert lines.rest() == b""


@pytest.mark.parametrize("size", [1, 3, 11, 12, 13, 1000])
def test_of_a_line_over_the_limit_only_the_beginning_comes_out(size: int) -> None:
    stream = b"a" * 10 + b"\n" + b"b" * 11 + b"\n" + b"c" * 500 + b"\nd\n" + b"e" * 12
    lines = Lines(10)
    got = [line for at in range(0, len(stream), size) for line in lines.feed(stream[at : at + size])]
    assert got == [b"a" * 10, b"b" * 11, b"c" * 11, b"d", b"e" * 11]
    assert lines.rest() == b""


def test_a_line_over_the_limit_is_known_before_its_end() -> None:
    assert Lines(10).feed(b"x" * 11) == [b"x" * 11]


def test_long_lines_take_linear_time() -> None:
    def seconds(chunks: int) -> float:
        lines = Lines(1 << 30)
        start = time.perf_counter()
        for _ in range(chunks):
            lines.feed(b"x" * 1000)
        return time.perf_counter() - start

    seconds(100)
    assert seconds(32_000) < 40 * seconds(2_000) + 0.05


async def test_a_message_becomes_one_line() -> None:
    theirs, ours = os.pipe()
    out = Outflow(PlainEnd(ours), Budget(1 << 20), lambda: None)
    out.send(b'{"a":1}')
    out.send(b'{\r\n"a":\r1\n}')
    out.close()
    await asyncio.sleep(0)
    assert os.read(theirs, 100) == b'{"a":1}\n{  "a": 1 }\n'
    os.close(theirs)


def test_the_environment_is_an_allow_list() -> None:
    own = {
        "PATH": "/usr/bin", "HOME": "/h", "LC_ALL": "C", "XDG_X": "1", "UV_INDEX": "u", "https_proxy": "p",
        "SSL_CERT_FILE": "c", "npm_config_registry": "n", "AWS_SECRET_ACCESS_KEY": "s", "MY_TOKEN": "t", "MY_B": "b",
        "ONLY1MCP_COOKIE": "another gateway's",
    }  # fmt: skip
    assert build(own, ["MY_T*"], {"HOME": "/other", "EXTRA": "e"}, "cookie") == {
        "PATH": f"/usr/bin{os.pathsep}{os.path.dirname(sys.executable)}", "HOME": "/other", "EXTRA": "e",
        "LC_ALL": "C", "XDG_X": "1", "UV_INDEX": "u", "https_proxy": "p", "SSL_CERT_FILE": "c",
        "npm_config_registry": "n", "MY_TOKEN": "t", "ONLY1MCP_COOKIE": "cookie",
    }  # fmt: skip


@pytest.mark.parametrize("path", [None, ""])
def test_without_a_path_the_working_directory_is_not_searched(path: str | None) -> None:
    own = {} if path is None else {"PATH": path}
    assert "" not in build(own, [], {}, "cookie")["PATH"].split(os.pathsep)


def test_the_interpreter_is_named_once_on_the_path() -> None:
    beside = os.path.dirname(sys.executable)
    assert build({"PATH": f"{beside}:/bin"}, [], {}, "cookie")["PATH"] == f"{beside}:/bin"


@pytest.mark.skipif(sys.platform != "linux", reason="process families are found in /proc")
@pytest.mark.parametrize("handles", [True, False], ids=["pidfd", "no pidfd"])
def test_only_who_bears_the_cookie_is_ended(handles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not handles:
        monkeypatch.delattr(os, "pidfd_open")
    environments = [
        {"BEFORE": "1", "ONLY1MCP_COOKIE": "mine.1."},
        {"ONLY1MCP_COOKIE": "mine.10."},
        {"ONLY1MCP_COOKIE": "other.mine.1.", "NOT_ONLY1MCP_COOKIE": "mine.1."},
    ]
    sleepers = [subprocess.Popen(["sleep", "60"], env=each) for each in environments]
    try:
        pids = [each.pid for each in sleepers]
        assert family.bearers(b"mine.") == pids[:2]
        for _ in family.ending(b"mine.1.", 1.0):
            time.sleep(family.POLL)
        assert [alive(pid) for pid in pids] == [False, True, True]
        assert sleepers[0].wait(1) == -signal.SIGTERM
    finally:
        for each in sleepers:
            each.kill()
            each.wait()
