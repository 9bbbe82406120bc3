"""What an exchange comes to in which something raised."""

from __future__ import annotations

import logging

from only1mcp_kernel.protocol.revisions import INTERNAL_ERROR, INVALID_PARAMS
from only1mcp_sdk import DuplicateMember, Failure


def fault(name: str, error: Exception) -> Failure:
    """For the client, and a line for the log. `name` is where the configuration names that."""
    if isinstance(error, DuplicateMember):
        return Failure.of(INVALID_PARAMS, f"Invalid params: {error} in arguments")
    if isinstance(error, RecursionError):
        return Failure.of(INVALID_PARAMS, "Invalid params: the arguments are nested too deeply")
    logging.getLogger(f"only1mcp.{name}").error("%s raised while serving", name, exc_info=error)
    return Failure.of(INTERNAL_ERROR, f"Internal error in {name}")
