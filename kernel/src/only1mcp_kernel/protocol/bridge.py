"""Crossing eras: what a server of one era says, in the words of the other.

Only used where an exchange does cross. Questions need no bridge: in either era they are an outcome of the exchange.
"""

from __future__ import annotations

from only1mcp_kernel.protocol.revisions import INVALID_PARAMS, REVISIONS
from only1mcp_sdk import Era, Failure, Question
from only1mcp_sdk.members import join, split


def failure(outcome: Failure, method: str, era: Era, revision: str) -> Failure:
    """An error that came from a server of `era`, for a client of `revision`."""
    if era == REVISIONS[revision].era:
        return outcome
    if method == "resources/read" and outcome.code in (-32002, INVALID_PARAMS):
        wanted = REVISIONS[revision].not_found
        if outcome.code != wanted and (outcome.code == -32002 or _names_uri(outcome)):
            return _with_code(outcome, wanted)
    return outcome


def _names_uri(outcome: Failure) -> bool:
    try:
        return "uri" in split(split(outcome.raw).get("data", b""))
    except ValueError:
        return False  # no data, or none that is an object


def _with_code(outcome: Failure, code: int) -> Failure:
    members = split(outcome.raw)
    members["code"] = b"%d" % code
    return Failure(code, outcome.message, join(members))


def decline(question: Question) -> tuple[str, bytes]:
    """How to turn a question down for a client that can't be asked: ("result" or "error", raw)."""
    if question.method == "elicitation/create":
        return "result", b'{"action":"cancel"}'
    if question.method == "roots/list":
        return "error", Failure.of(-32601, "Roots not supported by the client").raw
    return "error", Failure.of(-32601, f"{question.method} is not supported by the client").raw
