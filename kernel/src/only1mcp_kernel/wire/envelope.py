"""JSON-RPC 2.0 envelopes: reading hostile bytes, writing exact ones.

Reading checks everything that must hold for any message: UTF-8, JSON that decoders can follow, duplicate members, the
envelope's own form. What params, results and errors say is for others; here they stay raw.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from only1mcp_kernel.wire import surrogates
from only1mcp_sdk import DuplicateMember, Json
from only1mcp_sdk.members import encode, items, split, text

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
NO_ID = b"null"
_ABSENT = b""
_BEGINS_ID = frozenset({b'"', b"-", *(b"%d" % digit for digit in range(10))})

MAX_BATCH = 100
RESPONSE = b'{"jsonrpc":"2.0","id":%b,"result":%b}'
"""A result for the request of an id."""


class Envelope(Struct, gc=False):
    """One message. Absent members are empty bytes; a request has `method` and `id`, a notification `method` alone,
    a response `id` and one of `result` and `error`."""

    id: Json = _ABSENT
    method: str = ""
    params: Json = _ABSENT
    result: Json = _ABSENT
    error: Json = _ABSENT
    name: str = ""
    """What a call is of, where that was read along."""


class BadMessage(Exception):
    """Bytes that are no JSON-RPC message. `id` is the message's where it could be read."""

    def __init__(self, code: int, message: str, id: bytes = NO_ID) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.id = id


class BadAnswer(BadMessage):
    """One that was meant as a response to the request of its id."""


def read(body: bytes) -> Envelope | list[Envelope | BadMessage]:
    """Read a message or a batch. Raises `BadMessage`; one within a batch does not cost the others."""
    _check_text(body)
    try:
        return _read_any(body)
    except BadMessage as bad:
        if bad.code != PARSE_ERROR or not surrogates.may_have(body):
            raise
    return _read_any(surrogates.well_formed(body))


def _read_any(body: bytes) -> Envelope | list[Envelope | BadMessage]:
    if body.lstrip(b" \t\r\n")[:1] == b"[":
        return _read_batch(body)
    return _read_one(body)


def _read_batch(body: bytes) -> list[Envelope | BadMessage]:
    try:
        parts = items(body)
    except msgspec.DecodeError as error:
        raise BadMessage(PARSE_ERROR, f"Parse error: {error}") from None
    if not parts:
        raise BadMessage(INVALID_REQUEST, "Invalid Request: an empty batch")
    if len(parts) > MAX_BATCH:
        raise BadMessage(INVALID_REQUEST, f"Invalid Request: a batch of more than {MAX_BATCH} messages")
    return [_read_part(part) for part in parts]


def _read_part(body: bytes) -> Envelope | BadMessage:
    try:
        return _read_one(body)
    except BadMessage as bad:
        return bad


def _read_one(body: bytes) -> Envelope:
    try:
        members = split(body)
    except DuplicateMember as error:
        raise BadMessage(INVALID_REQUEST, f"Invalid Request: {error}") from None
    except msgspec.ValidationError:
        raise BadMessage(INVALID_REQUEST, "Invalid Request: a message is a JSON object") from None
    except msgspec.DecodeError as error:
        raise BadMessage(PARSE_ERROR, f"Parse error: {error}") from None
    id = members.get("id", _ABSENT)
    answer = "method" not in members
    if id and id[:1] not in _BEGINS_ID and not (id == b"null" and answer and "error" in members):
        raise BadMessage(INVALID_REQUEST, "Invalid Request: id must be a string or a number")
    bad = BadAnswer if answer else BadMessage
    if members.get("jsonrpc") != b'"2.0"':
        raise bad(INVALID_REQUEST, 'Invalid Request: jsonrpc must be "2.0"', id or NO_ID)
    result, error_ = members.get("result", _ABSENT), members.get("error", _ABSENT)
    if answer:
        if not id or bool(result) == bool(error_):
            raise bad(INVALID_REQUEST, "Invalid Request: neither a request nor a response", id or NO_ID)
        return Envelope(id=id, result=result, error=error_)
    method = text(members["method"])
    if not method:
        raise BadMessage(INVALID_REQUEST, "Invalid Request: method must be a non-empty string", id or NO_ID)
    params = members.get("params", _ABSENT)
    if params and params[:1] != b"{":
        raise BadMessage(-32602, "Invalid params: params must be an object", id or NO_ID)
    return Envelope(id=id, method=method, params=params)


def _check_text(body: bytes) -> None:
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise BadMessage(PARSE_ERROR, f"Parse error: invalid UTF-8 at byte {error.start}") from None


def request(id: bytes, method: str, params: bytes) -> bytes:
    """A request; empty `params` are left out."""
    if not params:
        return b'{"jsonrpc":"2.0","id":' + id + b',"method":' + encode(method) + b"}"
    return b"".join(
        (b'{"jsonrpc":"2.0","id":', id, b',"method":', encode(method), b',"params":', params, b"}")
    )


def notification(method: str, params: bytes) -> bytes:
    """A notification; empty `params` are left out."""
    tail = b',"params":' + params + b"}" if params else b"}"
    return b'{"jsonrpc":"2.0","method":' + encode(method) + tail


def response(id: bytes, result: bytes) -> bytes:
    """A result for the request of this id."""
    return RESPONSE % (id, result)


def error(id: bytes, raw: bytes) -> bytes:
    """An error for the request of this id; `raw` is the error object."""
    return b'{"jsonrpc":"2.0","id":' + id + b',"error":' + raw + b"}"
