"""Plain messages, read in one decode and written in one go: what nearly every request and every result looks like.

A message is plain when the members known here account for each of its bytes, so that nothing can be in it twice or go
unseen. Any other message is None here, and for `envelope` to read; what is read here reads the same there.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Raw, Struct

from only1mcp_kernel.wire.envelope import Envelope, request
from only1mcp_sdk import Json, Members
from only1mcp_sdk.members import join, text

_ABSENT = Raw(b"")


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
    id: Annotated[int, msgspec.Meta(ge=0)]
    result: Raw


_request = msgspec.json.Decoder(_Request).decode
_result = msgspec.json.Decoder(_Result).decode
# The bytes of compact JSON without what is in it.
_REQUEST = len(b'{"jsonrpc":"2.0","id":,"method":""}')
_PARAMS = len(b',"params":{}')
_CALL = _REQUEST + len(b',"params":{"name":,"arguments":}')
_META = len(b',"_meta":')
_RESULT = len(b'{"jsonrpc":"2.0","id":,"result":}')
_BEGINS_ID = frozenset(b'"-0123456789')
_SHORT = 80
_MAX_NAMES = 4096
_names: dict[Json, str] = {}
"""Most names come again and again."""


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
    name, arguments, meta = bytes(params.name), bytes(params.arguments), bytes(params.meta)
    if not (name and arguments):
        return _other(body, id, method, params, meta)
    # A call; of anything else that has both, not everything would be accounted for.
    spaces = len(body) - _CALL - len(id) - len(method) - len(name) - len(arguments)
    if meta:
        spaces -= _META + len(meta)
        members = {"name": name, "arguments": arguments, "_meta": meta}
    else:
        members = {"name": name, "arguments": arguments}
    if spaces and not _spaced(body, spaces, arguments, b"}}", id + method.encode() + name + meta):
        return None
    known = _names.get(name)
    return Envelope(id, method, name=_named(name) if known is None else known), members


def _other(
    body: bytes, id: Json, method: str, params: _Params, meta: Json
) -> tuple[Envelope, Members] | None:
    """What is no call."""
    spaces = len(body) - _REQUEST - len(id) - len(method)
    members: Members = {}
    rest = meta
    if params is _NO_PARAMS:
        pass
    elif params.uri is _ABSENT and params.name is _ABSENT and meta:  # a list, for one
        members = {"_meta": meta}
        spaces -= _PARAMS + _META - 1 + len(meta)  # there is one comma less than there are members
    else:
        named = {"name": params.name, "uri": params.uri, "_meta": params.meta}
        members = {key: bytes(value) for key, value in named.items() if value is not _ABSENT}
        rest = b"".join(members.values())
        spaces -= _PARAMS + sum(len(key) + len(b'"":,') for key in members) + len(rest)
        spaces += 1 if members else 0
    if spaces and not _spaced(body, spaces, b"", b"}}", id + method.encode() + rest):
        return None
    return Envelope(id, method), members


def _named(name: Json) -> str:
    """The name as text, for next time, too; empty where that is for others to read."""
    if len(name) >= _SHORT:
        return ""
    if len(_names) >= _MAX_NAMES:
        _names.clear()
    called = _names[name] = text(name) or ""
    return called


def read_result(body: bytes) -> tuple[int, Json] | None:
    """The number that a request of ours had, and its result."""
    if not (body.isascii() or _is_text(body)):
        return None
    try:
        read = _result(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    id, result = read.id, bytes(read.result)
    accounted = _RESULT + len(b"%d" % id) + len(result)
    if accounted != len(body) and not _spaced(body, len(body) - accounted, result, b"}", b""):
        return None
    return id, result


def _is_text(body: bytes) -> bool:
    """Whether it is UTF-8, which decoders do not look for in what they leave raw."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def write_request(id: int, method: str, params: Members, member: str | None, value: Json | None) -> bytes:
    """A request of ours with these params, but that `member` is `value`; None for the params as they are."""
    if method == "tools/call" and "arguments" in params and "name" in params:
        if len(params) == 2:
            return _call % (id, value, params["arguments"])
        if len(params) == 3 and "_meta" in params:
            return _call_with_meta % (id, value, params["arguments"], params["_meta"])
    if member is not None and value is not None:
        params = {**params, member: value}
    return request(b"%d" % id, method, join(params) if params else b"")


_call = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%b,"arguments":%b}}'
_call_with_meta = _call[:-2] + b',"_meta":%b}}'


def _spaced(body: bytes, spaces: int, last: bytes, end: bytes, others: bytes) -> bool:
    """Whether so many spaces are all that is in it besides its parts and what goes around them: `last` is where it
    ends but for `end`, as a rule, and the others come before. Quick, and no often enough; yes is certain."""
    tail = len(body) - len(end)
    if body.endswith(last, 0, tail) and body.endswith(end):
        # Usually it is the largest: its own spaces need not be counted.
        return body.count(b" ", 0, tail - len(last)) == spaces + others.count(b" ")
    return body.count(b" ") == spaces + others.count(b" ") + last.count(b" ")
