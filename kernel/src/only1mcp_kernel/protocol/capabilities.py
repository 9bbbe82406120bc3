"""Capabilities that clients and servers declare."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Any

import msgspec

from only1mcp_sdk import Capabilities, Json, Question
from only1mcp_sdk.members import split, text

ASKABLE = ("sampling", "elicitation", "roots")
QUESTION_CAPABILITY = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}
EVERYTHING = (
    b'{"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true},"sampling":{"context":{},"tools":{}}}'
)
"""What a link declares that stands for clients of every ability."""

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode  # any number will do: nobody reads them


def read_client(raw: Json) -> Capabilities:
    """Read a client's declaration. Raises `msgspec.ValidationError` when it is no object of objects."""
    if not raw or raw == b"{}":
        return _NONE
    return _read_known(raw) if len(raw) <= _LONG else _read(raw)


def _read(raw: Json) -> Capabilities:
    declared = _decode(raw)
    asks = [name for name in ASKABLE if isinstance(declared.get(name), dict)]
    details = [f"{name}.{member}" for name in asks for member in declared[name]]
    canonical = json.dumps(declared, sort_keys=True, separators=(",", ":"))
    group = "+".join([*sorted(asks), hashlib.sha256(canonical.encode()).hexdigest()[:8]])
    return Capabilities(raw, frozenset(asks), frozenset(details), group)


_NONE = Capabilities()
_LONG = 1000
_read_known = functools.lru_cache(maxsize=256)(_read)
"""Programs of one kind declare the same: thousands of sessions share a few of these."""


def may_ask(capabilities: Capabilities, question: Question) -> bool:
    """Whether a client that declared these can be asked this."""
    return lacking(capabilities, question) is None


def lacking(capabilities: Capabilities, question: Question) -> dict[str, Any] | None:
    """What a client would have to declare to be asked this; None when it has. `elicitation: {}` is the form mode alone
    (specification 2025-11-25, client/elicitation)."""
    needed = QUESTION_CAPABILITY.get(question.method)
    if question.method.startswith("tasks/"):
        return None if b'"tasks"' in capabilities.raw else {"tasks": {}}
    if needed is None:
        return {}
    detail = _detail(question)
    if needed not in capabilities.asks:
        return {needed: {detail: {}} if detail else {}}
    declared = {each for each in capabilities.details if each.startswith("elicitation.")}
    if detail == "form" and not declared & {"elicitation.form", "elicitation.url"}:
        return None
    if detail and f"{needed}.{detail}" not in capabilities.details:
        return {needed: {detail: {}}}
    return None


def _detail(question: Question) -> str:
    """The part of a capability that this very question needs."""
    if question.method == "roots/list":
        return ""
    try:
        params = split(question.params) if question.params else {}
    except ValueError:
        return ""
    if question.method == "elicitation/create":
        return "url" if text(params.get("mode")) == "url" else "form"
    return "tools" if "tools" in params or "toolChoice" in params else ""
