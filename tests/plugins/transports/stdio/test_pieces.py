"""The parts of the stdio transport that need no process."""

from __future__ import annotations

import os
import sys

import pytest

from only1mcp_transports.stdio.environment import build
from only1mcp_transports.stdio.lines import Lines, LineTooLong


def test_lines_come_out_however_they_arrive() -> None:
    stream = b"one\n\ntwo\r\n" + b"x" * 300_000 + b"\nrest"
    for size in (1, 2, 7, 65536, len(stream)):
        lines = Lines(1 << 20)
        got = [line for at in range(0, len(stream), size) for line in lines.feed(stream[at : at + size])]
        assert got == [b"one", b"", b"two\r", b"x" * 300_000]
        assert lines.rest() == b"rest"


def test_a_line_over_the_limit_is_refused_with_and_without_its_end() -> None:
    with pytest.raises(LineTooLong):
        Lines(10).feed(b"x" * 11)
    with pytest.raises(LineTooLong):
        Lines(10).feed(b"x" * 11 + b"\n")
    assert Lines(10).feed(b"x" * 10 + b"\n") == [b"x" * 10]


def test_the_environment_is_an_allow_list() -> None:
    own = {
        "PATH": "/usr/bin", "HOME": "/h", "LC_ALL": "C", "XDG_X": "1", "UV_INDEX": "u", "https_proxy": "p",
        "SSL_CERT_FILE": "c", "npm_config_registry": "n", "AWS_SECRET_ACCESS_KEY": "s", "MY_TOKEN": "t", "MY_B": "b",
    }  # fmt: skip
    built = build(own, ["MY_T*"], {"HOME": "/other", "EXTRA": "e"}, "cookie")
    assert "AWS_SECRET_ACCESS_KEY" not in built
    assert "MY_B" not in built
    assert built["MY_TOKEN"] == "t"
    assert built["HOME"] == "/other"
    assert {
        "LC_ALL",
        "XDG_X",
        "UV_INDEX",
        "https_proxy",
        "SSL_CERT_FILE",
        "npm_config_registry",
    } <= built.keys()
    assert built["PATH"] == f"/usr/bin{os.pathsep}{os.path.dirname(sys.executable)}"
    assert built["ONLY1MCP_COOKIE"] == "cookie"
