"""The command line: what people type, and what they read. The work is done elsewhere.

A command's module imports nothing heavy before the command runs: `only1mcp --help` loads them all.
"""


def main() -> None:
    """The console script `only1mcp`."""
    from only1mcp_kernel.cli.app import build

    build()()
