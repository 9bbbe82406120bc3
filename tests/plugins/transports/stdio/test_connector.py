"""The stdio connector with real child processes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from only1mcp_sdk import ConnectFailed, Connector, offer
from only1mcp_sdk.testing.harness import open_alone
from only1mcp_transports.stdio import family
from only1mcp_transports.stdio.config import ConnectorConfig
from only1mcp_transports.stdio.connector import open_connector

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="process families are found in /proc")

STDIO = offer("stdio", ConnectorConfig, open_connector)
ECHO = "import sys\nfor line in sys.stdin:\n    print(line, end='', flush=True)"


class Inbox:
    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.problem: str | None = None
        self.changed = asyncio.Event()

    def received(self, message: bytes, stream: int | None) -> None:
        self.messages.append(message)
        self.changed.set()

    def ended(self, stream: int, problem: str) -> None:
        raise AssertionError("a pipe has no streams")

    def closed(self, problem: str) -> None:
        assert self.problem is None, "closed twice"
        self.problem = problem
        self.changed.set()

    async def until(self, count: int) -> list[Any]:
        async with asyncio.timeout(10):
            while len(self.messages) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.messages

    async def until_closed(self) -> str:
        async with asyncio.timeout(10):
            while self.problem is None:
                self.changed.clear()
                await self.changed.wait()
        return self.problem


@asynccontextmanager
async def python(code: str, *args: str, **options: Any) -> AsyncIterator[Connector]:
    arguments = ["-I", "-S", "-c", textwrap.dedent(code), *args]
    async with open_alone(STDIO, command=sys.executable, args=arguments, **options) as connector:
        yield connector


NONE: Mapping[str, str] = {}


async def test_messages_go_there_and_back() -> None:
    async with python(ECHO) as connector:
        inbox = Inbox()
        connection = await connector.connect(inbox)
        sent = [b'{"a":%d}' % n for n in range(200)] + [b'{"big":"' + b"x" * 3_000_000 + b'"}', b'{"\xff":1}']
        for message in sent:
            connection.send(message, NONE, 1)
        assert await inbox.until(len(sent)) == sent
        await connection.close()
        await connection.close()
        assert inbox.problem is None


async def test_a_message_with_line_breaks_stays_one_message() -> None:
    async with python(ECHO) as connector:
        inbox = Inbox()
        connection = await connector.connect(inbox)
        connection.send(b'{\n "a": 1\n}', NONE, 1)
        assert [json.loads(each) for each in await inbox.until(1)] == [{"a": 1}]


async def test_a_missing_command_is_named() -> None:
    async with open_alone(STDIO, command="no-such-command-here") as connector:
        with pytest.raises(ConnectFailed, match=r"no-such-command-here: no such command on PATH"):
            await connector.connect(Inbox())
    async with open_alone(STDIO, command="./nothing") as connector:
        with pytest.raises(ConnectFailed, match="no such file"):
            await connector.connect(Inbox())
    async with open_alone(STDIO, command="/etc/hostname") as connector:
        with pytest.raises(ConnectFailed, match="cannot start"):
            await connector.connect(Inbox())
    async with open_alone(STDIO, command=sys.executable, cwd="nowhere") as connector:
        with pytest.raises(ConnectFailed, match="is no directory"):
            await connector.connect(Inbox())


async def test_an_exit_is_reported_with_status_and_last_words() -> None:
    async with python("import sys; print('no key given', file=sys.stderr); sys.exit(3)") as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until_closed() == "the process exited with status 3; it said: no key given"


async def test_a_kill_is_reported() -> None:
    async with python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)") as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until_closed() == "the process was killed by signal 9"


async def test_closing_its_output_is_an_end() -> None:
    async with python("import os, time; os.close(1); time.sleep(60)") as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until_closed() == "it closed its output"


async def test_garbage_is_skipped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    code = r"print('hello\nworld\n\n\x1b[31m'); print('{\"a\":1}', flush=True); import time; time.sleep(60)"
    async with python(code, stop_timeout=0.3) as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until(1) == [b'{"a":1}']
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert [each.getMessage() for each in warnings] == [
        "printed something that is no message, skipped (said once): hello"
    ]


async def test_stderr_goes_to_the_log_made_harmless(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    code = r"import sys; sys.stderr.write('a\x1b[31mb\nlast'); sys.stderr.write('y'*200000 + '\n')"
    async with python(code) as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        await inbox.until_closed()
    assert "a\\x1b[31mb" in caplog.text
    assert all(len(each.getMessage()) < 70_000 for each in caplog.records)


async def test_a_line_too_long_and_an_input_left_unread() -> None:
    async with python("print('{' + 'x' * 5000, flush=True); import time; time.sleep(60)", max_line_bytes=1000,
                      stop_timeout=0.3) as connector:  # fmt: skip
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until_closed() == "it sent a line that is too long"
    async with python("import time; time.sleep(60)", stop_timeout=0.3) as connector:
        inbox = Inbox()
        connection = await connector.connect(inbox)
        for _ in range(9):
            connection.send(b"{" + b"x" * (8 << 20), NONE, 1)
        assert "unread" in await inbox.until_closed()


STUBBORN = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if len(sys.argv) > 1 and sys.argv[1] == "family" and os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
print('{"up":%d}' % os.getpid(), flush=True)
while True:
    time.sleep(1)
"""


