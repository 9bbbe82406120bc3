"""The client face of the stateless revisions (2026-07-28): reading requests, writing answers.

Every request carries its revision and the client's capabilities in `_meta`; over HTTP, header fields repeat what
intermediaries route by, and must agree (specification 2026-07-28, basic/transports and basic/index).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache

import msgspec
from msgspec import Raw

from only1mcp_kernel.protocol.capabilities import read_client
from only1mcp_kernel.protocol.errors import STALE, Refused
from only1mcp_kernel.protocol.legacy import LEVELS
from only1mcp_kernel.protocol.meta import CAPABILITIES, LOG_LEVEL, PREFIX, VERSION, Said
from only1mcp_kernel.protocol.revisions import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    LEGACY,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    MODERN,
    UNSUPPORTED_VERSION,
)
from only1mcp_sdk import (
    Arrival,
    Caller,
    DuplicateMember,
    Failure,
    InputRequired,
    Json,
    Members,
    Principal,
    Result,
)
from only1mcp_sdk.members import encode, join, quoted, split, text

SERVER_INFO = PREFIX + "serverInfo"
SUBSCRIPTION_ID = PREFIX + "subscriptionId"

NAME_PARAM = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
"""The methods whose params name something, and by which member; repeated in the `Mcp-Name` header."""

CACHEABLE = frozenset(
    {
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
    }
)


def is_modern(headers: Mapping[str, str], said: Said) -> bool:
    """Whether a message is of this era: it says so in `_meta`, or in a header no legacy client sends."""
    if said.version:
        return True
    version = headers.get("mcp-protocol-version")
    return version is not None and version not in LEGACY and version >= MODERN[0]


def read_caller(method: str, name: str, said: Said, arrival: Arrival, principal: Principal) -> Caller:
    """The caller of a request, as the request itself tells. `name` is what the request names. Raises `Refused`."""
    revision = _revisions.get(bytes(said.version)) or text(bytes(said.version))
    if revision is None:
        raise Refused(400, INVALID_PARAMS, f"Invalid params: _meta must name the revision in {VERSION!r}")
    if arrival.headers:
        _check_headers(method, name, revision, arrival.headers)
    if revision not in MODERN:
        supported = {"supported": MODERN, "requested": revision}
        raise Refused(400, UNSUPPORTED_VERSION, f"Unsupported protocol version: {revision}", supported)
    declared = said.capabilities
    if not declared:
        raise Refused(400, INVALID_PARAMS, f"Invalid params: _meta must declare {CAPABILITIES!r}")
    info = said.client_info
    small = len(declared) + len(info) < _REMEMBERED_BYTES
    caller = _known_caller if small else _caller
    try:
        return caller(principal, revision, arrival.profile, bytes(declared), bytes(info), arrival.context)
    except msgspec.ValidationError:
        raise Refused(400, INVALID_PARAMS, f"Invalid params: {CAPABILITIES!r} must be an object") from None


def _caller(
    principal: Principal, revision: str, profile: str, declared: bytes, info: bytes, context: str
) -> Caller:
    return Caller(principal, "modern", revision, profile, read_client(declared), info, context=context)


_revisions = {quoted(each): each for each in MODERN}
_REMEMBERED_BYTES = 4096
_known_caller = lru_cache(1024)(_caller)
"""A client says the same of itself with each request."""


def _check_headers(method: str, name: str, revision: str, headers: Mapping[str, str]) -> None:
    version = headers.get("mcp-protocol-version")
    if version != revision:
        said = "is missing" if version is None else f"says {version!r}"
        raise Refused(
            400, HEADER_MISMATCH, f"Header mismatch: MCP-Protocol-Version {said}, _meta {revision!r}"
        )
    if headers.get("mcp-method") != method:
        raise Refused(400, HEADER_MISMATCH, f"Header mismatch: Mcp-Method must be {method!r}")
    said_name = headers.get("mcp-name")
    if name and said_name != name and method in NAME_PARAM and decoded_value(said_name) != name:
        raise Refused(
            400, HEADER_MISMATCH, f"Header mismatch: Mcp-Name must equal params.{NAME_PARAM[method]}"
        )


def decoded_value(value: str | None) -> str | None:
    """What a header field says, out of the base64 form; None when that is malformed."""
    if value is None or not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def header_value(value: str) -> str:
    """A value as a header field may carry it: plain, or in the base64 form."""
    if (
        value.isascii()
        and value.isprintable()
        and value == value.strip()
        and not value.startswith("=?base64?")
    ):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def read_answers(params: Members) -> tuple[Members | None, str | None]:
    """A retry's `inputResponses` and `requestState`. Raises `Refused` when they are malformed."""
    answers = params.get("inputResponses")
    state = params.get("requestState")
    if state is not None and text(state) is None:
        raise Refused(400, INVALID_PARAMS, "Invalid params: requestState must be a string")
    if answers is None:
        return None, text(state)
    try:
        return split(answers), text(state)
    except (msgspec.DecodeError, DuplicateMember):
        raise Refused(400, INVALID_PARAMS, "Invalid params: inputResponses must be an object") from None


def read_level(raw: Json) -> str:
    """A request's log level. Raises `Refused` when it is none."""
    level = text(raw)
    if level not in LEVELS:
        raise Refused(
            400, INVALID_PARAMS, f"Invalid params: {LOG_LEVEL!r} must be one of {', '.join(LEVELS)}"
        )
    return level


def status_of(failure: Failure) -> int:
    """The HTTP status of an error answer."""
    if failure.code == METHOD_NOT_FOUND:
        return 404
    if failure.code in (HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION) or failure == STALE:
        return 400
    return 200


def write_result(method: str, result: Result) -> bytes:
    """A result as a modern client expects it. One that comes from a modern server is left as it is."""
    if result.era == "modern":
        return result.raw
    members = split(result.raw)
    members.setdefault("resultType", b'"complete"')
    if method in CACHEABLE:
        members.setdefault("ttlMs", b"0")
        members.setdefault("cacheScope", b'"private"')
    return join(members)


def write_input_required(outcome: InputRequired) -> bytes:
    """Questions as a result; the server's own bytes where a modern server asked."""
    if outcome.raw:
        return outcome.raw
    requests = {
        key: {"method": question.method, **({"params": Raw(question.params)} if question.params else {})}
        for key, question in outcome.questions.items()
    }
    result: dict[str, object] = {"resultType": "input_required", "inputRequests": requests}
    if outcome.state is not None:
        result["requestState"] = outcome.state
    return encode(result)
