"""Where the process's log goes: readable single lines to stderr, or to a file of bounded size."""

from __future__ import annotations

import logging
import os
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

ROOT = "only1mcp"
"""The logger above all of ours."""
FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 3


class LineFormatter(logging.Formatter):
    """One line per record: time, level, logger, message. What others sent us may be in a message, so what a terminal
    would act on is shown escaped. A traceback follows on lines of its own, indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        return f"{now}.{int(record.msecs):03d}"

    def format(self, record: logging.LogRecord) -> str:
        first, *rest = super().format(record).splitlines() or [""]
        return "\n".join([_printable(first), *(f"    {_printable(line)}" for line in rest)])


class BackgroundFile(RotatingFileHandler):
    """A log file that stdout and stderr follow when it is rotated: what is written past the log, by the interpreter
    or a library, ends up in the same file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
        self._follow()

    def doRollover(self) -> None:
        super().doRollover()
        self._follow()

    def _follow(self) -> None:
        if self.stream is None:
            self.stream = self._open()
        for descriptor in (1, 2):
            os.dup2(self.stream.fileno(), descriptor)


def log_to(handler: logging.Handler) -> None:
    """Send all logging to this handler, and to no other. Our own loggers speak from `info` on until `set_level` says
    otherwise, other libraries' from `warning` on."""
    handler.setFormatter(LineFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    set_level("info")


def set_level(level: str) -> None:
    """The least severe level of our own loggers that is written: debug, info, warning or error."""
    logging.getLogger(ROOT).setLevel(level.upper())


def _printable(text: str) -> str:
    return "".join(
        letter if letter.isprintable() or letter == "\t" else repr(letter)[1:-1] for letter in text
    )
