"""URIs that two servers share: the second one's are shown as ours, and put right in every message of that server."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from only1mcp_sdk import (
    Done,
    Exchange,
    Failure,
    Handler,
    InputRequired,
    Json,
    Notification,
    Origin,
    Outcome,
    Pipe,
    Result,
    Source,
)
from only1mcp_sdk.members import encode


class _Translated:
    """An `Origin` that is told of shown URIs."""

    __slots__ = ("_origin", "_put_right", "asked_more", "paused")

    def __init__(self, origin: Origin, put_right: Callable[[Json], Json]) -> None:
        self._origin = origin
        self._put_right = put_right
        self.paused = origin.paused
        self.asked_more = origin.asked_more

    def emit(self, notification: Notification) -> None:
        self._origin.emit(Notification(notification.method, self._put_right(notification.params)))

    def pour(self, source: Source) -> Pipe | None:
        return None  # it has to be seen whole


def translated(aliases: Mapping[str, str], handler: Handler) -> Handler:
    """A handler whose messages to the client carry the shown URIs instead of the server's own."""
    pairs = [(encode(own), encode(shown)) for own, shown in aliases.items()]

    def put_right(raw: bytes) -> bytes:
        # A JSON string that is exactly the URI, quotes included, is that URI wherever it stands.
        for own, shown in pairs:
            raw = raw.replace(own, shown)
        return raw

    def serve(exchange: Exchange, done: Done) -> None:
        def leave(outcome: Outcome) -> None:
            if isinstance(outcome, Result):
                outcome = Result(put_right(outcome.raw), outcome.era)
            elif isinstance(outcome, Failure):
                outcome = Failure(outcome.code, outcome.message, put_right(outcome.raw))
            elif isinstance(outcome, InputRequired):
                questions = {
                    key: msgspec.structs.replace(each, params=put_right(each.params))
                    for key, each in outcome.questions.items()
                }
                outcome = InputRequired(questions, outcome.state, put_right(outcome.raw))
            done(outcome)

        if exchange.origin is not None:
            exchange.origin = _Translated(exchange.origin, put_right)
        exchange.whole = True
        handler(exchange, leave)

    return serve
