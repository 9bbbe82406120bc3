"""The stdio connector with real child processes: what goes there and back, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path

import pytest

from only1mcp_sdk import ConnectFailed
from only1mcp_sdk.testing import check_connector
from only1mcp_sdk.testing.harness import Harness, open_alone
from only1mcp_transports.stdio import child
from tests.plugins.transports.stdio.children import BARE, ECHO, NONE, STDIO, Inbox, descriptors, python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="process families are found in /proc")

ANSWERING = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"jsonrpc": "2.0", "id": json.loads(line)["id"], "result": {}}), flush=True)
"""


async def test_keeps_to_the_contract() -> None:
    options = {"command": sys.executable, "args": [*BARE, ANSWERING]}
    await check_connector(STDIO, options, broken={"command": "no-such-command-here"})


async def test_messages_go_there_and_back() -> None:
    async with python(ECHO) as connector:
        inbox = Inbox()
        connection = await connector.connect(inbox)
        sent = [b'{"a":%d}' % n for n in range(200)] + [b'{"big":"' + b"x" * 3_000_000 + b'"}']
        for message in sent:
            connection.send(message, NONE, 1)
        assert await inbox.until(len(sent)) == sent
        await connection.close()
        await connection.close()
        assert inbox.problem is None


async def test_bytes_are_not_looked_at() -> None:
    async with python("import sys; sys.stdout.buffer.write(sys.stdin.buffer.readline() * 2)") as connector:
        inbox = Inbox()
        connection = await connector.connect(inbox)
        connection.send(b'{"\xff\x00\xfe":1}', NONE, 1)
        assert await inbox.until(2) == [b'{"\xff\x00\xfe":1}'] * 2


async def test_a_message_with_line_breaks_stays_one_message() -> None:
    async with python(ECHO) as connector:
        inbox = Inbox()
        connection = await connector.connect(inbox)
        connection.send(b'{\r\n "a":\r 1\n}', NONE, 1)
        assert [json.loads(each) for each in await inbox.until(1)] == [{"a": 1}]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"command": "no-such-command-here"}, "no-such-command-here: no such command on PATH"),
        ({"command": "./nothing"}, "cannot start ./nothing: there is no such file"),
        ({"command": "/dev/null"}, "cannot start /dev/null: Permission denied"),
        ({"command": sys.executable, "cwd": "nowhere"}, "its cwd .*nowhere is no directory"),
        ({"command": sys.executable, "args": ["a\0b"]}, "null byte"),
        ({"command": sys.executable, "env": {"A=B": "c"}}, "illegal environment variable name"),
    ],
)
async def test_what_can_not_start_is_said(options: dict[str, object], words: str) -> None:
    async with open_alone(STDIO, **options) as connector:
        with pytest.raises(ConnectFailed, match=words):
            await connector.connect(Inbox())


async def test_arguments_are_not_shown() -> None:
    async with open_alone(STDIO, command="server", args=["--token", "hunter2"]) as connector:
        assert connector.target == "server with 2 arguments"


async def test_an_exit_is_reported_with_status_and_last_words() -> None:
    code = "import sys; print('no key given\\nbye', end='', file=sys.stderr); sys.exit(3)"
    async with python(code) as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until_closed() == "the process exited with status 3; it said: no key given | bye"


async def test_what_was_written_before_an_exit_arrives() -> None:
    code = "import os; os.write(1, (b'{' + b'x' * 99_998 + b'\\n') * 9); os._exit(0)"
    async with python(code) as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until_closed() == "the process exited with status 0"
        assert len(inbox.messages) == 9


async def test_an_exit_is_reported_although_another_process_keeps_the_pipes() -> None:
    code = "import os, time; os.fork() or time.sleep(60); os._exit(0)"
    async with python(code, stop_timeout=0.3) as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until_closed() == "the process exited with status 0"


async def test_a_kill_is_reported() -> None:
    async with python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)") as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until_closed() == "the process was killed by signal 9"


@pytest.mark.parametrize(("number", "name"), [(0, "input"), (1, "output")])
async def test_closing_a_pipe_is_an_end(number: int, name: str) -> None:
    async with python(f"import os, time; os.close({number}); time.sleep(60)", stop_timeout=0.2) as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until_closed() == f"it closed its {name}"


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
    assert warnings[0].name == "only1mcp.testing"


