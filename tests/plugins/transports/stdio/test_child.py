"""A child of the stdio connector: what goes there and back, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path

import pytest
import uvloop

from only1mcp_sdk import ConnectFailed
from only1mcp_sdk.testing.harness import open_alone
from only1mcp_transports.stdio import child
from tests.plugins.transports.stdio.children import ECHO, NONE, STDIO, Inbox, python

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="process families are found in /proc")


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


async def test_pipes_can_be_opened_by_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with open_alone(
        STDIO, command="sh", args=["-c", "echo {} > /dev/stdout; echo hi > /dev/stderr"]
    ) as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert await inbox.until_closed() == "the process exited with status 0; it said: hi"
        assert inbox.messages == [b"{}"]


async def test_a_child_inherits_nothing_else() -> None:
    code = "import json, os; print(json.dumps(sorted(os.listdir('/proc/self/fd'))), flush=True)"
    inheritable = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    async with python(code) as connector:
        inbox = Inbox()
        await connector.connect(inbox)
        assert json.loads((await inbox.until(1))[0]) == ["0", "1", "2", "3"], "3 is the listing itself"
    os.close(inheritable)


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


def resident() -> int:
    """Bytes of memory in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
