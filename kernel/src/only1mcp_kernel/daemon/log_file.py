"""The log of a process in the background: a file of bounded size."""

from __future__ import annotations

import os
from logging.handlers import RotatingFileHandler
from pathlib import Path

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 3


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
