"""Where one gateway keeps its things: a private directory named after its configuration file's absolute path, so that
one user's gateways run side by side and each command finds the right one.

Nothing is created by looking. Everything that is created is this user's alone: directories 0700, files 0600.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from only1mcp_sdk import Only1McpError

STATE_ROOT = "ONLY1MCP_STATE_DIR"
"""Environment variable: keep all gateways' directories in here."""

_SOCKET_PATH_BYTES = 103
"""The longest socket path that every system takes: `sun_path` is 104 bytes on macOS and the BSDs, 108 on Linux."""


class CantCreate(Only1McpError):
    """A directory or file can't be made, or is not this user's alone."""


class AlreadyRunning(Only1McpError):
    """Another process serves this configuration."""

    def __init__(self, config: Path, pid: int | None) -> None:
        self.pid = pid
        who = f"pid {pid}" if pid else "its pid is not known yet"
        super().__init__(f"already running ({who}): a gateway serves {config}; `only1mcp stop` ends it")


@dataclass(frozen=True)
class Home:
    """The paths of the gateway that serves `config`: an absolute path, its directory without symlinks. The file itself
    may be one, and lead elsewhere after each deployment: the gateway stays the same."""

    config: Path
    directory: Path

    @classmethod
    def of(cls, config: Path) -> Home:
        """The home of a configuration file, which need not exist."""
        given = config.expanduser()
        path = given.parent.resolve() / given.name
        digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
        words = f"{path.parent.name}-{path.stem}".lower()
        slug = re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:40].strip("-")
        return cls(path, _state_root() / (f"{slug}-{digest}" if slug else digest))

    @property
    def pid_file(self) -> Path:
        """Locked while a gateway runs; see `Lock`."""
        return self.directory / "pid"

    @property
    def log_file(self) -> Path:
        """What a gateway in the background says."""
        return self.directory / "log"

    @property
    def state(self) -> Path:
        """What components keep over restarts."""
        return self.directory / "state"

    @property
    def socket(self) -> Path:
        """The control socket: in the home, or, where its path would be too long for a socket, in a directory for such
        things."""
        path = self.directory / "control.sock"
        if _fits(path):
            return path
        name = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16] + ".sock"
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        path = Path(runtime, "only1mcp", name) if runtime else Path()
        if runtime and path.is_absolute() and _fits(path):
            return path
        return Path(f"/tmp/only1mcp-{os.getuid()}", name)

    def prepare(self) -> None:
        """Make the directories. Raises `CantCreate`."""
        for directory in (self.directory, self.state, self.socket.parent):
            make_private(directory)


def _state_root() -> Path:
    root = os.environ.get(STATE_ROOT)
    if root:
        return Path(root).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_state_dir("only1mcp", appauthor=False)).absolute()


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= _SOCKET_PATH_BYTES


def make_private(directory: Path) -> None:
    """Make a directory with mode 0700, and its parents as usual. One that is there must be this user's own, must not
    be a symlink, and is closed to others. Raises `CantCreate`."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        found = directory.lstat()
    except OSError as error:
        raise CantCreate(f"can't make the directory {directory}: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise CantCreate(f"{directory} is not a directory; remove it or set {STATE_ROOT} to another place")
    if found.st_uid != os.getuid():
        raise CantCreate(f"{directory} belongs to another user; set {STATE_ROOT} to a place of your own")
    if found.st_mode & 0o077:
        directory.chmod(0o700)


class Lock:
    """A configuration's exclusive right to a gateway: a lock on the pid file, held until `release` or the process's
    end. A pid file that nobody locks means nothing, whatever it says."""

    def __init__(self, home: Home) -> None:
        """Take the lock and write our pid. Raises `AlreadyRunning` and `CantCreate`."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = os.open(home.pid_file, flags, 0o600)
        except OSError as error:
            raise CantCreate(f"can't open the pid file {home.pid_file}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read_pid(self._file)
            os.close(self._file)
            raise AlreadyRunning(home.config, holder) from None
        except OSError as error:
            os.close(self._file)
            raise CantCreate(f"can't lock the pid file {home.pid_file}: {error.strerror}") from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"%d\n%s\n" % (os.getpid(), os.fsencode(home.socket)), 0)

    def release(self) -> None:
        """Let go. Once. The file stays: removing it would let two processes lock two files of one name."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def _read_pid(file: int) -> int | None:
    line = os.pread(file, 32, 0).split(b"\n", 1)[0]
    return int(line) if line.isdigit() else None


def socket_of(home: Home) -> Path:
    """Where the running gateway of a home listens. Its pid file says so, because what `Home.socket` depends on may
    differ between that process's environment and ours."""
    try:
        lines = home.pid_file.read_bytes().split(b"\n")
    except OSError:
        return home.socket
    return Path(os.fsdecode(lines[1])) if len(lines) > 2 else home.socket
