"""Sealed tokens: what goes through a client's hands and must come back as it left.

AEAD (AES-256-GCM) under a ring of keys. A token is bound to its purpose and to its principal, so that one principal's
token is noise to another, and a session id is no cursor.
"""

from __future__ import annotations

import base64
import os

import msgspec

PREFIX = "o1-"
_NONCE = 12


class BadSeal(Exception):
    """The token is not ours, not for this purpose or principal, or was tampered with. One message for all."""


class KeyRing:
    """Seals with its newest key and opens with any it still holds."""

    def __init__(self, keep: int = 2) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM
        self._keep = keep
        self._keys: list[AESGCM] = []
        self.rotate()

    def rotate(self) -> None:
        """Seal with a new key from now on, and forget the oldest one beyond those kept."""
        self._keys.insert(0, self._cipher(os.urandom(32)))
        del self._keys[self._keep :]

    def seal(self, purpose: str, principal: str, content: object) -> str:
        """A token of letters, digits, `-` and `_` for anything msgspec can encode."""
        nonce = os.urandom(_NONCE)
        sealed = self._keys[0].encrypt(nonce, msgspec.msgpack.encode(content), _binding(purpose, principal))
        return _spelled(nonce + sealed)

    def open(self, purpose: str, principal: str, token: str) -> list[str]:
        """What was sealed: a list of strings. Raises `BadSeal`."""
        from cryptography.exceptions import InvalidTag

        if not token.startswith(PREFIX) or not token.isascii():
            raise BadSeal
        try:
            blob = base64.urlsafe_b64decode(token[len(PREFIX) :] + "==")
        except ValueError:
            raise BadSeal from None
        # The decoder skips what is no letter of its own: a token has one spelling, and no other opens.
        if len(blob) < _NONCE + 16 or _spelled(blob) != token:
            raise BadSeal
        for key in self._keys:
            try:
                content = key.decrypt(blob[:_NONCE], blob[_NONCE:], _binding(purpose, principal))
            except InvalidTag:
                continue
            return msgspec.msgpack.decode(content, type=list[str])
        raise BadSeal


def _spelled(blob: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(blob).rstrip(b"=").decode()


def _binding(purpose: str, principal: str) -> bytes:
    return f"{purpose}\0{principal}".encode()
