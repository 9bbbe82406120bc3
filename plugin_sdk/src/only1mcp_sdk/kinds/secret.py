"""Kind `secret`: resolve references in configuration files."""

from __future__ import annotations

from typing import Protocol


class Secret(Protocol):
    """Resolves `${<name>:<reference>}`, where `<name>` is the offer's. Asked while a configuration is loaded; may
    read a file, and should be quick. What it returns is never logged or shown."""

    def resolve(self, reference: str) -> str:
        """The value. Raises `SecretMissing` when there is none; then a default (`${env:NAME:-default}`) counts, or
        the configuration is refused."""
