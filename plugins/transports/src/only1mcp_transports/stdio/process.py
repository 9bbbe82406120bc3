"""A process with pipes of ours, and a call when it ends. The same on every event loop.

`subprocess_exec` is not: uvloop has a child inherit a second copy of each of its pipes, by which it goes on holding
those it closes, and cuts arguments off at a null character. Starting blocks until the program is loaded, there too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Process:
    """A running process, alone in its session. `exited` is called once, unless `close` comes first."""

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        cwd: Path | None,
        streams: tuple[int, int, int],
        exited: Callable[[], None],
    ) -> None:
        """`streams` are what it gets for its standard ones. Raises `OSError` and `ValueError`."""
        input, output, errors = streams
        self._process = subprocess.Popen(
            argv, stdin=input, stdout=output, stderr=errors, env=environment, cwd=cwd, start_new_session=True
        )
        self.pid = self._process.pid
        self._exited = exited
        self._loop = asyncio.get_running_loop()
        self._handle = -1
        self._closed = False
        try:
            self._handle = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # a kernel or a sandbox without it, or another system
            threading.Thread(target=self._wait, name="wait for a child", daemon=True).start()
        else:
            self._loop.add_reader(self._handle, self._over)

    @property
    def status(self) -> int | None:
        """What it exited with, negative for a signal; None while it runs."""
        return self._process.returncode

    def close(self) -> None:
        """Wait for its end no longer. Idempotent."""
        self._closed = True
        if self._handle >= 0:
            self._loop.remove_reader(self._handle)
            os.close(self._handle)
            self._handle = -1

    def _wait(self) -> None:
        self._process.wait()
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._over)

    def _over(self) -> None:
        self._process.wait()
        if not self._closed:
            self.close()
            self._exited()
