"""The stdio listener in a process of its own, with whatever a client may put at its standard streams."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors are put aside as POSIX has them")

ROOT = Path(__file__).parents[4]
AGAIN = "normal again\n"


def request(number: int, padding: int = 0) -> bytes:
    params = {"padding": "x" * padding}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "ping", "params": params}).encode()


class Served:
    """A running `one_client`."""

    def __init__(self, report: Path, process: subprocess.Popen[bytes]) -> None:
        self._report = report
        self.process = process

    def seen(self) -> dict[str, Any]:
        assert self.process.wait(20) == 0
        seen: dict[str, Any] = json.loads(self._report.read_text())
        return seen


@contextmanager
def one_client(folder: Path, *options: str, **streams: Any) -> Iterator[Served]:
    report = folder / "report.json"
    argv = [sys.executable, "-m", "tests.plugins.transports.stdio.one_client", str(report), *options]
    given = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    with subprocess.Popen(argv, cwd=ROOT, **given) as process:
        try:
            yield Served(report, process)
        finally:
            process.kill()


def ids(output: bytes) -> list[Any]:
    """The ids of what came out, without the line that is printed when all is as before."""
    text = output.decode()
    assert text.endswith(AGAIN)
    return [json.loads(line)["id"] for line in text.removesuffix(AGAIN).splitlines()]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_client_is_served_until_it_closes_its_side(tmp_path: Path, loop: str) -> None:
    with one_client(tmp_path, loop) as served:
        output, errors = served.process.communicate(b"".join(request(n) + b"\n" for n in range(500)), 20)
        assert ids(output) == list(range(500))
        assert errors == b""
        seen = served.seen()
        assert seen["local"] == [True]
        assert seen["gone"] == [True]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_answers_come_while_the_client_stays(tmp_path: Path, loop: str) -> None:
    with one_client(tmp_path, loop) as served:
        assert served.process.stdin is not None
        assert served.process.stdout is not None
        for number in range(5):
            served.process.stdin.write(request(number, padding=number * 100_000) + b"\r\n\n  \n")
            served.process.stdin.flush()
            assert json.loads(served.process.stdout.readline())["id"] == number


def test_a_client_that_closes_its_side_still_gets_its_answers(tmp_path: Path) -> None:
    with one_client(tmp_path, "slow") as served:
        output, _ = served.process.communicate(request(1) + b"\n" + request(2), 20)  # no end of the last line
        assert ids(output) == [1, 2]


def test_a_client_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    with one_client(tmp_path, "hold", "quiet") as served:
        assert served.process.stdin is not None
        assert served.process.stdout is not None
        served.process.stdin.write(request(1) + b"\n")
        served.process.stdin.close()
        served.process.stdout.close()
        served.process.stdout = None
        seen = served.seen()
        assert seen["gone"] == [True]
        assert seen["seconds"] < 5


def test_a_message_over_the_limit_costs_no_other_one(tmp_path: Path) -> None:
    sent = [request(1), request(2, padding=5000), request(3), b"{" + b"x" * 900_000, request(4)]
    with one_client(tmp_path, "limit=1000") as served:
        output, _ = served.process.communicate(b"\n".join(sent) + b"\n", 20)
        assert ids(output) == [1, None, 3, None, 4]
        seen = served.seen()
        assert seen["refused"] == 2
        assert max(map(len, seen["bodies"])) <= 1000


def test_a_message_without_room_is_refused(tmp_path: Path) -> None:
    with one_client(tmp_path, "room=200000", "patience=0.2") as served:
        assert served.process.stdin is not None
        assert served.process.stdout is not None
        served.process.stdin.write(request(1) + b"\n" + request(2, padding=500_000)[:-1])
        served.process.stdin.flush()
        assert json.loads(served.process.stdout.readline())["id"] == 1
        assert json.loads(served.process.stdout.readline())["id"] is None
        served.process.stdin.write(b"}\n" + request(3) + b"\n")
        served.process.stdin.flush()
        assert json.loads(served.process.stdout.readline())["id"] == 3
        served.process.stdin.close()
        assert served.seen()["refused"] == 1


def test_garbage_reaches_the_gate_as_it_is(tmp_path: Path) -> None:
    with one_client(tmp_path) as served:
        output, _ = served.process.communicate(b"\xff\xfe\x00garbage\n[\n" + request(7) + b"\n", 20)
        assert ids(output) == [None, None, 7]


def test_stray_output_and_input_stay_out_of_the_way(tmp_path: Path) -> None:
    with one_client(tmp_path, "print") as served:
        output, errors = served.process.communicate(request(1) + b"\n", 20)
        assert ids(output) == [1]
        assert errors.decode().splitlines() == ["stray", "raw stray", "child stray"]


def test_a_reload_keeps_the_client(tmp_path: Path) -> None:
    with one_client(tmp_path, "reload", "slow") as served:
        output, _ = served.process.communicate(request(1) + b"\n" + request(2) + b"\n", 20)
        assert ids(output) == [1, 2]
        assert served.seen()["clients"] == 1


@pytest.mark.parametrize("hold", [True, False])
def test_a_stop_does_not_wait_for_the_client(tmp_path: Path, hold: bool) -> None:
    with one_client(tmp_path, "stop=0.5", *(["hold"] if hold else [])) as served:
        assert served.process.stdin is not None
        served.process.stdin.write(request(1) + b"\n")
        served.process.stdin.flush()  # and stays open
        seen = served.seen()
        assert seen["gone"] == [True]
        assert seen["seconds"] < 2


def test_a_client_that_does_not_read_is_disconnected(tmp_path: Path) -> None:
    with one_client(tmp_path, "flood=80", "quiet") as served:
        seen = served.seen()
        assert seen["gone"] == [True]
        assert seen["seconds"] < 9


def test_a_large_answer_gets_out_whole_before_the_end(tmp_path: Path) -> None:
    with one_client(tmp_path, "flood=20") as served:
        output, _ = served.process.communicate(b"", 20)
        lines = output.splitlines()
        assert [len(line) for line in lines[:-1]] == [(1 << 20) + 2] * 20


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_files_are_streams_too(tmp_path: Path, loop: str) -> None:
    sent = [request(number, padding=number * 1000) for number in range(300)]
    (tmp_path / "in").write_bytes(b"\n".join(sent))
    with (tmp_path / "in").open("rb") as stdin, (tmp_path / "out").open("wb") as stdout:
        with one_client(tmp_path, loop, stdin=stdin, stdout=stdout) as served:
            assert served.seen()["seconds"] < 4
        assert ids((tmp_path / "out").read_bytes()) == list(range(300))


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_sockets_are_streams_too(tmp_path: Path, loop: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, one_client(tmp_path, loop, "flood=1", stdin=theirs, stdout=theirs) as served:
        ours.sendall(request(1) + b"\n")
        stream = ours.makefile("rb")
        assert len(stream.readline()) == (1 << 20) + 3
        assert json.loads(stream.readline())["id"] == 1
        assert os.get_blocking(theirs.fileno()), "its mode is other programs' business"
        theirs.close()
        ours.shutdown(socket.SHUT_WR)
        served.seen()
        stream.close()


def test_a_terminal_is_a_stream_too(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    mode = termios.tcgetattr(theirs)
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    with one_client(tmp_path, stdin=theirs, stdout=theirs) as served:
        assert os.get_blocking(theirs), "its mode is other programs' business"
        os.close(theirs)
        os.write(ours, request(1) + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += os.read(ours, 4096)
        assert json.loads(answer)["id"] == 1
        os.write(ours, b"\x04")  # the end, as people type it
        time.sleep(0.1)
        served.seen()
    os.close(ours)


@pytest.mark.parametrize(("number", "name"), [(0, "input"), (1, "output")])
def test_a_closed_stream_is_no_client(tmp_path: Path, number: int, name: str) -> None:
    report = tmp_path / "report.json"
    inner = f"{sys.executable} -m tests.plugins.transports.stdio.one_client {report}"
    done = subprocess.run(
        ["sh", "-c", f"exec {inner} {number}>&-"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=20,
    )
    assert done.returncode == 1
    assert f"OpenFailed: standard {name} is closed" in done.stderr.decode()
