"""Texts in files of one running gateway, gone when it ends: at its end, or at the start of the next one.

Every run has a folder of its own below the one given, locked for as long as it lives; what is found unlocked belongs
to nobody any more. Everything here blocks: call it from a thread.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "results-"


class Spool:
    """The files of one run. `open_spool` makes it, whoever does so closes it."""

    def __init__(self, folder: Path, lock: int) -> None:
        self._folder = folder
        self._lock = lock

    def write(self, name: str, data: bytes) -> None:
        """Raises `OSError`; then nothing is left of it."""
        path = self._folder / name
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(number, "wb") as file:
                file.write(data)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def read(self, name: str) -> bytes:
        """Raises `OSError`."""
        return (self._folder / name).read_bytes()

    def remove(self, name: str) -> None:
        """Harmless where there is no such file. Raises `OSError` otherwise."""
        (self._folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)


def open_spool(folder: Path) -> Spool:
    """A new run's files below `folder`, which is made if it is not there. What runs that died left there is removed.

    Raises `OSError`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in folder.glob(PREFIX + "*"):
        lock = _locked(other)
        if lock is not None:
            shutil.rmtree(other, ignore_errors=True)
            os.close(lock)
    while True:
        mine = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
        lock = _locked(mine)
        if lock is not None and mine.exists():
            return Spool(mine, lock)
        if lock is not None:  # somebody starting at this moment took it for a dead one's
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """An open descriptor that holds the lock; None while a living process has it, or the folder is gone."""
    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number
