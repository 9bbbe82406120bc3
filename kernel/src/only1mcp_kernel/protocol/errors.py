"""A request the protocol itself refuses, before anybody serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from only1mcp_sdk import Failure

STALE = Failure.of(
    -32602, "Invalid params: this requestState, cursor or task id is unknown, expired or not yours"
)
"""For everything that was handed out and did not come back as it should, so that nobody learns which it was."""


OVERLOAD = -32000
_LATER = {"Retry-After": "1"}
_NOTHING: Mapping[str, str] = {}


class Refused(Exception):
    """Carries the JSON-RPC error to answer with and the HTTP status that goes with it."""

    def __init__(self, status: int, code: int, message: str, data: Any = msgspec.UNSET) -> None:
        super().__init__(message)
        self.status = status
        self.failure = Failure.of(code, message, data)

    @property
    def headers(self) -> Mapping[str, str]:
        """The HTTP header fields to answer with."""
        return _LATER if self.status == 503 else _NOTHING


class Overload(Refused):
    """There is too much of something at the moment."""

    def __init__(self, what: str) -> None:
        super().__init__(503, OVERLOAD, f"Too many {what}; try again in a moment")
