"""URIs that two servers share: the second one's are shown as ours, and put right in every message of that server."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from only1mcp_sdk import Done, Exchange, Failure, Handler, InputRequired, Notification, Outcome, Result
from only1mcp_sdk.members import encode


def translated(aliases: Mapping[str, str], handler: Handler) -> Handler:
    """A handler whose messages to the client carry the shown URIs instead of the server's own."""
    pairs = [(encode(own), encode(shown)) for own, shown in aliases.items()]

    def put_right(raw: bytes) -> bytes:
        # A JSON string that is exactly the URI, quotes included, is that URI wherever it stands.
        for own, shown in pairs:
            raw = raw.replace(own, shown)
        return raw

    def serve(exchange: Exchange, done: Done) -> None:
        emit = exchange.emit

        def emit_translated(notification: Notification) -> None:
            emit(Notification(notification.method, put_right(notification.params)))

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

        exchange.emit = emit_translated
        exchange.whole = True
        handler(exchange, leave)

    return serve
