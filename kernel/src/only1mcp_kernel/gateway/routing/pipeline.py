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


def contained(name: str, handler: Handler) -> Handler:
    """A handler out of which no exception comes: a fault ends this exchange and nothing else."""
    log = logging.getLogger(f"only1mcp.{name}")

    def serve(exchange: Exchange, done: Done) -> None:
        try:
            handler(exchange, done)
        except Exception as error:
            done(_fault(log, name, error))

    return serve


def _around(name: str, each: Filter, inner: Handler) -> Handler:
    log = logging.getLogger(f"only1mcp.{name}")
    before, after = each.before, each.after
    whole = getattr(each, "reads_results", True)

    def guarded(exchange: Exchange, done: Done) -> None:
        def leave(outcome: Outcome) -> None:
            if not exchange.cancelled:
                try:
                    outcome = after(exchange, outcome)
                except Exception as error:
                    outcome = _fault(log, name, error)
            done(outcome)

        try:
            outcome = before(exchange)
        except Exception as error:
            outcome = _fault(log, name, error)
        if outcome is not None:
            done(outcome)
            return
        if whole:
            exchange.whole = True
        inner(exchange, leave)

    return guarded


def _fault(log: logging.Logger, name: str, error: Exception) -> Failure:
    if isinstance(error, DuplicateMember):
        return Failure.of(INVALID_PARAMS, f"Invalid params: {error} in arguments")
    if isinstance(error, RecursionError):
        return Failure.of(INVALID_PARAMS, "Invalid params: the arguments are nested too deeply")
    log.error("%s raised while serving", name, exc_info=error)
    return Failure.of(INTERNAL_ERROR, f"Internal error in {name}")
