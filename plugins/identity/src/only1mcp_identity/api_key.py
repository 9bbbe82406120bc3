"""API keys: `Authorization: Bearer <key>` (RFC 6750 section 2.1), where each key belongs to a principal.

Keys are never kept, only their digests. Finding one takes a time that depends on the digest of what was sent, of which
whoever guesses learns nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from only1mcp_sdk import AccessDenied, Arrival, Principal

SOURCE = "api_key"


class ApiKeys:
    """Implements `Authenticator`. Other schemes than Bearer are left to other authenticators."""

    challenge = "Bearer"

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        self._principals = {_digest(key): Principal(principal, SOURCE) for key, principal in keys}

    def authenticate(self, arrival: Arrival) -> Principal | None:
        scheme, _, key = arrival.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        principal = self._principals.get(_digest(key.strip(" ")))
        if principal is None:
            raise AccessDenied(
                "Unauthorized: this API key is not known; ask whoever runs the gateway for one"
            )
        return principal


def _digest(key: str) -> bytes:
    # A header field may hold bytes that are no text; they must lead to a refusal and not to an exception.
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
