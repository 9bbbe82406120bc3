"""Crossing eras: what a server of one era says, in the words of the other.

Only used where an exchange does cross. Questions need no bridge: in either era they are an outcome of the exchange.
"""

from __future__ import annotations

from typing import Any

from only1mcp_kernel.protocol.modern import NAME_PARAM
from only1mcp_kernel.protocol.revisions import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_CAPABILITY,
    REVISIONS,
    URL_ELICITATION_REQUIRED,
)
from only1mcp_sdk import Caller, Era, Failure, InputRequired, Json, Members, Question, Result
from only1mcp_sdk.members import encode, items, join, quoted, split, text

_OF_THE_MODERN_ERA = range(-32099, -32019)
"""Codes that are that specification's to define: a server of the other era means something else with them."""


def failure(outcome: Failure, method: str, era: Era, caller: Caller) -> Failure | InputRequired:
    """An error that came from a server of `era`, for this caller."""
    if era == caller.era:
        return outcome
    if outcome.code == URL_ELICITATION_REQUIRED:  # a code the modern era must not show
        questions = _visits(outcome) if method in NAME_PARAM else {}
        if not questions:
            return _with_code(outcome, INTERNAL_ERROR)
        if "elicitation.url" not in caller.capabilities.details:
            return missing_capability({"elicitation": {"url": {}}})
        return InputRequired(questions)
    if era == "legacy" and method != "resources/read" and outcome.code == -32002:  # nor this one
        return _with_code(outcome, INVALID_PARAMS)
    if era == "legacy" and outcome.code in _OF_THE_MODERN_ERA and not _names_missing(outcome):
        return _with_code(outcome, INTERNAL_ERROR)
    if method == "resources/read" and outcome.code in (-32002, INVALID_PARAMS):
        wanted = REVISIONS[caller.revision].not_found
        if outcome.code != wanted and (outcome.code == -32002 or _names_uri(outcome)):
            return _with_code(outcome, wanted)
    return outcome


def _visits(outcome: Failure) -> dict[str, Question]:
    """The URLs a legacy server wants visited first, as the modern era asks: without their ids (and the call comes again
    when they were)."""
    try:
        visits = [split(each) for each in items(split(split(outcome.raw)["data"])["elicitations"])]
    except (ValueError, KeyError):
        return {}
    return {
        f"elicitation-{number}": Question(
            "elicitation/create", join({key: each[key] for key in each if key != "elicitationId"})
        )
        for number, each in enumerate(visits, 1)
    }


def unvisited(answers: Members, method: str) -> Result | Failure | None:
    """What a request comes to whose client answers that its user did not want to visit a URL; None when they did."""
    actions = [_action(answer) for answer in answers.values()]
    if not {"decline", "cancel"} & set(actions):
        return None
    told = "The user did not visit the URL that this request needs"
    if method != "tools/call":
        return Failure.of(INTERNAL_ERROR, told)
    return Result(encode({"content": [{"type": "text", "text": told}], "isError": True}), "legacy")


def _action(answer: Json) -> str | None:
    try:
        return text(split(answer).get("action"))
    except ValueError:
        return None


def asked_of_legacy(question: Question, id: str) -> Question:
    """A modern server's question for a legacy client: URLs to visit have an id there."""
    if question.method != "elicitation/create":
        return question
    try:
        params = split(question.params)
    except ValueError:
        return question
    if text(params.get("mode")) != "url" or "elicitationId" in params:
        return question
    return Question(question.method, join({**params, "elicitationId": quoted(id)}), question.progressed)


def asked_of_modern(question: Question) -> Question:
    """A legacy server's question for a modern client: URLs to visit have no id there."""
    if question.method != "elicitation/create" or b"elicitationId" not in question.params:
        return question
    params = split(question.params)
    params.pop("elicitationId", None)
    return Question(question.method, join(params), question.progressed)


def entry(members: Members, era: Era, caller: Era) -> Members:
    """A tool as a server of `era` lists it, for callers of another one."""
    if era == caller:
        return members
    lost = set()
    if "execution" in members:  # how to make a task of the call: tasks of one era are of no use in the other
        lost.add("execution")
    if caller == "legacy" and "outputSchema" in members and not _describes_object(members["outputSchema"]):
        lost.add("outputSchema")  # clients of that era refuse the whole list for it
    return {name: value for name, value in members.items() if name not in lost} if lost else members


def _describes_object(schema: Json) -> bool:
    try:
        return split(schema).get("type") == b'"object"'
    except ValueError:
        return False


def _names_uri(outcome: Failure) -> bool:
    return "uri" in _data(outcome)


def _names_missing(outcome: Failure) -> bool:
    """A server of two eras says this one alike in both, and in full: the client learns what to declare."""
    return outcome.code == MISSING_CAPABILITY and "requiredCapabilities" in _data(outcome)


def _data(outcome: Failure) -> Members:
    try:
        return split(split(outcome.raw).get("data", b""))
    except ValueError:
        return {}  # no data, or none that is an object


def _with_code(outcome: Failure, code: int) -> Failure:
    members = split(outcome.raw)
    members["code"] = b"%d" % code
    return Failure(code, outcome.message, join(members))


def missing_capability(needed: dict[str, Any]) -> Failure:
    """The request can't be served without asking the client what it did not declare to answer."""
    message = f"Missing required client capability: {', '.join(needed) or 'unknown'}"
    return Failure.of(MISSING_CAPABILITY, message, {"requiredCapabilities": needed})


def decline(question: Question) -> tuple[str, bytes]:
    """How to turn a question down for a client that can't be asked: ("result" or "error", raw)."""
    if question.method == "elicitation/create":
        return "result", b'{"action":"cancel"}'
    if question.method == "roots/list":
        return "error", Failure.of(-32601, "Roots not supported by the client").raw
    return "error", Failure.of(-32601, f"{question.method} is not supported by the client").raw
