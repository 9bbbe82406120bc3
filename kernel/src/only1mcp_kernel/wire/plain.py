"""Plain messages, read in one decode: what nearly every request and every result looks like.

A message is plain when the members known here account for each of its bytes, so that nothing can be in it twice or go
unseen. Any other message is None here, and for `envelope` to read; what is read here reads the same there.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Raw, Struct

from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import Json, Members

_ABSENT = Raw(b"")
_SPACE = b" \t\r\n"


class _Params(Struct, frozen=True, gc=False):
    name: Raw = _ABSENT
    uri: Raw = _ABSENT
    arguments: Raw = _ABSENT
    meta: Raw = msgspec.field(default=_ABSENT, name="_meta")


_NO_PARAMS = _Params()


class _Request(Struct, gc=False):
    jsonrpc: Literal["2.0"]
    id: Raw
    method: Annotated[str, msgspec.Meta(min_length=1)]
    params: _Params = _NO_PARAMS


class _Result(Struct, gc=False):
    jsonrpc: Literal["2.0"]
    id: Raw
    result: Raw


_request = msgspec.json.Decoder(_Request).decode
_result = msgspec.json.Decoder(_Result).decode
# The bytes of compact JSON without what is in it.
_REQUEST = len(b'{"jsonrpc":"2.0","id":,"method":""}')
_PARAMS = len(b',"params":{}')
_CALL = len(b',"params":{"name":,"arguments":}')
_META = len(b',"_meta":')
_RESULT = len(b'{"jsonrpc":"2.0","id":,"result":}')
_BEGINS_ID = frozenset(b'"-0123456789')


def read_request(body: bytes) -> tuple[Envelope, Members] | None:
    """A request, and the members of its params. Its envelope has none."""
    if not (body.isascii() or _is_text(body)):
        return None
    try:
        read = _request(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    id, method, params = bytes(read.id), read.method, read.params
    if id[0] not in _BEGINS_ID:
        return None
    accounted = _REQUEST + len(id) + len(method)
    if params.arguments is not _ABSENT and params.uri is _ABSENT and params.name is not _ABSENT:
        name, arguments = bytes(params.name), bytes(params.arguments)
        members = {"name": name, "arguments": arguments}
        accounted += _CALL + len(name) + len(arguments)
        if params.meta is not _ABSENT:
            meta = members["_meta"] = bytes(params.meta)
            accounted += _META + len(meta)
    elif params is _NO_PARAMS:
        members = {}
    else:
        members = _members(params)
        accounted += _PARAMS + sum(len(key) + len(value) + 4 for key, value in members.items())
        accounted -= 1 if members else 0  # there is one comma less than there are members
    if accounted != len(body) and len(body) - accounted != _spaces_around(
        body, (id, method.encode(), *members.values())
    ):
        return None
    return Envelope(id, method), members


def _members(params: _Params) -> Members:
    named = {"name": params.name, "uri": params.uri, "arguments": params.arguments, "_meta": params.meta}
    return {key: bytes(value) for key, value in named.items() if value is not _ABSENT}


def read_result(body: bytes) -> tuple[int, Json] | None:
    """The number that a request of ours had, and its result."""
    if not (body.isascii() or _is_text(body)):
        return None
    try:
        read = _result(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    id, result = bytes(read.id), bytes(read.result)
    if not id.isdigit() or len(id) > 18:
        return None
    accounted = _RESULT + len(id) + len(result)
    if accounted != len(body) and len(body) - accounted != _spaces_around(body, (id, result)):
        return None
    return int(id), result


def _is_text(body: bytes) -> bool:
    """Whether it is UTF-8, which decoders do not look for in what they leave raw."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _spaces_around(body: bytes, values: tuple[bytes, ...]) -> int:
    """How many of its bytes are white space outside of these values, each of which is in it."""
    largest = max(values, key=len)
    size = len(largest)
    for tail in (2, 1):  # the usual place of a large one; looking for it would take longer
        if body[-size - tail : -tail] == largest:
            body = body[: -size - tail]
            values = tuple([value for value in values if value is not largest])
            break
    spaces = len(body) - len(body.translate(None, _SPACE))
    return spaces - sum([len(value) - len(value.translate(None, _SPACE)) for value in values])
