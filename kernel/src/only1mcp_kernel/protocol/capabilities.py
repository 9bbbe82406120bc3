"""Capabilities that clients and servers declare."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from only1mcp_sdk import Capabilities, Json

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


def read_client(raw: Json) -> Capabilities:
    """Read a client's declaration. Raises `msgspec.ValidationError` when it is no object of objects."""
    if not raw or raw == b"{}":
        return Capabilities()
    declared = msgspec.json.decode(raw, type=dict[str, Any])
    asks = [name for name in ASKABLE if isinstance(declared.get(name), dict)]
    details = [f"{name}.{member}" for name in asks for member in declared[name]]
    canonical = json.dumps(declared, sort_keys=True, separators=(",", ":"))
    group = "+".join([*sorted(asks), hashlib.sha256(canonical.encode()).hexdigest()[:8]])
    return Capabilities(raw, frozenset(asks), frozenset(details), group)


def may_ask(capabilities: Capabilities, method: str) -> bool:
    """Whether a client that declared these can be asked this."""
    return QUESTION_CAPABILITY.get(method) in capabilities.asks
