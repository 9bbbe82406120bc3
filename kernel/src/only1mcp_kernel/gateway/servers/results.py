"""What a server's result comes to, for the client it is meant for."""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw, Struct

from only1mcp_kernel.protocol import bridge, tasks
from only1mcp_kernel.protocol.capabilities import lacking
from only1mcp_sdk import Era, Exchange, Failure, InputRequired, Json, Outcome, Question, Result

MAX_QUESTIONS = 64
"""How many questions of one call may be open at its client."""

_COMPLETE = re.compile(rb'\{\s*"resultType"\s*:\s*"complete"\s*[,}]')


class Unfit(Exception):
    """It is of no use; why, in words that follow the server's name."""


class _Head(Struct):
    resultType: str = "complete"


class _Asked(Struct):
    method: str
    params: Raw = Raw(b"")


class _InputRequired(Struct):
    inputRequests: dict[str, _Asked] = {}
    requestState: str | None = None


_head = msgspec.json.Decoder(_Head).decode
_input_required = msgspec.json.Decoder(_InputRequired).decode


def begins_complete(start: bytes, begin: int) -> bool:
    """Whether the result that begins there says at once that it is complete."""
    return _COMPLETE.match(start, begin) is not None


def read_result(raw: Json, era: Era, exchange: Exchange, *, task: bool) -> Outcome:
    """A result from a server of this era. `task`: one that tells of a task is expected. Raises `Unfit`."""
    if raw[:1] != b"{":
        raise Unfit("answered with a result that is no object")
    if era == "legacy":
        return Result(raw, "legacy")
    try:
        kind = _head(raw).resultType
        if kind == "complete":  # nearly every one
            return Result(raw, "modern")
        if kind == "task" and not task:
            return _no_task(exchange)
        if kind not in ("task", "input_required") and exchange.caller.era == "legacy":
            raise Unfit(f"answered with a result of a type that is unknown: {kind[:50]!r}")
        if kind != "input_required":
            return Result(raw, "modern")
        asked = _input_required(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unfit(f"answered with a malformed result: {error}") from None
    questions = {key: Question(one.method, bytes(one.params)) for key, one in asked.inputRequests.items()}
    if exchange.caller.era == "legacy" and len(questions) > MAX_QUESTIONS:
        raise Unfit(f"asks for more than {MAX_QUESTIONS} things at once")
    if exchange.caller.era == "modern":
        for question in questions.values():
            needed = lacking(exchange.caller.capabilities, question)
            if needed is not None:  # the server had no right to ask
                return bridge.missing_capability(needed)
    return InputRequired(questions, asked.requestState, raw)


def _no_task(exchange: Exchange) -> Failure:
    """The server made a task though nobody declared to take one."""
    if exchange.caller.era == "modern" and exchange.method == "tools/call":
        return tasks.UNDECLARED
    raise Unfit("answered with a task, which this request has no use for")
