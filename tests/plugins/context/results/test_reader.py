"""The tool `result_read` over a store: from the note in a cut result to the last byte."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator

import msgspec
import pytest

from only1mcp_context.results.budget import reading, shorten
from only1mcp_context.results.reader import DEFINITION, Reader
from only1mcp_context.results.store import Store, open_store
from only1mcp_context.results.tokens import estimate

TOKENS = 400


class Clock:
    def time(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store(Clock(), logging.getLogger("test")) as store:
        yield store


async def ask(reader: Reader, principal: str = "ada", **arguments: object) -> tuple[str, str]:
    raw = await reader.answer(principal, msgspec.json.encode(arguments))
    result = json.loads(raw)
    assert "isError" not in result, result
    text, note = (block["text"] for block in result["content"])
    return text, note


async def refused(reader: Reader, arguments: bytes, principal: str = "ada") -> str:
    result = json.loads(await reader.answer(principal, arguments))
    assert result["isError"] is True
    (block,) = result["content"]
    return str(block["text"])


@pytest.mark.parametrize("size", [3_000, 60_000, 300_000])
async def test_following_the_notes_leads_to_every_byte(store: Store, size: int) -> None:
    text = ("grüße 🎈 aus der Zeile\n" * size)[:size]
    raw = json.dumps({"content": [{"type": "text", "text": text}]}).encode()
    short = json.loads(shorten(raw, 2 * TOKENS, lambda whole: reading(store.put("ada", whole) or "")))[
        "content"
    ][0]["text"]
    handle, going_on = re.findall(r'handle="(\w+)".*range="([^"]+)"', short)[0]
    shown = short.split("[Cut: ")[0]
    parts = [shown if text.startswith(shown) else shown.removesuffix("\n")]
    reader = Reader(store, 20 * TOKENS)
    while going_on:
        part, note = await ask(reader, handle=handle, range=going_on)
        parts.append(part)
        going_on = (re.findall(r'range="([^"]+)"', note) or [""])[0]
    assert note.endswith("Nothing follows.]")
    assert "".join(parts) == text


async def test_answers_are_within_the_budget(store: Store) -> None:
    handle = store.put("ada", b"line of a log\n" * 10_000)
    reader = Reader(store, TOKENS)
    for wish in ({}, {"range": "bytes 5-"}, {"grep": "log"}, {"range": "lines -5000"}):
        raw = await reader.answer("ada", msgspec.json.encode({"handle": handle, **wish}))
        texts = [block["text"] for block in json.loads(raw)["content"]]
        assert 250 < sum(estimate(text.encode()) for text in texts) <= TOKENS


async def test_a_handle_of_somebody_else_is_one_that_never_was(store: Store) -> None:
    handle = store.put("ada", b"text")
    reader = Reader(store, TOKENS)
    asked = msgspec.json.encode({"handle": handle})
    assert await refused(reader, asked, "eve") == await refused(reader, b'{"handle":"abcdefghjkmn"}')
    assert await ask(reader, handle=f" {str(handle).upper()} ") == (
        "text",
        "[bytes 1-4 of 4. Nothing follows.]",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        b"",
        b"[]",
        b"{",
        b'{"handle":3}',
        b'{"handle":"x","more":1}',
        b'{"handle":"x","context":"2"}',
        b"[" * 9999,
        b"\xff",
    ],
)
async def test_bad_arguments_are_told(store: Store, arguments: bytes) -> None:
    assert (await refused(Reader(store, TOKENS), arguments)).startswith("result_read: ")


async def test_bad_wishes_are_told(store: Store) -> None:
    handle = store.put("ada", b"text")
    for wish in ({"range": "x"}, {"grep": r"\d"}, {"path": "a["}, {"path": "a"}):
        why = await refused(Reader(store, TOKENS), msgspec.json.encode({"handle": handle, **wish}))
        assert why.startswith("result_read: ")


async def test_large_texts_are_read_beside_the_event_loop(store: Store) -> None:
    handle = store.put("ada", b"[" + b'{"a":1},' * 300_000 + b"1]")
    reader = Reader(store, TOKENS)
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.005)
            beats += 1

    beating = asyncio.create_task(beat())
    await ask(reader, handle=handle, path="length(@)")
    beating.cancel()
    assert beats > 5


def test_the_definition_is_a_tool() -> None:
    schema = json.loads(DEFINITION["inputSchema"])
    assert json.loads(DEFINITION["name"]) == "result_read"
    assert set(schema["properties"]) == {"handle", "range", "grep", "path", "context"}
