"""A large result in pieces: found at the beginning of a response, followed to its end, never decoded.

What has to hold is checked all the same: that the response is the one to this request, and that what is taken for the
result is one JSON object with nothing after it. Otherwise a server could put members of its own choice beside it, and
make another message of the answer.
"""

from __future__ import annotations

import re

import msgspec

HELD = 1024
"""Bytes that are held back until the end is known. What follows a result is less."""
MAX_DEPTH = 512
_MEMBER = rb'"(?:jsonrpc|id)"\s*:\s*(?:"2\.0"|[0-9]{1,19})'
_HEAD = re.compile(rb"\s*\{\s*((?:" + _MEMBER + rb'\s*,\s*)*)"result"\s*:\s*(?=\{)')
_TAIL = re.compile(rb"((?:\s*,\s*" + _MEMBER + rb")*)\s*\}\s*")
_PAIR = re.compile(rb'"(jsonrpc|id)"\s*:\s*("2\.0"|[0-9]+)')
_OPEN = ord("[")
_QUOTE = ord('"')
_BACKSLASH = ord("\\")
_skip = msgspec.json.Decoder(msgspec.Raw).decode
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class Malformed(Exception):
    """It is no response to this request, or its result is no JSON object."""


class Splice:
    """The result within the response to the request of one id. `begin`, `advance` any number of times, `finish`."""

    __slots__ = ("_depth", "_escaped", "_head", "_id", "_in_string")

    def __init__(self, id: int) -> None:
        self._id = b"%d" % id
        self._head = b""
        self._depth = 0
        self._in_string = False
        self._escaped = False
        """In a string, right behind a backslash."""

    def begin(self, start: bytes) -> int | None:
        """Where the result begins in the first bytes of the response; None where that can't be told, or where it is
        made of so many strings that decoding it is quicker."""
        found = _HEAD.match(start, 0, HELD)
        if found is None or start.count(b'"') > 64 + len(start) // 32:
            return None
        self._head = found[1]
        return found.end()

    def advance(self, piece: bytes, end: int) -> None:
        """The piece up to `end` belongs to the result, and that goes on. Raises `Malformed` where it does not."""
        if self._in_string and self._stays_in_string(piece, end):
            return
        piece = self._without_escapes(piece if end == len(piece) else piece[:end])
        position = 0
        while position < end:
            quote = piece.find(b'"', position)
            stop = end if quote < 0 else quote
            if not self._in_string:
                self._brackets(piece[position:stop])
            if quote >= 0:
                self._in_string = not self._in_string
            position = stop + 1

    def _stays_in_string(self, piece: bytes, end: int) -> bool:
        """Whether the string goes on from the beginning of the piece to its end. False too where it can't tell
        quickly."""
        begin = 1 if self._escaped else 0
        stop = end
        while stop > begin and piece[stop - 1] == _BACKSLASH:
            stop -= 1
        if piece.find(b'"', 0, end) >= 0:
            if piece.find(b"\\", 0, stop) < 0:
                return False
            try:  # a decoder finds that out sooner than anything else
                _skip(b"".join((b'"', memoryview(piece)[begin:stop], b'"')))
            except msgspec.DecodeError:
                return False
        self._escaped = (end - stop) % 2 == 1
        return True

    def finish(self, last: bytes) -> int:
        """Where the result ends in the last bytes of the response. Raises `Malformed`."""
        end = self._closing(last)
        tail = _TAIL.fullmatch(last, end)
        if tail is None:
            raise Malformed("the end of the answer is malformed")
        members = _PAIR.findall(self._head) + _PAIR.findall(tail[1])
        if sorted(members) != [(b"id", self._id), (b"jsonrpc", b'"2.0"')]:
            raise Malformed("the answer is no JSON-RPC, or one to another request")
        return end

    def _without_escapes(self, piece: bytes) -> bytes:
        """As long as it was, with no quotes left but those where strings begin and end."""
        if self._escaped:
            piece = b"." + piece[1:]
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"..").replace(b'\\"', b"..")
        self._escaped = piece[-1:] == b"\\"
        return piece

    def _brackets(self, text: bytes) -> None:
        """Count those of a text between strings."""
        brackets = text.translate(_ONE_KIND, _NOT_BRACKETS)
        opened = brackets.count(b"[")
        if self._depth > len(brackets) - opened and self._depth + opened <= MAX_DEPTH:
            self._depth += 2 * opened - len(brackets)
            return
        for bracket in brackets:
            self._depth += 1 if bracket == _OPEN else -1
            if not 0 < self._depth <= MAX_DEPTH:
                raise Malformed("something follows the result" if not self._depth else "nested too deeply")

    def _closing(self, last: bytes) -> int:
        """The offset behind the bracket that closes the result."""
        text = self._without_escapes(last)
        position = 0
        while position < len(text):
            quote = text.find(b'"', position)
            stop = len(text) if quote < 0 else quote
            if not self._in_string:
                between = text[position:stop]
                if between.count(b"}") + between.count(b"]") < self._depth:
                    self._brackets(between)
                else:
                    closing = self._closing_in(between)
                    if closing is not None:
                        return position + closing
            if quote >= 0:
                self._in_string = not self._in_string
            position = stop + 1
        raise Malformed("the answer ends early")

    def _closing_in(self, text: bytes) -> int | None:
        """The same of a text between strings; None where it is not in there."""
        for position, byte in enumerate(text):
            if byte in b"[{":
                self._depth += 1
            elif byte in b"]}":
                self._depth -= 1
                if not self._depth:
                    return position + 1
        return None
