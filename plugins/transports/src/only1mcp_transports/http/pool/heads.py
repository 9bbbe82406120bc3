"""Heads of answers, read. llhttp decides what is a correct head; what it lets pass and we do not is refused here.

RFC 9112, sections 2.2, 4, 5 and 6. Whatever is doubtful about where an answer ends is refused: it might be taken for
two answers, and the second one be given to somebody else.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from only1mcp_transports.http.lane import Head

LONGEST = 32 * 1024
"""Bytes of a head."""
_KNOWN = 256
_REMEMBERED = 1024
_VERSIONS = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_WANTED = frozenset(
    {
        b"content-type",
        b"content-length",
        b"transfer-encoding",
        b"content-encoding",
        b"mcp-session-id",
        b"location",
    }
)


class BadHead(Exception):
    """It is not HTTP, or not quite."""


class WireHead(Head):
    """A head, and how its body is framed: by a `length`, in chunks, or else by the end of the connection."""

    __slots__ = ("chunked", "keep", "simple")

    chunked: bool
    keep: bool
    """Whether the connection may be used again."""
    simple: bool
    """Whether it may be once `length` bytes have followed."""


class Heads:
    """Reads heads. Those of one server are much alike, so that many were read before."""

    def __init__(self) -> None:
        self.known: dict[bytes, WireHead] = {}

    def read(self, raw: bytes) -> WireHead:
        """`raw` ends with the empty line. Raises `BadHead`."""
        head = self.known.get(raw)
        if head is None:
            head = read(raw)
            if len(raw) <= _REMEMBERED:
                if len(self.known) == _KNOWN:
                    self.known.clear()
                self.known[raw] = head
        return head


def read(raw: bytes) -> WireHead:
    """As `Heads.read`, without memory."""
    if not raw.startswith(_VERSIONS):
        raise BadHead
    parser = HttpResponseParser(None)
    try:
        parser.feed_data(raw)
    except (HttpParserError, HttpParserUpgrade):
        raise BadHead from None
    status = parser.get_status_code()
    if status < 100 or status == 101:
        raise BadHead
    start, *lines = raw[:-4].split(b"\r\n")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _WANTED:
            if name == b"transfer-encoding" and name in fields:
                raise BadHead
            fields.setdefault(name, value.strip(b" \t"))
    coding = fields.get(b"transfer-encoding")
    if coding is not None and (coding.lower() != b"chunked" or raw.startswith(_VERSIONS[1])):
        raise BadHead  # another coding, a list of them, or one from before there were any
    length = int(fields.get(b"content-length", -1))
    if status < 200 or status in (204, 304):
        length, coding = 0, None
    encoding = _text(fields.get(b"content-encoding", b"")).lower()
    head = WireHead(
        status,
        _text(start[13:]),
        _text(fields.get(b"content-type", b"")).partition(";")[0].strip().lower(),
        length,
        session=_text(fields.get(b"mcp-session-id", b"")),
        location=_text(fields.get(b"location", b"")),
        encoding="" if encoding == "identity" else encoding,
    )
    head.chunked = coding is not None
    head.keep = parser.should_keep_alive() if length or coding else _keeps(raw, lines)
    head.simple = head.keep and status >= 200 and length >= 0 and coding is None
    return head


def _keeps(raw: bytes, lines: list[bytes]) -> bool:
    """The same where there is no body, after which the parser has forgotten the head."""
    tokens = set()
    for line in lines:
        name, _, value = line.lower().partition(b":")
        if name == b"connection":
            tokens |= {token.strip(b" \t") for token in value.split(b",")}
    return b"close" not in tokens and (raw.startswith(_VERSIONS[0]) or b"keep-alive" in tokens)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
