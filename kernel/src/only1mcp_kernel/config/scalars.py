"""What unquoted text means: YAML 1.2, the core schema of the specification (section 10.3)."""

from __future__ import annotations

import re
import sys

from only1mcp_kernel.config.document import Scalar

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_ENDLESS = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")


def plain_scalar(text: str) -> Scalar:
    """What unquoted text means. Raises `ValueError` for numbers that JSON has no word for."""
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() == "true"
    if _OCTAL.match(text):
        return int(text[2:], 8)
    if _HEX.match(text):
        return int(text[2:], 16)
    if _INT.match(text):
        if len(text) > sys.int_info.str_digits_check_threshold:
            raise ValueError("this number is too long")
        return int(text)
    if _FLOAT.match(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError("this number is too large")
        return number
    if _ENDLESS.match(text):
        raise ValueError("numbers have to be finite")
    return text
