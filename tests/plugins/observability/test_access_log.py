import asyncio
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from only1mcp_observability import access_log
from only1mcp_observability.access_log import AccessLog
from only1mcp_observability.lines import FIELDS, LONGEST, as_json, as_text
from only1mcp_observability.plugin import only1mcp_register_filter
from only1mcp_sdk import Exchange, Failure, InputRequired, OpenFailed, Outcome, Question, Result
from only1mcp_sdk.testing import (
    FakeClock,
    Harness,
    check_filter,
    make_caller,
    make_exchange,
    open_alone,
    read_options,
)

[OFFER] = only1mcp_register_filter()
DONE = Result(b'{"content":[]}', "modern")
LOG = "access.log"


def call(name: str = "search", arguments: Any = None, principal: str = "alice") -> Exchange:
    params = {"arguments": arguments or {}}
    exchange = make_exchange("tools/call", params, caller=make_caller(principal), name=name, server="files")
    exchange.started = 1_000.0
    return exchange


async def lines_of(
    *passed: tuple[Exchange, Outcome], clock: FakeClock | None = None, **options: Any
) -> list[str]:
    with Harness(clock or FakeClock()) as harness:
        async with harness.open(OFFER, {"file": LOG, **options}) as log:
            for exchange, outcome in passed:
                assert log.before(exchange) is None
                assert log.after(exchange, outcome) is outcome
        return (harness.base_dir / LOG).read_text("ascii").splitlines()


@pytest.mark.parametrize("options", [{}, {"format": "json"}, {"file": LOG}, {"file": LOG, "format": "json"}])
async def test_keeps_the_contract(options: dict[str, Any]) -> None:
    await check_filter(OFFER, options)


async def test_a_line_of_text() -> None:
    clock = FakeClock(time=1_795_381_200.0)
    clock.advance(0.1375)
    [line] = await lines_of((call(), DONE), clock=clock)
    assert line == "2026-11-22T21:00:00.137Z alice default tools/call search files ok 137.5"


async def test_a_line_of_json() -> None:
    [line] = await lines_of((make_exchange("ping", None), DONE), format="json")
    record = json.loads(line)
    assert tuple(record) == FIELDS
    assert (record["principal"], record["name"], record["server"]) == ("anonymous", None, None)


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (DONE, "ok"),
        (Result(b'{"isError":true}', "legacy"), "ok"),
        (Failure.of(-32602, "Unknown tool"), "-32602"),
        (InputRequired({"1": Question("roots/list")}), "input_required"),
    ],
)
async def test_outcomes(outcome: Outcome, word: str) -> None:
    [line] = await lines_of((call(), outcome))
    assert line.split()[6] == word


async def test_says_nothing_of_arguments_and_results() -> None:
    secret = "hunter2-hunter2"
    lines = await lines_of(
        (call(arguments={"password": secret}), Result(json.dumps({"text": secret}).encode(), "modern")),
        (call(), Failure.of(1, secret)),
    )
    assert secret not in "".join(lines)


HOSTILE = ["a\n2026 mallory", "a\r\x1b[2Jb", "a b", 'a"b\\', "\u2028\u202e\x85", "\ud800", "-", "x" * 100_000]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("format", ["text", "json"])
async def test_nothing_from_outside_breaks_a_line(name: str, format: str) -> None:
    [line] = await lines_of((call(name, principal=name), DONE), format=format)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 20 * LONGEST
    if format == "json":
        assert json.loads(line)["name"][:LONGEST] == name[:LONGEST]
    else:
        assert line.endswith(" files ok 0.0")


def test_fields_of_text_can_be_told_apart() -> None:
    assert as_text((0.0, "-", "", "a b", "", "", "", 0.0)) == '1970-01-01T00:00:00.000Z "-" - "a b" - - - 0.0'
    assert json.loads(as_json((0.0, "-", "", "a b", "", "", "", 0.25)))["ms"] == 0.25


async def test_goes_to_the_log_of_the_gateway(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "only1mcp.access")
    async with open_alone(OFFER) as log:
        log.after(call("100% %s"), DONE)
    [record] = caplog.records
    assert record.name == "only1mcp.access"
    assert '"100% %s" files ok' in record.getMessage()


async def test_is_written_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "INTERVAL", 0.01)
    with Harness() as harness:
        async with harness.open(OFFER, {"file": LOG}) as log:
            for _ in range(3):
                log.after(call(), DONE)
                await _until_lines(harness.base_dir / LOG, 1)
                os.rename(harness.base_dir / LOG, harness.base_dir / "rotated.log")
        assert not harness.failures


async def _until_lines(path: Path, count: int) -> None:
    async with asyncio.timeout(5):
        while not path.exists() or len(path.read_text().splitlines()) < count:
            await asyncio.sleep(0.01)


async def test_two_generations_share_a_file() -> None:
    with Harness() as harness:
        async with harness.open(OFFER, {"file": LOG}) as old, harness.open(OFFER, {"file": LOG}) as new:
            for _ in range(100):
                old.after(call(), DONE)
                new.after(call(), DONE)
        assert len((harness.base_dir / LOG).read_text().splitlines()) == 200
        assert (harness.base_dir / LOG).stat().st_mode & 0o777 == 0o600


class BrokenDisk:
    def write(self, lines: Sequence[str]) -> None:
        raise OSError(28, "No space left on device")


async def test_a_full_disk_harms_no_exchange(caplog: pytest.LogCaptureFixture) -> None:
    log = AccessLog(FakeClock(), as_text, BrokenDisk(), logging.getLogger("only1mcp.testing"))
    assert log.after(call(), DONE) is DONE
    await log.close()
    assert "1 lines of the access log were lost: [Errno 28] No space left on device" in caplog.text


async def test_what_can_not_be_written_in_time_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access_log, "MOST", 10)
    assert len(await lines_of(*[(call(), DONE)] * 25)) == 10
    assert "15 lines of the access log were lost: too many at once" in caplog.text


@pytest.mark.parametrize("file", ["no/such/directory/access.log", ".", "nul\0"])
async def test_a_file_that_can_not_be_written_refuses_the_start(file: str) -> None:
    with pytest.raises(OpenFailed, match="access log"):
        async with open_alone(OFFER, file=file):
            pytest.fail("it opened")


@pytest.mark.parametrize("options", [{"format": "xml"}, {"file": ""}, {"file": 1}, {"path": "x"}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read_options(OFFER, options)
