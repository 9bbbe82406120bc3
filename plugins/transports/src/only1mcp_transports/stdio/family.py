"""A child's family: every process that descends from it, wherever it went.

Each child is given a cookie in its environment, which its descendants inherit, also those that left its process group
or session. On Linux a family is found by that cookie in /proc. Run as a program, this file is the watcher: it holds a
pipe to the gateway, and when that ends, however the gateway ended, it ends every process that bears its cookie.

Standard library alone, and little of it: the watcher runs under `python -I -S`. Limits: a process that cleared or
overwrote its environment is not found; nothing is left to act when the gateway and the watcher are killed together;
elsewhere than on Linux there is no /proc, so children end by their closed input and the signals to their group alone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

PATIENCE = 1.0
"""Seconds between asking a family to end and killing it, when the gateway is gone."""
POLL = 0.03
"""Seconds between two looks at who is left."""
_GIVE_UP = 10.0
_QUIET_LOOKS = 2


def bearers(cookie: bytes) -> list[int]:
    """The living processes whose cookie starts with this one; never the caller itself."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()] if sys.platform == "linux" else []
    return [pid for pid in pids if pid != os.getpid() and _bears(pid, cookie)]


def signal_all(cookie: bytes, number: int) -> int:
    """Send a signal to every bearer; returns how many there were."""
    return sum(_signal(pid, cookie, number) for pid in bearers(cookie))


def ending(cookie: bytes, patience: float) -> Iterator[None]:
    """End every bearer: ask, and after `patience` seconds kill, until none are left or it proves impossible.

    Each step takes one look at /proc, which blocks for some milliseconds; pause for `POLL` seconds between steps. Two
    looks in a row must find nobody: one may miss a process that is just being forked or executed.
    """
    start = time.monotonic()
    asked: set[int] = set()
    quiet = 0
    while quiet < _QUIET_LOOKS and time.monotonic() < start + _GIVE_UP:
        if time.monotonic() > start + patience:
            found = signal_all(cookie, signal.SIGKILL)
        else:
            family = bearers(cookie)
            found = len(family)
            for pid in family:
                if pid not in asked:
                    asked.add(pid)
                    _signal(pid, cookie, signal.SIGTERM)
        quiet = 0 if found else quiet + 1
        yield


def _bears(pid: int, cookie: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
    except OSError:  # gone, or somebody else's
        return False
    marked = b"ONLY1MCP_COOKIE=" + cookie
    return environment.startswith(marked) or b"\0" + marked in environment


def _signal(pid: int, cookie: bytes, number: int) -> bool:
    """Signal a process if it bears the cookie. The look comes after the handle was taken: numbers of processes are
    used again, handles never refer to another process."""
    try:
        handle = os.pidfd_open(pid)
    except (AttributeError, OSError):  # gone; or a kernel, a sandbox or a Python without it
        return _bears(pid, cookie) and _try(lambda: os.kill(pid, number))
    try:
        return _bears(pid, cookie) and _try(lambda: signal.pidfd_send_signal(handle, number))
    finally:
        os.close(handle)


def _try(send: Callable[[], None]) -> bool:
    try:
        send()
    except OSError:  # it ended meanwhile, or runs as another user
        return False
    return True


def main() -> None:
    """The watcher: `family.py COOKIE`, with its standard input held by the gateway."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while _read():
        pass
    for _ in ending(sys.argv[1].encode(), PATIENCE):
        time.sleep(POLL)


def _read() -> bytes:
    try:
        return os.read(0, 1)
    except OSError:
        return b""


if __name__ == "__main__":
    main()
