"""A child's family: every process that descends from it, wherever it went.

Each child is given a cookie in its environment, which its descendants inherit, also those that left its process group
or session. On Linux a family is found by that cookie in /proc. Run as a program, this file is the watcher: it holds a
pipe to the gateway, and when that breaks, however the gateway died, it ends every process that bears its cookie.

Standard library alone: the watcher runs under `python -I -S`. Limits: a process that cleared its environment is not
found; nothing is left to act when the gateway and the watcher are killed together; elsewhere than on Linux there is no
/proc, and children end by their closed input and the signal to their group.
"""

from __future__ import annotations

import os
import signal
import sys
import time

PATIENCE = 1.0
"""Seconds between asking a family to end and killing it, when the gateway is gone."""
_POLL = 0.05


def bearers(cookie: bytes) -> list[int]:
    """The living processes whose cookie starts with this one; never the caller itself."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()] if sys.platform == "linux" else []
    return [pid for pid in pids if pid != os.getpid() and _bears(pid, cookie)]


def _bears(pid: int, cookie: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
    except OSError:
        return False
    marked = b"ONLY1MCP_COOKIE=" + cookie
    return environment.startswith(marked) or b"\0" + marked in environment


def signal_all(cookie: bytes, number: int) -> int:
    """Send a signal to every bearer; returns how many there were."""
    count = 0
    for pid in bearers(cookie):
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            if _bears(pid, cookie):  # still the same process: the handle was taken before this look
                count += 1
                signal.pidfd_send_signal(handle, number)
        except OSError:
            continue
        finally:
            os.close(handle)
    return count


def end_all(cookie: bytes, patience: float) -> None:
    """Ask every bearer to end, then kill those that are left, until there are none. Blocks."""
    deadline = time.monotonic() + patience
    if not signal_all(cookie, signal.SIGTERM):
        return
    while bearers(cookie):
        if time.monotonic() > deadline:
            signal_all(cookie, signal.SIGKILL)
        time.sleep(_POLL)


def main() -> None:
    """The watcher: `family.py COOKIE`, with its standard input held by the gateway."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if os.read(0, 1) == b"":  # broken without a farewell
        end_all(sys.argv[1].encode(), PATIENCE)


if __name__ == "__main__":
    main()
