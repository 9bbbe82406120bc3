"""Halves of surrogate pairs in JSON strings.

RFC 8259 (section 8.2) allows escapes that spell half a character, and servers written in JavaScript send them when
they cut a text in the middle of an emoji. No decoder of ours takes them, nor does UTF-8. A message is not lost for
that: such a half becomes U+FFFD, which is what encoders make of it.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


def may_have(body: bytes) -> bool:
    """Whether there are surrogates at all; quick."""
    return b"\\ud" in body or b"\\uD" in body


def well_formed(body: bytes) -> bytes:
    """The text with U+FFFD in place of each half; everything else as it is, and where it is."""
    return _ESCAPES.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)
