"""What clients send, read as far as the gate has to know it."""

from __future__ import annotations

from typing import TypeAlias

from only1mcp_kernel.protocol.meta import NOTHING, Said, read_meta
from only1mcp_kernel.protocol.modern import NAME_PARAM
from only1mcp_kernel.protocol.revisions import INVALID_PARAMS
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import BadMessage, Envelope
from only1mcp_kernel.wire.plain import read_request
from only1mcp_sdk import Members
from only1mcp_sdk.members import split, text

Opened: TypeAlias = tuple[Envelope, Members, Said]
"""A message, the members of its params, and what their `_meta` says."""


def read_message(body: bytes) -> Opened | list[Envelope | BadMessage]:
    """A message or a batch. Raises `BadMessage`."""
    plain = read_request(body)
    if plain is None:
        read = wire.read(body)
        return read if isinstance(read, list) else open_params(read)
    message, params = plain
    if "_meta" not in params:
        return message, params, NOTHING
    try:
        return message, params, read_meta(params["_meta"])
    except ValueError as error:
        raise _bad(message, error) from None


def open_params(message: Envelope) -> Opened:
    """Raises `BadMessage`."""
    try:
        params = split(message.params) if message.params else {}
        return message, params, read_meta(params["_meta"]) if "_meta" in params else NOTHING
    except ValueError as error:
        raise _bad(message, error) from None


def _bad(message: Envelope, error: ValueError) -> BadMessage:
    return BadMessage(INVALID_PARAMS, f"Invalid params: {error}", message.id or wire.NO_ID)


def subject(message: Envelope, params: Members) -> str:
    """What a request names: a tool, a prompt, a URI or a task; empty where it names nothing."""
    method = message.method
    member = NAME_PARAM.get(method) or ("uri" if method.startswith("resources/") else "name")
    return message.name or text(params.get(member)) or ""
