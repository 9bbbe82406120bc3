"""Start a gateway in the background: a new process of our own program, in a session of its own; no fork of this one.

The two are tied by a pipe until the child serves or has failed. What the child says after that is in its log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from only1mcp_kernel.daemon.home import Home
from only1mcp_sdk import Only1McpError

_TAIL_BYTES = 4000


class StartFailed(Only1McpError):
    """The child ended before it served; `exit_code` is what it ended with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def start_in_background(home: Home, host: str | None, port: int | None, insecure: bool) -> dict[str, Any]:
    """Run a gateway of this home, with `host` and `port` as configured where they are None. Blocks until it serves;
    returns its status.

    Raises `StartFailed` and `CantCreate`. When interrupted, the child is ended.
    """
    home.prepare()
    reading, writing = os.pipe()
    what = {"config": str(home.config), "host": host, "port": port, "insecure": insecure, "pipe": writing}
    # -P: a file in the current directory must not pass for one of our modules.
    command = [sys.executable, "-P", "-m", "only1mcp_kernel.daemon", json.dumps(what)]
    log = os.open(home.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        before = os.fstat(log).st_size
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[writing],
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(log)
        os.close(writing)
    try:
        with open(reading, "rb") as pipe:
            answer = pipe.read()
        if answer:
            told: dict[str, Any] = json.loads(answer)
            if told["ok"]:
                return told
            child.wait()
            raise StartFailed(told["error"], told["exit_code"])
        code = child.wait()
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    raise StartFailed(
        f"the gateway ended while it started; the end of {home.log_file}:\n{_tail(home, before)}",
        code if code > 0 else 1,
    )


def _tail(home: Home, start: int) -> str:
    with home.log_file.open("rb") as log:
        end = log.seek(0, os.SEEK_END)
        log.seek(max(min(start, end), end - _TAIL_BYTES))
        return log.read().decode("utf-8", "replace").rstrip()
