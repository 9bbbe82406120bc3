"""JSON (RFC 8259) into a tree. Our own reader because the standard library's keeps no positions."""

from __future__ import annotations

import json
import math
import re
import sys
from bisect import bisect_right

from only1mcp_kernel.config.document import Builder, Node, Scalar, refuse
from only1mcp_kernel.config.problems import ConfigError

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")
      | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)
      | (?P<word>true|false|null)
      | (?P<mark>[][{},:])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None}


def read_json(text: str, file: str) -> Node:
    """Raises `ConfigError`, with every duplicate key, or with the first thing that can't be read."""
    reader = _Reader(text, file)
    reader.read()
    if reader.tree.problems:
        raise ConfigError(reader.tree.problems)
    assert reader.tree.root is not None
    return reader.tree.root


class _Reader:
    def __init__(self, text: str, file: str) -> None:
        self.tree = Builder(file)
        self._text = text
        self._file = file
        self._at = 0
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def read(self) -> None:
        """The grammar as a loop: `closers` holds what closes the containers that are open."""
        closers: list[str] = []
        while True:
            kind, token = self._next()
            if token in ("{", "["):
                self.tree.begin(token == "{", *self._place(self._start))
                closer = "}" if token == "{" else "]"
                if self._peek() == closer:
                    self._next()
                    self.tree.end()
                else:
                    closers.append(closer)
                    self._key(closer)
                    continue
            else:
                self.tree.scalar(self._scalar(kind, token), *self._place(self._start))
            while closers and self._peek() == closers[-1]:
                self._next()
                closers.pop()
                self.tree.end()
            kind, token = self._next()
            if not closers:
                if kind != "end":
                    raise self._unexpected("the end of the file")
                return
            if token != ",":
                raise self._unexpected(f"a comma or {closers[-1]}")
            self._key(closers[-1])

    def _key(self, closer: str) -> None:
        """In an object, read the key of the next member."""
        if closer != "}":
            return
        kind, token = self._next()
        if kind != "string":
            raise self._unexpected("a key in double quotes")
        key = self._scalar(kind, token)
        assert isinstance(key, str)
        self.tree.key(key, *self._place(self._start))
        if self._next()[1] != ":":
            raise self._unexpected("a colon")

    def _scalar(self, kind: str, token: str) -> Scalar:
        if kind == "word":
            return _WORDS[token]
        if kind == "string":
            try:
                return str(json.loads(token))
            except ValueError:
                raise self._refuse("this text holds a bad escape") from None
        if kind == "number":
            if len(token) > sys.int_info.str_digits_check_threshold:
                raise self._refuse("this number is too long")
            number = json.loads(token)
            if isinstance(number, float) and math.isinf(number):
                raise self._refuse("this number is too large")
            return int(number) if isinstance(number, int) else float(number)
        raise self._unexpected("a value")

    def _next(self) -> tuple[str, str]:
        found = _TOKEN.match(self._text, self._at)
        if found is None or found.lastgroup is None:
            space = re.compile(r"[ \t\r\n]*").match(self._text, self._at)
            self._start = space.end() if space else self._at
            raise self._unexpected("a value")
        kind = found.lastgroup
        self._start, self._at = found.span(kind)
        return kind, found[kind]

    def _peek(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        return found[found.lastgroup] if found and found.lastgroup else ""

    def _place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def _unexpected(self, wanted: str) -> ConfigError:
        rest = self._text[self._start : self._start + 1]
        return self._refuse(
            f"not JSON: expected {wanted}, found {repr(rest) if rest else 'the end of the file'}"
        )

    def _refuse(self, message: str) -> ConfigError:
        return refuse(self._file, *self._place(self._start), message)
