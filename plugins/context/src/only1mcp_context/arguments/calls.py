"""What a call of a wrapper stands for: `{name, arguments, select}`, and what models make of that."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from only1mcp_context.arguments.faults import Fault
from only1mcp_sdk import Json
from only1mcp_sdk.members import join, split, text

_EMPTY = b"{}"
_OWN = frozenset({"name", "arguments", "select"})
_CALL = frozenset({"name", "arguments"})


class WrappedCall(Struct, frozen=True):
    """A tool to call, its arguments as raw JSON, and what is wanted of its result."""

    name: str
    arguments: Json = _EMPTY
    select: str = ""


class _AsMeant(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: Raw = Raw(_EMPTY)
    select: str = ""


_read = msgspec.json.Decoder(_AsMeant).decode


def repaired_call(raw: Json) -> WrappedCall | Fault:
    """The call in the arguments of a wrapper."""
    try:
        meant = _read(raw)
    except (ValueError, RecursionError):
        return _odd(raw)
    arguments = bytes(meant.arguments)
    if arguments[:1] != b"{":
        found = _object(arguments)
        if found is None:
            return Fault(f"`arguments` should be an object, not {_shown(arguments)}")
        arguments = found
    return WrappedCall(meant.name, arguments, meant.select)


def _odd(raw: Json) -> WrappedCall | Fault:
    """All of it as text, or the arguments beside the name in place of within `arguments`."""
    found = _object(raw)
    if found is None:
        return Fault('write {"name": "the tool", "arguments": {...}}')
    try:
        members = split(found)
    except ValueError as error:
        return Fault(str(error))
    name = text(members.get("name"))
    if name is None:
        return Fault("`name` is missing: which tool to call, as text")
    if "arguments" in members:
        unknown = sorted(members.keys() - _OWN)
        if unknown:
            return Fault(f"there is no {unknown[0]!r} beside `arguments`: put it into them")
        arguments = _object(members["arguments"])
        if arguments is None:
            return Fault(f"`arguments` should be an object, not {_shown(members['arguments'])}")
    else:
        arguments = join({key: value for key, value in members.items() if key not in _OWN})
    select = text(members.get("select"))
    if select is None and members.get("select") not in (None, b"null"):
        return Fault("`select` should be text")
    return WrappedCall(name, arguments, select or "")


def unwrapped(raw: Json, name: str) -> Json | None:
    """The arguments within arguments that are a whole call once more: `{name, arguments}`, or `{arguments}` alone. The
    name is that of the tool that is called, or what its server calls it."""
    if b'"arguments"' not in raw:
        return None
    try:
        inner = split(raw)
        said = text(inner.get("name"))
    except ValueError:
        return None
    if "arguments" not in inner or not inner.keys() <= _CALL or ("name" in inner) != bool(said):
        return None
    return _object(inner["arguments"]) if said is None or name.endswith(said) else None


def _object(raw: Json) -> Json | None:
    """An object, where this is one or the text of one. No arguments at all are an empty one."""
    raw = raw.strip()
    if raw[:1] == b'"':
        try:
            raw = (text(raw) or "").strip().encode()
        except ValueError:
            return None
    if raw in (b"", b"null"):
        return _EMPTY
    if raw[:1] != b"{":
        return None
    try:
        msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None
    return raw


def _shown(raw: Json) -> str:
    shown = raw.decode(errors="replace")
    return shown if len(shown) <= 80 else shown[:79] + "\u2026"
