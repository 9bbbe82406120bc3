"""The file a new user starts with. Light: the command line imports this."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path


def starter_text() -> str:
    return files("only1mcp_kernel.config").joinpath("starter.yaml").read_text(encoding="utf-8")


def write_starter(path: Path) -> None:
    """Write the starter file, readable by its owner only: people put secrets into it. Makes directories as needed.

    Raises `FileExistsError` rather than touch what is there, a dangling link included, and `OSError` when it can't be
    written; then nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(starter_text())
    except OSError:
        path.unlink(missing_ok=True)
        raise
