"""The process's log: readable single lines, for a terminal or a file."""

from __future__ import annotations

import logging
import time

ROOT = "only1mcp"
"""The logger above all of ours."""


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
