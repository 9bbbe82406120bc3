import tracemalloc

import pytest

from only1mcp_transports.http.sse import Event, Events, EventTooLarge

ENOUGH = 1000


def read(stream: bytes, size: int, limit: int = ENOUGH) -> list[Event]:
    events = Events(limit)
    return [event for at in range(0, len(stream), size) for event in events.feed(stream[at : at + size])]


CASES = {
    "one": (b"data: {}\n\n", [Event(b"{}")]),
    "carriage returns": (b"data: a\r\rdata: b\r\r", [Event(b"a"), Event(b"b")]),
    "both": (b"data: a\r\n\r\ndata: b\r\n\r\n", [Event(b"a"), Event(b"b")]),
    "mixed": (b"data: a\r\n\ndata: b\n\r\ndata: c\r\n\r", [Event(b"a"), Event(b"b"), Event(b"c")]),
    "several lines": (b"data: a\r\ndata:\r\ndata: b\r\n\r\n", [Event(b"a\n\nb")]),
    "one space is taken off": (b"data:a\n\ndata:  b\n\n", [Event(b"a"), Event(b" b")]),
    "colons in the value": (b'data: {"a":1}\n\n', [Event(b'{"a":1}')]),
    "no colon": (b"data\n\n", [Event(b"")]),
    "empty": (b"id: 1\ndata:\n\n", [Event(b"")]),
    "no data": (b"id: 1\nevent: x\n\ndata: a\n\n", [Event(b"a")]),
    "comments": (b": hello\n\n:\ndata: a\n: b\n\n", [Event(b"a")]),
    "type": (b"event: ping\ndata: a\n\ndata: b\n\n", [Event(b"a", b"ping"), Event(b"b")]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [Event(b"a")]),
    "only one byte order mark": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
    "a byte order mark later is data": (b"data: \xef\xbb\xbf\n\n", [Event(b"\xef\xbb\xbf")]),
    "the beginning of a byte order mark": (b"\xef\xbbdata: a\n\ndata: b\n\n", [Event(b"b")]),
    "unknown field": (b"date: a\nDATA: a\n data: a\n\n", []),
    "unfinished": (b"data: a\n\ndata: b\n", [Event(b"a")]),
    "other line ends are data": ("data: a\u2028b\x0bc\n\n".encode(), [Event("a\u2028b\x0bc".encode())]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, ENOUGH])
@pytest.mark.parametrize("case", CASES)
def test_reads(case: str, size: int) -> None:
    stream, expected = CASES[case]
    assert read(stream, size) == expected


def test_an_event_comes_with_the_carriage_return_that_ends_it() -> None:
    assert list(Events(ENOUGH).feed(b"data: a\r\r")) == [Event(b"a")]


@pytest.mark.parametrize("size", [1, ENOUGH])
@pytest.mark.parametrize(
    ("stream", "last_id"),
    [
        (b"id: 1\n\n", b"1"),
        (b"id: 1\ndata: a\n\nid: 2\ndata: b\n", b"1"),
        (b"id: 1\ndata: a\n\ndata: b\n\n", b"1"),
        (b"id: 1\n\nid\n\n", b""),
        (b"id: 1\n\nid: 2\x00\n\n", b"1"),
        (b"data: a\n\n", b"before"),
    ],
)
def test_remembers_the_last_complete_id(stream: bytes, last_id: bytes, size: int) -> None:
    events = Events(ENOUGH, b"before")
    for at in range(0, len(stream), size):
        list(events.feed(stream[at : at + size]))
    assert events.last_id == last_id


@pytest.mark.parametrize(
    ("value", "retry"),
    [
        (b"0", 0),
        (b"1500", 1500),
        (b"", None),
        (b"-1", None),
        (b"1.5", None),
        (b"9" * 5000, None),
        (b"x", None),
    ],
)
def test_remembers_when_to_retry(value: bytes, retry: int | None) -> None:
    events = Events(10_000)
    list(events.feed(b"retry: " + value + b"\n"))
    assert events.retry == retry


@pytest.mark.parametrize("size", [1, 64])
@pytest.mark.parametrize(
    "stream", [b"data: " + b"x" * 103, b"data: xxxxxxxxx\n" * 11, b"x" * 110, b": " + b"x" * 110]
)
def test_refuses_what_is_too_large(stream: bytes, size: int) -> None:
    with pytest.raises(EventTooLarge):
        read(stream, size, limit=100)


def test_many_short_lines_take_no_more_memory_than_one_long_line() -> None:
    events = Events(1 << 18)
    tracemalloc.start()
    try:
        for _ in range(80):
            assert not list(events.feed(b"data:ab\n" * 1000))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [1, 64, ENOUGH])
def test_takes_events_up_to_the_limit_and_any_number_of_them(size: int) -> None:
    stream = (b"data: " + b"x" * 99 + b"\r\n\r\n") * 20
    assert read(stream, size, limit=100) == [Event(b"x" * 99)] * 20
