"""Kind `authenticator`: tell who is calling."""

from __future__ import annotations

from typing import Protocol

from only1mcp_sdk.messages import Arrival, Principal


class Authenticator(Protocol):
    """Turns what a request carries into a principal.

    Asked for every message from outside, on the hot path: no I/O, no blocking. Authenticators are asked in the
    order of the configuration and the first principal counts. When none of them knows the caller, it is refused
    with 401.
    """

    @property
    def challenge(self) -> str:
        """What a refused client is told in `WWW-Authenticate` (RFC 9110 section 11.6.1), e.g. `Bearer`."""

    def authenticate(self, arrival: Arrival) -> Principal | None:
        """The principal, or None when the request carries nothing of this authenticator's sort.

        Raises `AccessDenied` when it does and it is wrong; then no other authenticator is asked. Any other
        exception denies too. Compare secrets in constant time.
        """
