"""What the `_meta` of a request says, as far as the gateway wants to know. The rest of it is nobody's business here."""

from __future__ import annotations

from itertools import compress

import msgspec
from msgspec import Raw, Struct, field

from only1mcp_sdk import Json
from only1mcp_sdk.members import split

PREFIX = "io.modelcontextprotocol/"
VERSION = PREFIX + "protocolVersion"
CAPABILITIES = PREFIX + "clientCapabilities"
CLIENT_INFO = PREFIX + "clientInfo"
LOG_LEVEL = PREFIX + "logLevel"
RELATED_TASK = PREFIX + "related-task"
RELATED_TASK_BYTES = RELATED_TASK.encode()
"""What a `_meta` that says this contains; cheaper to look for than to take it apart."""

PER_REQUEST = frozenset({VERSION, CAPABILITIES, CLIENT_INFO, LOG_LEVEL})
"""What requests of the modern era alone carry."""

_ABSENT = Raw(b"")


class Said(Struct, gc=False):
    """JSON values; empty where something is not said."""

    version: Raw = field(default=_ABSENT, name=VERSION)
    capabilities: Raw = field(default=_ABSENT, name=CAPABILITIES)
    client_info: Raw = field(default=_ABSENT, name=CLIENT_INFO)
    progress_token: Raw = field(default=_ABSENT, name="progressToken")
    # Nobody asks for these three, but most of what comes has one of them, and has nothing else then.
    traceparent: Raw = _ABSENT
    tracestate: Raw = _ABSENT
    baggage: Raw = _ABSENT
    log_level: Raw = field(default=_ABSENT, name=LOG_LEVEL)
    related_task: Raw = field(default=_ABSENT, name=RELATED_TASK)


NOTHING = Said()
_TRACED, _QUOTES = b'{"traceparent":"', 4
"""How one begins, and what is in it, that says where the request stands in a trace and nothing else."""
_decode = msgspec.json.Decoder(Said).decode
_BESIDE = tuple(len(each.encode_name) + len(b'"":,') for each in msgspec.structs.fields(Said))
"""The bytes of compact JSON that each member takes beside its value."""


def read_meta(raw: Json) -> Said:
    """Raises `ValueError` for what is no object, or has a member twice."""
    if raw.startswith(_TRACED) and raw.count(b'"') == _QUOTES:
        return NOTHING
    try:
        said = _decode(raw)
    except RecursionError:
        raise msgspec.DecodeError("JSON is malformed: it is nested too deeply") from None
    values = msgspec.structs.astuple(said)
    if 1 + sum(map(len, values)) + sum(compress(_BESIDE, values)) != len(raw):
        split(raw)  # there is more in it, which may be the same once more
    return said
