"""The log: lines, levels, files."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from only1mcp_kernel.daemon.log import LineFormatter, log_to, set_level


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("only1mcp")
    before = list(root.handlers), root.level, ours.level
    root.handlers = []
    yield
    root.handlers, root.level, ours.level = before
    logging.captureWarnings(False)


def record(message: str, fault: Exception | None = None) -> logging.LogRecord:
    return logging.LogRecord(
        "only1mcp.x", logging.WARNING, "", 0, message, (), (type(fault), fault, None) if fault else None
    )


def test_a_terminal_acts_on_nothing_in_a_record() -> None:
    first, second = LineFormatter().format(record("evil\x1b[2J\rname")).splitlines()
    assert first.endswith("WARNING only1mcp.x: evil\\x1b[2J")
    assert second == "    name"


def test_what_follows_the_first_line_is_indented() -> None:
    lines = LineFormatter().format(record("failed", ValueError("2026-01-01 00:00:00 INFO fake"))).splitlines()
    assert len(lines) > 1
    assert all(line.startswith("    ") for line in lines[1:])


def test_levels(capsys: pytest.CaptureFixture[str]) -> None:
    log_to(logging.StreamHandler(sys.stderr))
    logging.getLogger("only1mcp.x").debug("one")
    logging.getLogger("only1mcp.x").info("two")
    logging.getLogger("other").info("three")
    logging.getLogger("other").warning("four")
    set_level("debug")
    logging.getLogger("only1mcp.x").debug("five")
    set_level("error")
    logging.getLogger("only1mcp.x").warning("six")
    words = [line.rsplit(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert words == ["two", "four", "five"]


def test_stdout_and_stderr_follow_the_file_when_it_is_rotated(tmp_path: Path) -> None:
    program = f"""
import logging, os
from pathlib import Path
from only1mcp_kernel.daemon import log, log_file
log_file.FILE_BYTES = 200
log.log_to(log_file.BackgroundFile(Path({str(tmp_path / "log")!r})))
for number in range(20):
    logging.getLogger("only1mcp").info("record %d", number)
os.write(1, b"out\\n")
os.write(2, b"err\\n")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2", "log.3"]
    last = (tmp_path / "log").read_text()
    assert "record 19" in last
    assert last.endswith("out\nerr\n")
    assert all(path.stat().st_size <= 300 for path in tmp_path.iterdir())
