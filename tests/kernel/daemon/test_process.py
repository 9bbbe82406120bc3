"""The life of the process, around a gateway that does as it is told."""

import asyncio
import os
import signal
from collections.abc import Awaitable
from pathlib import Path

import pytest

from only1mcp_kernel.config.model import Config
from only1mcp_kernel.daemon.client import NotRunning, control
from only1mcp_kernel.daemon.control import Control
from only1mcp_kernel.daemon.gateway import Assembly
from only1mcp_kernel.daemon.home import AlreadyRunning, CantCreate, Home, Lock
from only1mcp_kernel.daemon.process import Process, run_controlled
from only1mcp_sdk import Gate, Only1McpError, OpenFailed
from tests.kernel.daemon.fakes import FakeGateway, Noted, assembly


class Guest:
    """A listener whose client leaves some time."""

    address = "guest"
    exposed = False

    def __init__(self) -> None:
        self.left = asyncio.Event()

    def attach(self, gate: Gate) -> None:
        """Nothing to begin."""

    async def drain(self, seconds: float) -> None:
        """Nothing to end."""

    async def finished(self) -> None:
        await self.left.wait()


class Door:
    address = "door"
    exposed = False

    def attach(self, gate: Gate) -> None:
        """Nothing to begin."""

    async def drain(self, seconds: float) -> None:
        """Nothing to end."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("ONLY1MCP_STATE_DIR", str(tmp_path / "s"))
    return Home.of(tmp_path / "only1mcp.yaml")


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def report() -> Noted:
    return Noted()


@pytest.fixture
def process(home: Home, gateway: FakeGateway, report: Noted) -> Process:
    return Process(home, assembly(gateway, home.config), report)


async def soon(work: Awaitable[object]) -> None:
    await asyncio.wait_for(work, 10)


async def until(log: list[str], word: str) -> None:
    async with asyncio.timeout(10):
        while word not in log:
            await asyncio.sleep(0.001)


async def test_a_whole_life(process: Process, gateway: FakeGateway, report: Noted) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(soon(process.run()))
        assert (process.status()["state"], process.gate) == ("starting", None)
        await until(report.told, "settled")
        assert (process.status()["state"], process.gate) == ("serving", gateway.gate)
        assert await process.reload() == {"generation": 2}
        assert process.stop() == {"pid": os.getpid()}
    assert gateway.log == ["start", "started", "reload", "reloaded", "stop", "stopped"]
    assert report.told == ["serving", "settled"]
    assert (process.status()["state"], process.gate) == ("stopped", None)


async def test_a_gateway_that_cant_start_says_why(
    process: Process, gateway: FakeGateway, report: Noted
) -> None:
    gateway.starting = OpenFailed("no")
    with pytest.raises(OpenFailed):
        await process.run()
    assert report.told == []
    assert process.status()["state"] == "stopped"


async def test_a_stop_interrupts_the_start(process: Process, gateway: FakeGateway, report: Noted) -> None:
    gateway.starting = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(soon(process.run()))
        await until(gateway.log, "start")
        process.stop()
    assert gateway.log == ["start", "start cancelled"]
    assert report.told == []


async def test_a_stop_interrupts_a_reload(process: Process, gateway: FakeGateway) -> None:
    gateway.reloading = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(soon(process.run()))
        await until(gateway.log, "started")
        reload = group.create_task(_refused(process, "stopped meanwhile"))
        await until(gateway.log, "reload")
        process.stop()
        await reload
    assert gateway.log[-3:] == ["reload cancelled", "stop", "stopped"]
    await _refused(process, "is stopped")


async def _refused(process: Process, words: str) -> None:
    with pytest.raises(Only1McpError, match=words):
        await process.reload()


async def test_reloads_wait_for_each_other(process: Process, gateway: FakeGateway) -> None:
    gateway.reloading = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(soon(process.run()))
        await until(gateway.log, "started")
        reloads = [group.create_task(process.reload()) for _ in range(3)]
        await until(gateway.log, "reload")
        await asyncio.sleep(0.01)
        assert gateway.log.count("reload") == 1
        gateway.reloading.set()
        assert [(await reload)["generation"] for reload in reloads] == [2, 3, 4]
        process.stop()


async def test_a_second_stop_is_at_once(process: Process, gateway: FakeGateway) -> None:
    gateway.draining = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(soon(process.run()))
        await until(gateway.log, "started")
        process.stop()
        await until(gateway.log, "stop")
        assert process.status()["state"] == "stopping"
        process.stop()
    assert gateway.log[-1] == "stop cancelled"


async def test_signals(process: Process, gateway: FakeGateway, caplog: pytest.LogCaptureFixture) -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with asyncio.TaskGroup() as group:
        group.create_task(soon(process.run()))
        await until(gateway.log, "started")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(gateway.log, "reloaded")
        gateway.reloading = OpenFailed("no such thing")
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(10):
            while "no such thing" not in caplog.text:
                await asyncio.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)
    assert gateway.log[-1] == "stopped"
    assert signal.getsignal(signal.SIGTERM) == before


async def test_ends_when_its_only_clients_have_left(process: Process, gateway: FakeGateway) -> None:
    guests = Guest(), Guest()
    gateway.listeners = guests
    async with asyncio.TaskGroup() as group:
        run = group.create_task(soon(process.run()))
        await until(gateway.log, "started")
        guests[0].left.set()
        await asyncio.sleep(0.01)
        assert not run.done()
        guests[1].left.set()
    assert gateway.log[-1] == "stopped"


async def test_goes_on_while_there_is_another_door(process: Process, gateway: FakeGateway) -> None:
    guest = Guest()
    gateway.listeners = (guest, Door())
    guest.left.set()
    async with asyncio.TaskGroup() as group:
        run = group.create_task(soon(process.run()))
        await until(gateway.log, "started")
        await asyncio.sleep(0.01)
        assert not run.done()
        gateway.listeners = (guest,)
        await process.reload()
    assert gateway.log[-1] == "stopped"


async def test_a_gateway_whose_start_can_t_be_reported_is_closed(
    process: Process, gateway: FakeGateway, report: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(status: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(report, "serving", fail)
    with pytest.raises(ZeroDivisionError):
        await process.run()
    assert gateway.log[-1] == "stopped"


async def test_a_cancelled_process_closes_its_gateway(process: Process, gateway: FakeGateway) -> None:
    async with asyncio.TaskGroup() as group:
        run = group.create_task(process.run())
        await until(gateway.log, "started")
        run.cancel()
    assert gateway.log[-1] == "stopped"


async def test_a_process_cancelled_in_the_tick_of_its_start_closes_its_gateway(
    process: Process, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = gateway.start

    async def start_and_cancel(config: Config, insecure: bool = False) -> None:
        await start(config, insecure)
        run.cancel()

    monkeypatch.setattr(gateway, "start", start_and_cancel)
    async with asyncio.TaskGroup() as group:
        run = group.create_task(process.run())
    assert gateway.log == ["start", "started", "stop", "stopped"]


async def test_nothing_starts_without_a_configuration(
    home: Home, gateway: FakeGateway, report: Noted
) -> None:
    async def load() -> Config:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Process(home, Assembly(gateway, load), report).run()
    assert gateway.log == []


async def test_controlled(home: Home, process: Process, gateway: FakeGateway) -> None:
    gateway.starting = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        run = group.create_task(soon(run_controlled(home, process)))
        await until(gateway.log, "start")
        async with control(home) as client:
            assert (await client.command("status"))["state"] == "starting"
            with pytest.raises(AlreadyRunning, match=str(os.getpid())):
                await run_controlled(home, process)
            gateway.starting.set()
            await until(gateway.log, "started")
            assert (await client.command("status"))["state"] == "serving"
            await client.command("stop")
            await client.ended()
            Lock(home).release()  # whoever waited for the end finds the way free
            await run
    with pytest.raises(NotRunning):
        async with control(home):
            pass


async def test_a_failed_start_leaves_nothing(home: Home, process: Process, gateway: FakeGateway) -> None:
    gateway.starting = OpenFailed("no")
    with pytest.raises(OpenFailed):
        await run_controlled(home, process)
    assert not home.socket.exists()
    Lock(home).release()


async def test_a_control_socket_that_cant_be_made_lets_the_lock_go(
    home: Home, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Control) -> None:
        raise CantCreate("no")

    monkeypatch.setattr(Control, "open", fail)
    with pytest.raises(CantCreate):
        await run_controlled(home, process)
    Lock(home).release()
