"""Requests that two readers of HTTP may understand differently, each with another one behind it."""

from __future__ import annotations

from tests.plugins.transports.http.listening import POST, Fields, head, post

BEHIND = post(b"[666]")
CHUNKED: Fields = [*POST, ("Transfer-Encoding", "chunked")]


def _length(*values: str) -> bytes:
    return head("POST", "/mcp", [*POST, *(("Content-Length", value) for value in values)]) + b"{}"


def _coded(*values: str, length: str = "") -> bytes:
    fields = [*POST, *(("Transfer-Encoding", value) for value in values)]
    return (
        head("POST", "/mcp", fields + ([("Content-Length", length)] if length else []))
        + b"2\r\n{}\r\n0\r\n\r\n"
    )


def _with(line: bytes) -> bytes:
    return post().replace(b"Content-Length: 2", line)


def _chunks(raw: bytes) -> bytes:
    return head("POST", "/mcp", CHUNKED) + raw


ALONE = [400]
"""Refused, and the connection closed: nothing tells where the next request would begin."""
HOSTILE: dict[str, tuple[bytes, list[int]]] = {
    "two lengths": (_length("2", "60"), ALONE),
    "two lengths, the larger first": (_length("60", "2"), ALONE),
    "the same length twice": (_length("2", "2"), ALONE),
    "a list of lengths": (_length("2, 2"), ALONE),
    "plus": (_length("+2"), ALONE),
    "minus": (_length("-2"), ALONE),
    "hexadecimal": (_length("0x2"), ALONE),
    "underscore": (_length("0_2"), ALONE),
    "a length in two words": (_length("2 0"), ALONE),
    "a length that overflows": (_length("18446744073709551618"), ALONE),
    "no length at all": (_length(""), ALONE),
    "other digits": (_with("Content-Length: ٢".encode()), ALONE),
    "length and chunks": (_coded("chunked", length="2"), ALONE),
    "identity": (_coded("identity"), ALONE),
    "chunked and identity": (_coded("chunked, identity"), ALONE),
    "another coding": (_coded("xchunked"), ALONE),
    "two codings": (_coded("gzip, chunked"), [501]),
    "chunked twice": (_coded("chunked", "chunked"), ALONE),
    "a vertical tab": (_coded("\x0bchunked"), ALONE),
    "quoted": (_coded('"chunked"'), ALONE),
    "folded length": (_with(b"Content-Length:\r\n 2"), ALONE),
    "folded coding": (_coded("\r\n chunked"), ALONE),
    "space before the colon": (_with(b"Content-Length : 2"), ALONE),
    "a tab before the colon": (_with(b"Content-Length\t: 2"), ALONE),
    "no colon": (_with(b"Content-Length"), ALONE),
    "no name": (_with(b": x\r\nContent-Length: 2"), ALONE),
    "a name with NUL": (_with(b"Content-Length\0: 2"), ALONE),
    "NUL in a value": (_with(b"X-A: \0\r\nContent-Length: 2"), ALONE),
    "a lone LF": (_with(b"X-A: b\nContent-Length: 2"), ALONE),
    "a lone CR": (_with(b"X-A: b\rContent-Length: 2"), ALONE),
    "a name that is not ASCII": (_with(b"X-\xff: b\r\nContent-Length: 2"), ALONE),
    "two hosts": (_with(b"Host: 127.0.0.1:8080\r\nContent-Length: 2"), ALONE),
    "no host": (post().replace(b"Host: 127.0.0.1:8080\r\n", b""), ALONE),
    "two sessions": (_with(b"Mcp-Session-Id: a\r\nMcp-Session-Id: b\r\nContent-Length: 2"), ALONE),
    "two methods": (_with(b"Mcp-Method: a\r\nmcp-method: b\r\nContent-Length: 2"), ALONE),
    "a sign in a chunk": (_chunks(b"+2\r\n{}\r\n0\r\n\r\n"), ALONE),
    "a prefix in a chunk": (_chunks(b"0x2\r\n{}\r\n0\r\n\r\n"), ALONE),
    "a chunk that overflows": (_chunks(b"10000000000000002\r\n{}\r\n0\r\n\r\n"), ALONE),
    "a chunk that ends early": (_chunks(b"1\r\n{}\r\n0\r\n\r\n"), ALONE),
    "a chunk without size": (_chunks(b"\r\n{}\r\n0\r\n\r\n"), ALONE),
    "a chunk's lone LF": (_chunks(b"2\n{}\n0\n\n"), ALONE),
    "an extension with a lone LF": (_chunks(b"2;a\nb\r\n{}\r\n0\r\n\r\n"), ALONE),
    "an extension": (_chunks(b'2;a=b;c="d"\r\n{}\r\n0\r\n\r\n'), [200, 200]),
    "a trailer": (_chunks(b"2\r\n{}\r\n0\r\nX-A: b\r\n\r\n"), [200, 200]),
    "a length in a trailer": (_chunks(b"2\r\n{}\r\n0\r\nContent-Length: 99\r\n\r\n"), ALONE),
    "a chunked method behind": (_coded("chunked") + post(b"[1]"), [200, 200, 200]),
    "chunks in HTTP/1.0": (_coded("chunked").replace(b"HTTP/1.1", b"HTTP/1.0"), ALONE),
    "HTTP/1.2": (post().replace(b"HTTP/1.1", b"HTTP/1.2"), ALONE),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ALONE),
    "no version": (post().replace(b" HTTP/1.1", b""), ALONE),
    "a method in small letters": (post().replace(b"POST", b"post", 1), ALONE),
    "two spaces": (post().replace(b"POST ", b"POST  ", 1), [200, 200]),
    "a tab": (post().replace(b"POST ", b"POST\t", 1), ALONE),
    "a whole URL": (post(target="http://127.0.0.1:8080/mcp"), [404, 200]),
    "a whole URL elsewhere": (post(target="http://evil.example/mcp"), [404, 200]),
    "a long head": (_with(b"X-A: " + b"a" * 70_000 + b"\r\nContent-Length: 2"), ALONE),
    "a long target": (post(target="/mcp?" + "a" * 70_000), ALONE),
    "many fields": (_with(b"".join(b"X-%d: a\r\n" % n for n in range(300)) + b"Content-Length: 2"), ALONE),
}
"""What is sent -> the statuses of all answers there are, with `BEHIND` behind it."""
