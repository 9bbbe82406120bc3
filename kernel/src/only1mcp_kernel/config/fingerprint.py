"""Tell whether two configurations of the same thing differ. Values, secrets included, enter only hashed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import SecretBytes, SecretStr

from only1mcp_kernel.config.model import Component


def essence(component: Component | None) -> Any:
    """What makes a component that one and no other, wherever it stands; only ever to be hashed."""
    if component is None:
        return None
    return [component.kind, component.use, component.options.model_dump()]


def digest(value: Any) -> str:
    """32 hexadecimal digits for anything made of `essence` and JSON values; the order of keys does not matter."""
    text = json.dumps(value, sort_keys=True, default=_reveal)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _reveal(value: Any) -> Any:
    # The repr of a secret is the same for all of them.
    if isinstance(value, SecretStr | SecretBytes):
        return repr(value.get_secret_value())
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    return repr(value)
