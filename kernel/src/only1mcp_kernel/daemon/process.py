"""The life of a gateway's process, from the first look at the configuration to the last connection closed.

SIGHUP reloads. SIGTERM and SIGINT stop: clients at work may finish for as long as the configuration says; a second
one ends the process at once. The control socket's `reload` and `stop` do the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from only1mcp_kernel.config.model import Config
from only1mcp_kernel.daemon.control import Control
from only1mcp_kernel.daemon.gateway import Assembly
from only1mcp_kernel.daemon.home import Home, Lock
from only1mcp_kernel.daemon.log import set_level
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import Gate, Only1McpError

SETTLE_SECONDS = 30.0
"""How long servers have to answer before the report names those that did not."""
ABORT_SECONDS = 2.0
"""How long an impatient stop waits for what it interrupted."""
_log = logging.getLogger("only1mcp.process")


class Report(Protocol):
    """Tells whoever started the process how it goes. Called from the event loop; must not block for long."""

    def serving(self, status: dict[str, Any]) -> None:
        """Clients can come."""

    def settled(self, status: dict[str, Any], complete: bool) -> None:
        """Every server has answered or failed; or, not `complete`, has had its time."""


@runtime_checkable
class Ending(Protocol):
    """A listener that can come to an end of its own, as one for a single client does when that client leaves."""

    async def finished(self) -> None:
        """Returns when it has."""


class Process:
    """Runs one gateway, once."""

    def __init__(self, home: Home, assembly: Assembly, report: Report, *, insecure: bool = False) -> None:
        self._home = home
        self._gateway = assembly.gateway
        self._load = assembly.load
        self._report = report
        self._insecure = insecure
        self._state = "starting"
        self._since = time.monotonic()
        self._reloads = asyncio.Lock()
        self._reload: asyncio.Task[dict[str, Any]] | None = None
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._tasks = Tasks(_log)

    @property
    def gate(self) -> Gate | None:
        """The way in; None while nothing is served."""
        return self._gateway.gate if self._state == "serving" else None

    def status(self) -> dict[str, Any]:
        """What goes on, as JSON values."""
        ours = {
            "state": self._state,
            "pid": os.getpid(),
            "config": str(self._home.config),
            "uptime": round(time.monotonic() - self._since, 3),
        }
        return {**ours, **self._gateway.status()} if self._state == "serving" else ours

    async def compare(self) -> dict[str, Any]:
        """What tools cost a model, in every way they can be shown. Raises `Only1McpError`."""
        if self._state != "serving":
            raise Only1McpError(f"can't compare: the gateway is {self._state}")
        return await self._gateway.compare()

    async def reload(self) -> dict[str, Any]:
        """Read the configuration and serve it. Raises `Only1McpError`, and then the old one serves on."""
        async with self._reloads:
            if self._state != "serving":
                raise Only1McpError(f"can't reload: the gateway is {self._state}")
            self._reload = self._tasks.start(self._replace(), "reload")
            await asyncio.wait({self._reload})
            if self._reload.cancelled():
                raise Only1McpError("not reloaded: the gateway was stopped meanwhile")
            return await self._reload

    async def _replace(self) -> dict[str, Any]:
        config = await self._load()
        await self._gateway.reload(config)
        set_level(config.log_level)
        self._changed.set()
        _log.info("reloaded %s", self._home.config)
        return {"generation": self.status().get("generation")}

    def stop(self) -> dict[str, Any]:
        """Begin to stop; when that has begun, stop at once."""
        if self._stopping.is_set():
            self._hurrying.set()
        self._stopping.set()
        self._changed.set()
        return {"pid": os.getpid()}

    async def run(self) -> None:
        """Serve until stopped, or until every listener has come to its own end. Raises `Only1McpError` when the
        gateway can't start; it is then gone."""
        try:
            with self._signals():
                config = await self._start()
                if config is None:
                    return
                try:
                    self._begin(config)
                    await self._until_the_end()
                finally:
                    _log.info("stopping")
                    self._state = "stopping"
                    await self._stop_reload()
                    await self._stop_gateway()
                    _log.info("stopped")
        finally:
            self._state = "stopped"
            await self._tasks.close()

    async def _start(self) -> Config | None:
        """What the gateway serves from now on; None when it was stopped before it did."""
        starting = self._tasks.start(self._open(), "start")
        stopped = self._tasks.start(self._stopping.wait(), "stop")
        try:
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._undo(starting)
            raise
        finally:
            stopped.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            if starting.cancelled():
                return None
        return await starting

    async def _undo(self, starting: asyncio.Task[Config]) -> None:
        """Nobody waits for the start any more: what has come of it is closed."""
        starting.cancel()
        await asyncio.wait({starting})
        if not starting.cancelled() and starting.exception() is None:
            await self._stop_gateway()

    def _begin(self, config: Config) -> None:
        set_level(config.log_level)
        self._state = "serving"
        self._report.serving(self.status())
        self._tasks.spawn(self._settle(), "startup report")

    async def _open(self) -> Config:
        config = await self._load()
        await self._gateway.start(config, insecure=self._insecure)
        return config

    async def _settle(self) -> None:
        complete = await self._gateway.settled(SETTLE_SECONDS)
        self._report.settled(self.status(), complete)

    async def _until_the_end(self) -> None:
        while not self._stopping.is_set():
            self._changed.clear()
            waiting: list[asyncio.Task[Any]] = [self._tasks.start(self._changed.wait(), "change")]
            listeners = self._gateway.listeners
            ending = [listener for listener in listeners if isinstance(listener, Ending)]
            if ending and len(ending) == len(listeners):
                waiting.append(self._tasks.start(_finished(ending), "listeners' end"))
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()
            if not self._changed.is_set():
                return

    async def _stop_reload(self) -> None:
        if self._reload is not None and not self._reload.done():
            self._reload.cancel()
            await asyncio.wait({self._reload})

    async def _stop_gateway(self) -> None:
        stopping = self._tasks.start(self._gateway.stop(), "stop")
        hurry = self._tasks.start(self._hurrying.wait(), "hurry")
        await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            await stopping
            return
        stopping.cancel()
        await asyncio.wait({stopping}, timeout=ABORT_SECONDS)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers: dict[signal.Signals, Callable[[], object]] = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
            signal.SIGHUP: lambda: self._tasks.spawn(self._hang_up(), "reload"),
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    async def _hang_up(self) -> None:
        try:
            await self.reload()
        except Only1McpError as error:
            _log.error("not reloaded, the gateway goes on as it was: %s", error)


async def _finished(listeners: Sequence[Ending]) -> None:
    async with asyncio.TaskGroup() as group:
        for listener in listeners:
            group.create_task(listener.finished())


async def run_controlled(home: Home, process: Process) -> None:
    """Run the process as the one gateway of its configuration, reachable over the control socket.

    Raises `AlreadyRunning`, `CantCreate`, and what `Process.run` raises.
    """
    home.prepare()
    lock = Lock(home)
    control = Control(home, process)
    try:
        await control.open()
        await process.run()
    finally:
        # In this order the next gateway finds its way free, and who waits for our end sees it only then.
        control.leave()
        lock.release()
        await control.close()