async def test_nothing_is_left_after_close_not_even_who_left_the_group() -> None:
    async with python(STUBBORN, "family", stop_timeout=0.2) as connector:
        inbox = Inbox()
        connection = await connector.connect(inbox)
        pids = [json.loads(each)["up"] for each in await inbox.until(2)]
        await connection.close()
        assert not [pid for pid in pids if alive(pid)]


async def test_nothing_is_left_after_a_crash() -> None:
    async with python(STUBBORN, "family", stop_timeout=0.2) as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        pids = [json.loads(each)["up"] for each in await inbox.until(2)]
        leader = next(pid for pid in pids if os.getpgid(pid) == pid)
        os.kill(leader, signal.SIGKILL)
        assert "killed by signal 9" in await inbox.until_closed()
        await gone(pids, within=3)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def gone(pids: list[int], within: float) -> None:
    deadline = time.monotonic() + within
    while left := [pid for pid in pids if alive(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        await asyncio.sleep(0.05)


GATEWAY = """
import asyncio, json, sys
from only1mcp_sdk.testing.harness import open_alone
from only1mcp_sdk import offer
from only1mcp_transports.stdio.config import ConnectorConfig
from only1mcp_transports.stdio.connector import open_connector

STDIO = offer("stdio", ConnectorConfig, open_connector)

class Inbox:
    def received(self, message, stream): print(message.decode(), flush=True)
    def ended(self, stream, problem): pass
    def closed(self, problem): print(json.dumps({"closed": problem}), flush=True)

async def main():
    async with open_alone(STDIO, **json.loads(sys.argv[1])) as connector:
        await connector.connect(Inbox())
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("through_shell", [False, True])
async def test_a_killed_gateway_leaves_nothing_within_two_seconds(
    tmp_path: Path, through_shell: bool
) -> None:
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)
    argv = [sys.executable, "-I", "-S", str(script), "family"]
    if through_shell:
        argv = ["sh", "-c", f"{' '.join(argv)} ; true"]
    options = {"command": argv[0], "args": argv[1:]}
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GATEWAY, json.dumps(options), stdout=subprocess.PIPE
    )
    assert gateway.stdout is not None
    pids = [json.loads(await gateway.stdout.readline())["up"] for _ in range(2)]
    environ = Path(f"/proc/{pids[0]}/environ").read_bytes().split(b"\0")
    cookie = next(each for each in environ if each.startswith(b"ONLY1MCP_COOKIE=")).partition(b"=")[2]
    everybody = family.bearers(cookie.partition(b".")[0])
    assert set(pids) <= set(everybody)
    gateway.kill()
    await gateway.wait()
    await gone(everybody, within=2.0)


async def test_many_children_at_once_leave_no_descriptor() -> None:
    async with python(ECHO) as connector:
        first = await connector.connect(Inbox())
        await first.close()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            inboxes = [Inbox() for _ in range(10)]
            connections = await asyncio.gather(*(connector.connect(inbox) for inbox in inboxes))
            for connection, inbox in zip(connections, inboxes, strict=True):
                connection.send(b"{}", NONE, 1)
                await inbox.until(1)
            await asyncio.gather(*(connection.close() for connection in connections))
        await asyncio.sleep(0.05)
        assert len(os.listdir("/proc/self/fd")) <= before


async def test_a_cancelled_connect_leaves_nothing() -> None:
    async with python("import time; time.sleep(60)", stop_timeout=0.2) as connector:
        task = asyncio.ensure_future(connector.connect(Inbox()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
