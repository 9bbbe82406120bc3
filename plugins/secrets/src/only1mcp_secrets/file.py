"""`${file:path}`: the contents of a file, such as those that Docker and Kubernetes mount secrets as."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from only1mcp_sdk import SecretMissing

LIMIT = 1 << 20
"""Bytes; what is larger is not a secret but a mistake."""
KNOWN = 200
"""Names of a directory that are looked at for the "did you mean"."""


class FileSecret:
    """Implements `Secret`. A path is taken from the directory of the configuration file, `~` from the home directory.
    The file holds UTF-8 text; one line ending at its end is not part of the value."""

    def __init__(self, base_dir: Path) -> None:
        self._base_dir = base_dir

    def resolve(self, reference: str) -> str:
        try:
            path = self._base_dir / Path(reference).expanduser()
            content = _read(path)
        except FileNotFoundError:
            known = _neighbours(self._base_dir, reference)
            raise SecretMissing(f"there is no file {path}; create it, or correct the path", known) from None
        except OSError as error:
            raise SecretMissing(f"{path} can't be read: {error.strerror or error}") from None
        except (ValueError, RuntimeError) as error:  # A NUL or a lone surrogate in it; a home nobody has.
            raise SecretMissing(f"{reference!r} is no path of a file: {error}") from None
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise SecretMissing(f"{path} is not UTF-8 text; a secret has to be text") from None
        return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _read(path: Path) -> bytes:
    # Not blocking on a pipe that nobody writes to: what it is can be asked only once it is open.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SecretMissing(f"{path} is not a regular file; name the file that holds the value")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(LIMIT + 1)
    finally:
        os.close(descriptor)
    if len(content) > LIMIT:
        raise SecretMissing(
            f"{path} has more than {LIMIT} bytes; name the file that holds nothing but the value"
        )
    return content


def _neighbours(base_dir: Path, reference: str) -> list[str]:
    """The files beside the missing one, written as references."""
    parent = Path(reference).parent
    try:
        with os.scandir(base_dir / parent.expanduser()) as entries:
            names = [entry.name for entry, _ in zip(entries, range(KNOWN), strict=False) if entry.is_file()]
    except (OSError, RuntimeError):
        return []
    return sorted(name if str(parent) == "." else str(parent / name) for name in names)
