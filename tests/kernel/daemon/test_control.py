"""The control socket: commands, MCP over it, and input that is neither."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from only1mcp_kernel.daemon.client import Lost, NotRunning, Refused, control
from only1mcp_kernel.daemon.control import COMMAND_BYTES, Control
from only1mcp_kernel.daemon.home import CantCreate, Home
from only1mcp_sdk import Only1McpError
from tests.kernel.daemon.fakes import LIMIT, EchoGate


class Machine:
    """What is controlled."""

    def __init__(self) -> None:
        self.gate: EchoGate | None = EchoGate()
        self.stops = 0
        self.fault: Exception | None = None

    def status(self) -> dict[str, Any]:
        return {"state": "fine"}

    async def compare(self) -> dict[str, Any]:
        return {"profiles": {}}

    async def reload(self) -> dict[str, Any]:
        if self.fault:
            raise self.fault
        return {"generation": 2}

    def stop(self) -> dict[str, Any]:
        self.stops += 1
        return {"pid": 1}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("ONLY1MCP_STATE_DIR", str(tmp_path / "s"))
    home = Home.of(tmp_path / "only1mcp.yaml")
    home.prepare()
    return home


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
async def serving(home: Home, machine: Machine) -> AsyncIterator[Control]:
    served = Control(home, machine)
    await served.open()
    yield served
    await served.close()


async def exchange(home: Home, *lines: bytes) -> list[Any]:
    """Send these bytes, then read until the other side closes."""
    reader, writer = await asyncio.open_unix_connection(home.socket)
    writer.write(b"".join(lines))
    if writer.can_write_eof():
        writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return [json.loads(line) for line in answer.splitlines()]


async def test_commands(home: Home, machine: Machine, serving: Control) -> None:
    async with control(home) as client:
        assert await client.command("status") == {"state": "fine"}
        assert await client.command("reload") == {"generation": 2}
        machine.fault = Only1McpError("two\nlines")
        with pytest.raises(Refused, match="two\nlines") as refused:
            await client.command("reload")
        assert refused.value.kind == "Only1McpError"
        assert await client.command("stop") == {"pid": 1}
        assert machine.stops == 1


async def test_the_socket_is_its_owner_s(home: Home, serving: Control) -> None:
    assert home.socket.stat().st_mode & 0o777 == 0o600


async def test_a_fault_is_logged_and_the_connection_lives(
    home: Home, machine: Machine, serving: Control, caplog: pytest.LogCaptureFixture
) -> None:
    machine.fault = ZeroDivisionError("secret")
    async with control(home) as client:
        with pytest.raises(Refused, match="internal error") as refused:
            await client.command("reload")
        assert "secret" not in str(refused.value)
        assert await client.command("status")
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"\xff\xfe\x00",
        b"{}",
        b"[]",
        b"null",
        b"7",
        b'{"command": null}',
        b'{"command": ["status"]}',
        b'{"command": {"status": 1}}',
        b'{"command": "selfdestruct"}',
        b'{"command": "__class__"}',
        b'{"command": "connect", "profile": 7}',
        b'{"command": "connect", "profile": null}',
        b'{"command": "connect", "profile": ["default"]}',
        b'{"command": "connect", "profile": "nobody"}',
        b'{"command": "connect", "profile": "denied"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"9" * 60_000,
    ],
)
async def test_a_bad_line_is_answered_and_changes_nothing(
    home: Home, machine: Machine, serving: Control, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = await exchange(home, line, b'\n\n \r\n{"command": "status"}\n')
    assert (bad["ok"], good) == (False, {"ok": True, "state": "fine"})
    assert bad["error"]
    assert machine.stops == 0
    assert caplog.text == ""


async def test_a_line_without_end_is_refused(home: Home, serving: Control) -> None:
    (answer,) = await exchange(home, b"x" * (COMMAND_BYTES + 2))
    assert "at most" in answer["error"]
    (answer,) = await exchange(home, b" " * (COMMAND_BYTES + 2) + b'\n{"command": "status"}\n')
    assert not answer["ok"]


async def test_half_a_command_and_no_command_are_no_harm(home: Home, serving: Control) -> None:
    assert await exchange(home, b'{"command": "st') == []
    assert await exchange(home) == []


async def test_a_connection_can_become_an_mcp_channel(home: Home, machine: Machine, serving: Control) -> None:
    assert machine.gate
    async with control(home) as client:
        await client.connect("default")
        await client.send(b'{\n"a": 1\r\n}')
        assert json.loads(await client.receive()) == {"got": '{ "a": 1  }'}
        long = b'"' + b"x" * (LIMIT - 2) + b'"'
        await client.send(long)
        assert json.loads(await client.receive()) == {"got": long.decode()}
        (arrival,) = machine.gate.arrivals
        assert (arrival.transport, arrival.profile, arrival.local) == ("control", "default", True)
        assert not machine.gate.conversations[0].over
    await asyncio.sleep(0.05)
    assert machine.gate.conversations[0].over


async def test_what_follows_connect_in_one_write_is_not_lost(home: Home, serving: Control) -> None:
    answers = await exchange(home, b'{"command": "connect"}\n"one"\n"two"\n')
    assert answers == [{"ok": True}, {"got": '"one"'}, {"got": '"two"'}]


async def test_a_message_over_the_limit_ends_the_channel(
    home: Home, machine: Machine, serving: Control
) -> None:
    assert machine.gate
    async with control(home) as client:
        await client.connect("default")
        await client.send(b"x" * (LIMIT + 1))
        assert json.loads(await client.receive()) == {"too": "large"}
        with pytest.raises(Lost):
            await client.receive()
    assert machine.gate.conversations[0].over


async def test_a_client_that_does_not_read_is_disconnected(
    home: Home, machine: Machine, serving: Control, caplog: pytest.LogCaptureFixture
) -> None:
    assert machine.gate
    async with control(home) as client:
        await client.connect("default")
        await client.send(b'"flood"')
        await asyncio.sleep(0.2)
        assert "does not read" in caplog.text
        assert machine.gate.conversations[0].over


async def test_nothing_to_connect_to_before_it_serves(home: Home, machine: Machine, serving: Control) -> None:
    machine.gate = None
    async with control(home) as client:
        with pytest.raises(Refused, match="does not serve"):
            await client.connect("default")


async def test_leaving_keeps_who_is_there_until_the_close(home: Home, serving: Control) -> None:
    async with control(home) as client:
        await client.command("status")
        serving.leave()
        assert not home.socket.exists()
        with pytest.raises(NotRunning):
            async with control(home):
                pass
        assert await client.command("status")
        await serving.close()
        await client.ended()
        with pytest.raises(Lost):
            await client.command("status")


async def test_a_dead_gateway_s_socket_is_replaced(home: Home, machine: Machine) -> None:
    dead = Control(home, machine)
    await dead.open()
    assert dead._server
    dead._server.close()
    with pytest.raises(NotRunning):
        async with control(home):
            pass
    home.socket.touch()
    alive = Control(home, machine)
    await alive.open()
    async with control(home) as client:
        assert await client.command("status")
    await alive.close()


async def test_a_socket_that_cant_be_made_is_told(home: Home, machine: Machine) -> None:
    os.mkdir(home.socket)
    with pytest.raises(CantCreate, match="control socket"):
        await Control(home, machine).open()
