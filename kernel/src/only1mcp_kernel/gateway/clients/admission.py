"""Who is calling: every message is some principal's, or is refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from only1mcp_kernel.gateway.clients.sinks import Outlet
from only1mcp_kernel.wire import envelope as wire
from only1mcp_sdk import ANONYMOUS, AccessDenied, Arrival, Authenticator, Failure, Principal

UNAUTHORIZED = -32001
_log = logging.getLogger("only1mcp.gateway")


def admit(arrival: Arrival, authenticators: Sequence[Authenticator]) -> Principal:
    """The principal of a message: the first that an authenticator knows. Raises `AccessDenied`, with the challenge of
    all of them (RFC 9110, section 11.6.1)."""
    if arrival.local or not authenticators:
        return ANONYMOUS
    try:
        return _known(arrival, authenticators)
    except AccessDenied as denied:
        denied.challenge = ", ".join(each.challenge for each in authenticators)
        raise


def _known(arrival: Arrival, authenticators: Sequence[Authenticator]) -> Principal:
    for each in authenticators:
        try:
            principal = each.authenticate(arrival)
        except AccessDenied:
            raise
        except Exception as error:
            _log.error("an authenticator raised; access denied", exc_info=error)
            raise AccessDenied("Unauthorized") from None
        if principal is not None:
            return principal
    raise AccessDenied("Unauthorized: credentials are required")


def refuse(denied: AccessDenied, sink: Outlet) -> None:
    """Answer with 401, and say how credentials are given."""
    failure = Failure.of(UNAUTHORIZED, str(denied))
    sink.finish(wire.error(wire.NO_ID, failure.raw), 401, {"WWW-Authenticate": denied.challenge})
