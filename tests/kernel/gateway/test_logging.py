"""Log messages of servers that want to be told the level with each request."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.gateway.servers import META, FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import until, world

ECHO: Json = {"name": "echo"}
LEVELS = ("debug", "info", "error")


def logging_server(era: str) -> FakeServer:
    """Its tool logs at every level, whatever it was asked for."""
    server = FakeServer(era, tools=[ECHO])
    server.capabilities["logging"] = {}

    async def logs(connection: FakeConnection, params: Json) -> Json:
        for level in LEVELS:
            connection.tell("notifications/message", {"level": level, "data": level})
        return {"content": []}

    server.methods["tools/call"] = logs
    return server


def told(messages: list[Json]) -> list[str]:
    return [each["params"]["data"] for each in messages if each["method"] == "notifications/message"]


@pytest.mark.parametrize(("asked", "wanted"), [(None, "info"), ("debug", "debug"), ("error", "error")])
async def test_a_modern_server_is_told_what_a_legacy_client_wants(
    tmp_path: Path, asked: str | None, wanted: str
) -> None:
    server = logging_server("modern")
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await client.initialize()
        if asked is not None:
            await client.legacy_result("logging/setLevel", {"level": asked})
        await client.legacy_result("tools/call", {"name": "echo"})
        (call,) = server.calls("tools/call")
        assert call["params"]["_meta"][META + "logLevel"] == wanted


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_legacy_client_hears_each_message_once(tmp_path: Path, era: str) -> None:
    async with world(tmp_path, one=logging_server(era)) as it:
        client = it.http()
        await client.initialize()
        listening, _ = client.stream()
        posted = client.legacy("tools/call", {"name": "echo"})
        await posted.done()
        await until(lambda: told(listening.sent + posted.sent)[-1:] == ["error"])
        assert told(listening.sent + posted.sent) == ["info", "error"]


async def test_what_a_server_logs_twice_is_kept_twice_for_a_client_that_is_away(tmp_path: Path) -> None:
    server = logging_server("legacy")
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await client.initialize()
        await client.legacy_result("tools/call", {"name": "echo"})
        for _ in range(2):
            server.tell_all("notifications/message", {"level": "warning", "data": "again"})
            server.tell_all("notifications/tools/list_changed")
        stream, _ = client.stream()
        again = [each for each in stream.sent if each.get("params", {}).get("data") == "again"]
        assert len(again) == 2


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_level_that_is_none_is_refused(tmp_path: Path, era: str) -> None:
    server = logging_server(era)
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        for level in ("loud", "", 3, None):
            answer = it.http().modern("tools/call", {"name": "echo"}, meta={META + "logLevel": level})
            assert (await answer.done())["error"]["code"] == -32602
            assert answer.status == 400
        assert not server.calls("tools/call")


async def test_a_level_lives_on_when_servers_change(tmp_path: Path) -> None:
    server = logging_server("legacy")
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await client.initialize()
        await client.legacy_result("logging/setLevel", {"level": "error"})
        it.fingerprints["one"] = "2"
        await it.reload()
        await it.gateway.settled(2)
        assert not server.calls("logging/setLevel")
        await client.legacy_result("tools/call", {"name": "echo"})
        await until(lambda: server.calls("logging/setLevel"))
        assert server.calls("logging/setLevel")[-1]["params"] == {"level": "error"}


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_who_wants_less_takes_nothing_from_those_who_never_asked(tmp_path: Path, era: str) -> None:
    server = logging_server("legacy")
    async with world(tmp_path, one=server) as it:
        plain, quiet = it.http(), it.http()
        await plain.initialize()
        await plain.legacy_result("tools/call", {"name": "echo"})
        if era == "legacy":
            await quiet.initialize()
            await quiet.legacy_result("tools/call", {"name": "echo"})
            await quiet.legacy_result("logging/setLevel", {"level": "error"})
        else:
            meta = {META + "logLevel": "error"}
            await quiet.modern_result("tools/call", {"name": "echo"}, meta=meta)
        await until(lambda: server.calls("logging/setLevel"))
        assert server.calls("logging/setLevel")[-1]["params"] == {"level": "info"}
        it.gateway._sessions.end(next(iter(it.gateway._sessions)))
        if era == "legacy":
            await until(lambda: server.calls("logging/setLevel")[-1]["params"] == {"level": "error"})
