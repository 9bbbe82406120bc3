"""`${env:NAME}`: the gateway's environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping

from only1mcp_sdk import SecretMissing


class EnvSecret:
    """Implements `Secret`. A variable that is set and empty has an empty value; only an unset one is missing."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    def resolve(self, reference: str) -> str:
        value = self._find(reference)
        if value is None:
            raise SecretMissing(
                f"the environment variable {reference!r} is not set where the gateway runs; "
                "set it there, or give a default: ${env:NAME:-default}",
                known=sorted(self._environment),
            )
        if not value.isascii() and _undecodable(value):
            raise SecretMissing(f"the environment variable {reference!r} is no UTF-8 text; set it to text")
        return value

    def _find(self, reference: str) -> str | None:
        try:
            return self._environment.get(reference)
        except UnicodeEncodeError:  # A lone surrogate can't be in the name of a variable.
            return None


def _undecodable(value: str) -> bool:
    """Whether it came from bytes that are no UTF-8, which Python keeps as lone surrogates (PEP 383)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False