async def test_stderr_goes_to_the_log_made_harmless(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    code = r"""
    import sys
    write = sys.stderr.buffer.write
    write(b'a\x1b[31mb\xe2\x80\xaec\xff\n' + b'y' * 200_000 + b'\nafter\nno end')
    """
    async with python(code) as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        await inbox.until_closed()
    said = [each.getMessage() for each in caplog.records if each.levelno == logging.INFO]
    assert said == ["a\\x1b[31mb\\u202ec�", "y" * child.MAX_STDERR_LINE + " ...", "after", "no end"]


async def test_a_line_too_long_is_an_end_however_much_follows() -> None:
    code = "import sys\nwhile True: sys.stdout.write('{' * 100_000)"
    async with python(code, max_line_bytes=1000, stop_timeout=0.5) as connector:
        before = resident()
        inbox = Inbox()
        connection = await connector.connect(inbox)
        problem = await inbox.until_closed()
        assert problem == "it sent a line of more than 1000 bytes (max_line_bytes)"
        await connection.close()
        assert resident() - before < 50 << 20


async def test_nothing_arrives_after_a_line_too_long() -> None:
    code = "print('{}\\n{' + 'x' * 5000 + '\\n{}', flush=True); import time; time.sleep(60)"
    async with python(code, max_line_bytes=1000, stop_timeout=0.2) as connector:
        inbox = Inbox()
        connection = await connector.connect(inbox)
        await inbox.until_closed()
        await connection.close()
        assert inbox.messages == [b"{}"]


async def test_an_input_left_unread_is_an_end() -> None:
    async with python("import time; time.sleep(60)", stop_timeout=0.3) as connector:
        inbox = Inbox()
        connection = await connector.connect(inbox)
        for _ in range(9):
            connection.send(b"{" + b"x" * (8 << 20), NONE, 1)
        assert inbox.problem is None, "not from within the call"
        assert await inbox.until_closed() == "it left more than 64 MiB of its input unread"
        connection.send(b"{}", NONE, 1)


async def test_the_environment_and_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOME": "/h", "OWN_TOKEN": "t", "OTHER": "o", "PATH": "/usr/bin"}.items():
        monkeypatch.setenv(name, value)
    code = "import json, os; print(json.dumps([dict(os.environ), os.getcwd()]), flush=True)"
    options = {"args": [*BARE, code], "env": {"SET": "s"}, "pass_env": ["OWN_*"], "cwd": "sub"}
    with Harness() as harness:
        (harness.base_dir / "sub").mkdir()
        async with harness.open(STDIO, {"command": sys.executable, **options}) as connector:
            inbox = Inbox()
            await connector.connect(inbox)
            environment, cwd = json.loads((await inbox.until(1))[0])
        assert cwd == str(harness.base_dir / "sub")
    assert environment["PATH"] == f"/usr/bin:{os.path.dirname(sys.executable)}"
    assert environment.items() >= {"HOME": "/h", "OWN_TOKEN": "t", "SET": "s"}.items()
    assert "OTHER" not in environment


async def test_a_relative_command_is_looked_for_in_the_working_directory() -> None:
    with Harness() as harness:
        script = harness.base_dir / "sub" / "server"
        script.parent.mkdir()
        script.write_text("#!/bin/sh\nread line; echo '{}'\n")
        script.chmod(0o755)
        async with harness.open(STDIO, {"command": "./server", "cwd": "sub"}) as connector:
            inbox = Inbox()
            connection = await connector.connect(inbox)
            connection.send(b"{}", NONE, 1)
            assert await inbox.until(1) == [b"{}"]


async def test_fifty_connections_leave_no_descriptor() -> None:
    async with python(ECHO) as connector:
        first = await connector.connect(Inbox())
        await first.close()
        before = descriptors()
        for _ in range(5):
            inboxes = [Inbox() for _ in range(10)]
            connections = await asyncio.gather(*(connector.connect(inbox) for inbox in inboxes))
            for connection, inbox in zip(connections, inboxes, strict=True):
                connection.send(b"{}", NONE, 1)
                await inbox.until(1)
            await asyncio.gather(*(connection.close() for connection in connections))
        await asyncio.sleep(0.05)
        assert descriptors() <= before


async def test_starting_does_not_hold_up_the_event_loop() -> None:
    async with python(ECHO) as connector:
        pauses = [0.0]

        async def watch() -> None:
            while True:
                start = time.perf_counter()
                await asyncio.sleep(0)
                pauses.append(time.perf_counter() - start)

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(connector.connect(Inbox()) for _ in range(10)))
        watching.cancel()
        assert max(pauses) < 0.5, "ten starts in a row hold up everybody else"


def resident() -> int:
    """Bytes of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
