"""Messages on a byte stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from only1mcp_kernel.daemon.lines import Lines, TooLong, frame


def drain(lines: Lines) -> list[bytes]:
    found = []
    while (line := lines.next()) is not None:
        found.append(line)
    return found


@given(st.lists(st.binary(max_size=9), max_size=9), st.integers(1, 7))
def test_lines_do_not_depend_on_how_they_arrive(parts: list[bytes], size: int) -> None:
    stream = b"\n".join(parts) + b"\n"
    lines, found = Lines(100), []
    for start in range(0, len(stream), size):
        lines.feed(stream[start : start + size])
        found += drain(lines)
    assert found == [part for line in stream.split(b"\n") if (part := line.strip(b" \t\r"))]


def test_the_limit_holds_with_and_without_an_end() -> None:
    lines = Lines(3)
    lines.feed(b"abc\nab")
    assert drain(lines) == [b"abc"]
    lines.feed(b"cd")
    with pytest.raises(TooLong):
        lines.next()
    lines = Lines(3)
    lines.feed(b"abcd\n")
    with pytest.raises(TooLong):
        lines.next()


def test_a_message_becomes_one_line() -> None:
    assert frame(b'{\r\n"a": "\\n"\n}') == b'{  "a": "\\n" }\n'
