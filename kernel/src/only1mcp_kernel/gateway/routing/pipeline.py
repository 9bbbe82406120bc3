"""Compiling handlers: filters around a handler become one callable, once per generation.

What is not configured costs nothing: without filters the handler itself comes back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from only1mcp_kernel.protocol.revisions import INTERNAL_ERROR, INVALID_PARAMS
from only1mcp_sdk import Done, DuplicateMember, Exchange, Failure, Filter, Handler, Outcome, Place

Named = tuple[str, Filter]
"""A filter and where the configuration names it."""


def compile_chain(filters: Sequence[Named], place: Place, terminal: Handler) -> Handler:
    """The filters of one place around `terminal`, the first one outermost."""
    handler = terminal
    for name, each in reversed(filters):
        if each.place == place:
            handler = _around(name, each, handler)
    return handler


def _around(name: str, each: Filter, inner: Handler) -> Handler:
    before, after = each.before, each.after
    whole = getattr(each, "reads_results", True)

    def guarded(exchange: Exchange, done: Done) -> None:
        def leave(outcome: Outcome) -> None:
            if not exchange.cancelled:
                try:
                    outcome = after(exchange, outcome)
                except Exception as error:
                    outcome = fault(name, error)
            done(outcome)

        try:
            outcome = before(exchange)
        except Exception as error:
            outcome = fault(name, error)
        if outcome is not None:
            done(outcome)
            return
        if whole:
            exchange.whole = True
        inner(exchange, leave)

    return guarded


def fault(name: str, error: Exception) -> Failure:
    """What an exchange comes to in which something raised; `name` is where the configuration names that."""
    if isinstance(error, DuplicateMember):
        return Failure.of(INVALID_PARAMS, f"Invalid params: {error} in arguments")
    if isinstance(error, RecursionError):
        return Failure.of(INVALID_PARAMS, "Invalid params: the arguments are nested too deeply")
    logging.getLogger(f"only1mcp.{name}").error("%s raised while serving", name, exc_info=error)
    return Failure.of(INTERNAL_ERROR, f"Internal error in {name}")
