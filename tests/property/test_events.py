"""Server-sent events: read as the WHATWG algorithm says, however the bytes were cut."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from only1mcp_transports.http.sse import Event, Events, EventTooLarge

PLENTY = 1 << 20
SLACK = len(b"data: \r\n")


# -- the reference: WHATWG HTML, 9.2.5 and 9.2.6, on a whole stream


class Reference:
    def __init__(self, stream: bytes) -> None:
        self.events: list[Event] = []
        self.last_id = b""
        self.retry: int | None = None
        self._id, self._type, self._data = b"", b"", b""
        # A byte order mark is dropped once; a line ends with CRLF, LF or CR; what ends with nothing is no line.
        for line in re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))[:-1]:
            self._line(line)

    def _line(self, line: bytes) -> None:
        if not line:
            self.last_id = self._id
            if self._data:
                self.events.append(Event(self._data[:-1], self._type))
            self._data = self._type = b""
            return
        if line[:1] == b":":
            return
        field, colon, value = line.partition(b":")
        if colon and value[:1] == b" ":
            value = value[1:]
        if field == b"event":
            self._type = value
        elif field == b"data":
            self._data += value + b"\n"
        elif field == b"id":
            if b"\0" not in value:
                self._id = value
        elif field == b"retry" and re.fullmatch(rb"[0-9]{1,9}", value):  # longer ones mean nothing to anybody
            self.retry = int(value)


# -- streams

ENDS = [b"\n", b"\r\n", b"\r"]
FIELDS = [
    b"data",
    b"data",
    b"data",
    b"event",
    b"id",
    b"retry",
    b"",
    b"Data",
    b" data",
    b"\xef\xbb\xbfdata",
    b"dat",
]
VALUES = [
    b"",
    b" ",
    b"  a",
    b"a",
    b'{"a":1}',
    b"a:b",
    b"\0",
    b"1\0",
    b"1000",
    b"-1",
    b"1.5",
    b"9" * 12,
    b" 7",
    b"\xff",
]
VALUES += [b"message", "\u2028\u0085\x0b".encode(), "\u0663".encode(), b"x" * 70]
pieces = st.sampled_from([*ENDS, *ENDS, *ENDS, b":", b"data: a\n\n", b"\xef\xbb\xbf", b"\xef", b"\xbb\xbf"])
lines = st.tuples(
    st.sampled_from(FIELDS), st.sampled_from([b":", b":", b": ", b": ", b""]), st.sampled_from(VALUES)
).map(b"".join)
ended = st.tuples(lines, st.sampled_from([*ENDS, b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r\n", b"\r\n\r"])).map(
    b"".join
)
streams = st.tuples(
    st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\xef\xbb\xbf\xef\xbb\xbf"]),
    st.lists(ended | ended | pieces | st.binary(max_size=6), max_size=12).map(b"".join),
).map(b"".join)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(bounds)]


def read(events: Events, chunks: list[bytes]) -> list[Event]:
    return [event for chunk in chunks for event in events.feed(chunk)]


# -- properties


@settings(max_examples=600)
@given(streams, st.lists(st.integers(0, 120), max_size=8))
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [8, 8, 9, 10])
@example(b"\xef\xbb\xbfdata: a\n\n", [1, 2, 3])
def test_it_reads_what_the_reference_reads_however_it_is_cut(stream: bytes, places: list[int]) -> None:
    expected = Reference(stream)
    for chunks in (cut(stream, places), [stream], [stream[at : at + 1] for at in range(len(stream))]):
        events = Events(PLENTY)
        assert read(events, chunks) == expected.events
        assert (events.last_id, events.retry) == (expected.last_id, expected.retry)


@given(streams)
def test_an_event_comes_with_the_byte_that_ends_it(stream: bytes) -> None:
    events = Events(PLENTY)
    for at in range(len(stream)):
        got = list(events.feed(stream[at : at + 1]))
        before, now = Reference(stream[:at]), Reference(stream[: at + 1])
        # The reference takes a CR for a whole line end; the LF of a CRLF adds nothing then.
        if stream[at : at + 1] == b"\n" and stream[at - 1 : at] == b"\r":
            assert got == []
        else:
            assert got == now.events[len(before.events) :]


@settings(max_examples=200)
@given(streams, st.integers(0, 60), st.lists(st.integers(0, 120), max_size=8))
def test_no_event_or_line_is_larger_than_allowed(stream: bytes, limit: int, places: list[int]) -> None:
    events = Events(limit)
    got: list[Event] = []
    try:
        for chunk in cut(stream, places):
            got += events.feed(chunk)
            assert events.held <= limit + SLACK
    except EventTooLarge:
        assert max(map(len, re.split(rb"\r|\n", stream))) + stream.count(b"data") > limit
    else:
        assert got == Reference(stream).events
    assert got == Reference(stream).events[: len(got)]
    assert all(len(event.data) <= limit + SLACK for event in got)


@pytest.mark.parametrize("line", [b"data: ", b": ", b"id: ", b"event: ", b"", b"retry: ", b"\xef\xbb\xbf"])
def test_a_line_without_end_is_given_up_early(line: bytes) -> None:
    events = Events(1000)
    read(events, [line, *[b"x" * 100] * 9])
    with pytest.raises(EventTooLarge):
        read(events, [b"x" * 100] * 2)


@given(streams, st.binary(max_size=5).filter(lambda id: not set(id) & set(b"\0\r\n")))
def test_a_stream_that_goes_on_goes_on_after_the_id_it_had(stream: bytes, before: bytes) -> None:
    events = Events(PLENTY, last_id=before, retry=5)
    read(events, [stream])
    expected = Reference(b"id: " + before + b"\n\n" + stream.removeprefix(b"\xef\xbb\xbf"))
    assert events.last_id == expected.last_id
    assert events.retry == (5 if expected.retry is None else expected.retry)
