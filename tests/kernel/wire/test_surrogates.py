from __future__ import annotations

import json

import pytest

from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import BadMessage, Envelope
from only1mcp_kernel.wire.surrogates import well_formed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (rb'"\ud83d\ude00 \uD83D\uDE00"', rb'"\ud83d\ude00 \uD83D\uDE00"'),
        (rb'"\ud83d"', rb'"\ufffd"'),
        (rb'"\ude00\ud83d\ud83d\ude00\uD83D"', rb'"\ufffd\ufffd\ud83d\ude00\ufffd"'),
        (rb'"\\ud83d \\\ud83d"', rb'"\\ud83d \\\ufffd"'),
        (rb'"\ud83", "\u00e9\n"', rb'"\ud83", "\u00e9\n"'),
    ],
)
def test_halves_become_replacement_characters(before: bytes, after: bytes) -> None:
    assert well_formed(before) == after


@pytest.mark.parametrize("batch", [False, True])
def test_a_message_is_not_lost_for_half_a_character(batch: bool) -> None:
    body = rb'{"jsonrpc":"2.0","id":1,"result":{"a":"x\ud83d","b":1.0}}'
    read = wire.read(b"[" + body + b"]" if batch else body)
    message = read[0] if isinstance(read, list) else read
    assert isinstance(message, Envelope)
    assert bytes(message.result) == rb'{"a":"x\ufffd","b":1.0}'


def test_what_is_no_json_stays_none() -> None:
    with pytest.raises(BadMessage) as bad:
        wire.read(json.dumps({"jsonrpc": "2.0", "id": 1, "result": "\ud83d"}).encode()[:-1])
    assert bad.value.code == wire.PARSE_ERROR
