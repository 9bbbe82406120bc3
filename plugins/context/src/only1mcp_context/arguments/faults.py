"""What is wrong with a call, in words that a model can act on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jsonschema_rs import ValidationError, ValidationErrorKind
from msgspec import Struct

LONGEST = 300
"""Characters about one thing."""
_TAIL = 100
_DEEPEST = 3
_PLAIN = re.compile(r"[A-Za-z_$][\w$-]*\Z")
_Kind = ValidationErrorKind


class Fault(Struct, frozen=True):
    message: str
    """A sentence or more that a model can act on: where, and what is expected there."""


def told(error: ValidationError) -> str:
    """Where something is wrong, and what."""
    for _ in range(_DEEPEST):
        error = _nearest(error) or error
    said = error.message
    if len(said) > LONGEST:
        said = f"{said[: LONGEST - _TAIL]}\u2026{said[-_TAIL:]}"
    return f"{_path(error.instance_path)}: {said}" if error.instance_path else said


def _path(steps: Sequence[str | int]) -> str:
    shown = ""
    for step in steps:
        if isinstance(step, int):
            shown += f"[{step}]"
        elif _PLAIN.match(step):
            shown += f".{step}" if shown else step
        else:
            shown += f"[{step[:64]!r}]"
    return shown


def _nearest(error: ValidationError) -> ValidationError | None:
    """Of alternatives none of which fits, the fault in the only one that is of the right kind."""
    kind = error.kind
    if not isinstance(kind, _Kind.AnyOf | _Kind.OneOfNotValid):
        return None
    level = len(error.instance_path)
    close = [
        faults for faults in kind.context if faults and not any(_is_other(each, level) for each in faults)
    ]
    return close[0][0] if len(close) == 1 else None


def _is_other(error: ValidationError, level: int) -> bool:
    """Whether what is wrong is that this is another kind of thing altogether."""
    deeper = len(error.instance_path) - level
    if isinstance(error.kind, _Kind.Constant | _Kind.Enum):
        return deeper <= 1
    return isinstance(error.kind, _Kind.Type) and deeper == 0
