"""How commands speak: data on stdout, talk and errors on stderr, exit codes from `daemon.exits`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TextIO, TypeAlias

import typer

JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def print_lines(lines: Iterable[str]) -> None:
    """Data for people."""
    for line in lines:
        print(for_terminal(line, sys.stdout))


def print_json(value: Any) -> None:
    """Data for programs, in one line."""
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def say(text: str) -> None:
    """Talk."""
    print(for_terminal(text, sys.stderr), file=sys.stderr, flush=True)


def for_terminal(text: str, stream: TextIO) -> str:
    """The text; for a terminal with everything escaped that it might act on: servers choose much of what we print."""
    if not stream.isatty():
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else repr(letter)[1:-1] for letter in text
    )


@contextmanager
def reporting(as_json: bool) -> Iterator[None]:
    """Turns errors that mean something to the user into words on stderr, an object on stdout where JSON was asked for,
    and an exit code."""
    try:
        yield
    except Exception as error:
        from only1mcp_kernel.daemon.exits import exit_code
        from only1mcp_sdk import Only1McpError

        if not isinstance(error, Only1McpError):
            raise
        code = exit_code(error)
        say(str(error))
        if as_json:
            print_json({"ok": False, "error": str(error), "exit_code": code, **_problems(error)})
        raise typer.Exit(code) from None


def _problems(error: Exception) -> dict[str, Any]:
    from dataclasses import asdict

    from only1mcp_kernel.config.problems import ConfigError

    if not isinstance(error, ConfigError):
        return {}
    return {"problems": [asdict(problem) for problem in error.problems]}
