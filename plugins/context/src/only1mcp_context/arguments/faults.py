"""What is wrong with a call."""

from __future__ import annotations

from msgspec import Struct


class Fault(Struct, frozen=True):
    message: str
    """A sentence or more that a model can act on: where, and what is expected there."""
