"""Exit codes of the command line, after sysexits.h. They are part of the interface: docs/cli.md lists them."""

OK = 0
FAILURE = 1
"""What was asked for failed: a component did not open, a tool answered with an error."""
USAGE = 2
"""The command line itself is wrong."""
NOT_RUNNING = 69
"""EX_UNAVAILABLE: no gateway runs with this configuration."""
CANT_CREATE = 73
"""EX_CANTCREAT: a file or directory can't be made, or is there already."""
ALREADY_RUNNING = 75
"""EX_TEMPFAIL: a gateway runs with this configuration already."""
BAD_CONFIG = 78
"""EX_CONFIG: the configuration can't be found, read or used."""
INTERRUPTED = 130
"""Ended by Ctrl-C, as shells count it."""


def exit_code(error: Exception) -> int:
    """The code to end with because of this error."""
    from only1mcp_kernel.config.problems import ConfigError
    from only1mcp_kernel.daemon.background import StartFailed
    from only1mcp_kernel.daemon.client import NotRunning, Refused
    from only1mcp_kernel.daemon.home import AlreadyRunning, CantCreate

    match error:
        case StartFailed():
            return error.exit_code
        case ConfigError():
            return BAD_CONFIG
        case Refused(kind=ConfigError.__name__):
            return BAD_CONFIG
        case NotRunning():
            return NOT_RUNNING
        case AlreadyRunning():
            return ALREADY_RUNNING
        case CantCreate():
            return CANT_CREATE
        case _:
            return FAILURE
