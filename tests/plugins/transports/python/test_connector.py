"""Servers that run within this process."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from only1mcp_sdk import ConnectFailed, offer
from only1mcp_sdk.testing import Harness, check_connector, nothing_left, open_alone
from only1mcp_sdk.testing.fakes import RecordingInbox
from only1mcp_transports.python.config import ConnectorConfig
from only1mcp_transports.python.connector import open_connector
from tests.plugins.transports.python import servers
from tests.plugins.transports.websocket.upstream import Line

OFFER = offer("python", ConnectorConfig, open_connector)
HERE = "tests.plugins.transports.python.servers:"
REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


@asynccontextmanager
async def connected(name: str, **options: Any) -> AsyncIterator[Line]:
    async with (
        nothing_left("the connection"),
        open_alone(OFFER, object=name if ":" in name else HERE + name, **options) as connector,
    ):
        inbox = RecordingInbox()
        connection = await connector.connect(inbox)
        try:
            yield Line(connection, inbox)
        finally:
            await connection.close()


async def refused(name: str, **options: Any) -> str:
    async with open_alone(OFFER, object=name if ":" in name else HERE + name, **options) as connector:
        with pytest.raises(ConnectFailed) as caught:
            await connector.connect(RecordingInbox())
    return str(caught.value)


async def test_it_keeps_the_contract_of_connectors() -> None:
    broken = {"object": HERE + "nothing"}
    await check_connector(OFFER, {"object": HERE + "echoes"}, broken)


async def test_a_conversation() -> None:
    async with connected("Holder.serve") as line:
        for number in range(1, 4):
            line.send(REQUEST)
            assert json.loads((await line.received(number))[-1])["id"] == 1
    assert line.inbox.closings == []


@pytest.mark.parametrize("name", ["Greeter", "make"])
async def test_a_server_is_made_for_each_connection(name: str) -> None:
    before = servers.Greeter.made
    async with open_alone(OFFER, object=HERE + name, arguments={"greeting": "hi"}) as connector:
        for _ in range(2):
            inbox = RecordingInbox()
            connection = await connector.connect(inbox)
            connection.send(REQUEST, {}, 1)
            await Line(connection, inbox).received()
            assert inbox.messages == [(b'{"said":"hi"}', None)]
    assert servers.Greeter.made == before + 2


# -- what can't be served


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("no_such_module:x", {}, "there is no module 'no_such_module': install it"),
        ("nothing", {}, "has no attribute 'nothing'"),
        ("Holder.nothing", {}, "has no attribute 'nothing'"),
        ("number", {}, "an object of type int is neither a server of the MCP SDK nor an async function"),
        ("number", {"arguments": {}}, "an object of type int can't be called; remove `arguments`"),
        ("Lingering.ended", {}, "an object of type list is neither"),
        ("makes_nothing", {}, "can't be called with (receive, send); if it makes a server, give `arguments`"),
        ("makes_nothing", {"arguments": {}}, "an object of type int is neither"),
        ("Greeter", {"arguments": {}}, "failed: TypeError: Greeter.__init__() missing 1 required"),
        ("Greeter", {"arguments": {"greeting": ""}}, "failed: ValueError: an empty greeting"),
        ("echoes", {"python_path": ["nowhere"]}, "nowhere, which is no directory"),
        ("low", {}, "it looks like a server of the MCP SDK, but ModuleNotFoundError: No module named 'mcp"),
    ],
)
async def test_what_can_not_be_served(name: str, options: dict[str, Any], problem: str) -> None:
    if name == "low" and "mcp" in sys.modules:
        pytest.skip("the SDK is here")
    why = await refused(name, **options)
    assert why.startswith("cannot serve ")
    assert problem in why
    assert "\n" not in why


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    before, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = before
    for name in set(sys.modules) - modules:
        del sys.modules[name]


async def test_python_path_starts_at_the_configuration_file(project: Path) -> None:
    (project / "python_path_test_server.py").write_text(
        "async def serve(receive, send):\n    while message := await receive():\n        await send(message)\n"
    )
    with Harness() as harness:
        (harness.base_dir / "here").symlink_to(project)
        options = {"object": "python_path_test_server:serve", "python_path": ["here"]}
        for _ in range(2):
            async with harness.open(OFFER, options) as connector:
                inbox = RecordingInbox()
                connection = await connector.connect(inbox)
                connection.send(REQUEST, {}, 1)
                await Line(connection, inbox).received()
        assert sys.path.count(str(harness.base_dir / "here")) == 1
        assert sys.path[0] != str(harness.base_dir / "here")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("raise RuntimeError('broken')", "importing bad_test_server failed: RuntimeError: broken"),
        ("import sys; sys.exit('bye')", "importing bad_test_server failed: SystemExit: bye"),
        ("def (", "importing bad_test_server failed: SyntaxError: "),
        ("import missing_dependency", "there is no module 'missing_dependency'"),
    ],
)
async def test_modules_that_can_not_be_imported(source: str, problem: str, project: Path) -> None:
    (project / "bad_test_server.py").write_text(source)
    assert problem in await refused("bad_test_server:serve", python_path=[str(project)])


async def test_an_import_that_does_not_end_holds_nobody_up(project: Path) -> None:
    gate = project / "gate"
    (project / "slow_test_server.py").write_text(
        "import os, time\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        "async def serve(receive, send): await receive()\n"
    )
    options = {"object": "slow_test_server:serve", "python_path": [str(project)]}
    async with nothing_left("the import"), open_alone(OFFER, **options) as connector:
        before = threading.active_count()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await connector.connect(RecordingInbox())
        assert threading.active_count() == before + 1
        gate.touch()
        async with asyncio.timeout(5):
            await (await connector.connect(RecordingInbox())).close()


async def test_an_import_that_failed_is_tried_again(project: Path) -> None:
    async with open_alone(OFFER, object="late_test_server:serve", python_path=[str(project)]) as connector:
        with pytest.raises(ConnectFailed, match="there is no module"):
            await connector.connect(RecordingInbox())
        (project / "late_test_server.py").write_text("async def serve(receive, send): await receive()\n")
        await (await connector.connect(RecordingInbox())).close()


# -- how a server ends


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("ends", "the server ended"),
        ("fails", "the server failed: LookupError: no luck"),
        ("fails_in_a_group", "the server failed: ValueError: inside"),
        ("exits", "the server failed: SystemExit: 3"),
        ("cancels_itself", "the server was cancelled"),
        ("sends_text", "the server failed: TypeError: send takes bytes, not str"),
        ("blocks", "the server failed: TypeError: "),
    ],
)
async def test_ends(name: str, problem: str) -> None:
    async with connected(name) as line:
        line.send(REQUEST)
        assert (await line.closing()).startswith(problem)
        line.send(REQUEST)
    assert len(line.inbox.closings) == 1


async def test_it_may_end_by_itself() -> None:
    servers.lingers.ended.clear()
    async with connected("says_goodbye"):
        pass
    assert servers.lingers.ended == ["by itself"]


async def test_it_is_cancelled_when_it_does_not_end(caplog: pytest.LogCaptureFixture) -> None:
    servers.lingers.ended.clear()
    async with connected("lingers", stop_timeout=0.1):
        pass
    assert servers.lingers.ended == ["cancelled"]
    assert "left behind" not in caplog.text


async def test_one_that_does_not_end_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    servers.release.clear()
    async with open_alone(OFFER, object=HERE + "stubborn", stop_timeout=0.1) as connector:
        connection = await connector.connect(RecordingInbox())
        await asyncio.sleep(0.01)
        async with asyncio.timeout(2):
            await connection.close()
        assert "it is left behind" in caplog.text
        servers.release.set()
        await asyncio.sleep(0.01)


async def test_one_that_only_talks_lets_others_work() -> None:
    async with connected("talks", stop_timeout=0.1) as line:
        await line.received(3)
        async with asyncio.timeout(1):
            await asyncio.sleep(0.01)


async def test_one_that_does_not_read_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("only1mcp_transports.python.connection.MAX_UNREAD", 1 << 20)
    async with connected("lingers", stop_timeout=0.1) as line:
        for _ in range(20):
            line.send(b"x" * 100_000)
        assert line.inbox.closings == []
        assert await line.closing() == "it left more than 1 MiB unread"


# -- servers of the SDK, by the shape they have


@pytest.mark.parametrize("name", ["low", "high"])
async def test_a_server_of_the_sdk(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def stdio_server(stdin: Any, stdout: Any) -> AsyncIterator[tuple[Any, Any]]:
        yield stdin, stdout

    module = ModuleType("mcp.server.stdio")
    module.stdio_server = stdio_server  # type: ignore[attr-defined]
    for each in ("mcp", "mcp.server"):
        monkeypatch.setitem(sys.modules, each, ModuleType(each))
    monkeypatch.setitem(sys.modules, "mcp.server.stdio", module)
    async with connected(name) as line:
        line.send('{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"ü"}}'.encode())
        assert json.loads((await line.received())[0])["result"] == {"a": "ü"}


@pytest.mark.parametrize("name", ["server", "a:", ":b", "a b:c", "a/b.py:c", "a:b()", "1a:b", "a:b:c"])
def test_bad_names(name: str) -> None:
    with pytest.raises(ValidationError, match=r"should look like package\.module:name"):
        ConnectorConfig.model_validate({"object": name})
