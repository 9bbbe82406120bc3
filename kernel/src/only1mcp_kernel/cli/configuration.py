"""Commands about the configuration file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import typer

from only1mcp_kernel.cli.finding import ConfigOption, find
from only1mcp_kernel.cli.output import JsonOption, print_json, print_lines, reporting, say


def write(path: Path) -> Path:
    """Write the starter file; returns its absolute path. Raises `CantCreate`: a file that is there is never touched."""
    from only1mcp_kernel.config.starter import write_starter
    from only1mcp_kernel.daemon.home import CantCreate

    try:
        write_starter(path)
    except FileExistsError:
        raise CantCreate(f"{path} is there already, and is left as it is") from None
    except OSError as error:
        raise CantCreate(f"can't write {path}: {error.strerror}") from None
    return path.absolute()


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("only1mcp.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Write a commented configuration to begin with. Never writes over a file."""
    with reporting(as_json):
        written = write(path)
        say(f"Wrote {written}")
        if as_json:
            print_json({"ok": True, "path": str(written)})


def path(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print which file would be used."""
    with reporting(as_json):
        found = str(find(config))
        if as_json:
            print_json({"ok": True, "path": found})
        else:
            print_lines([found])


def schema() -> None:
    """Print the JSON Schema of configuration files, with the plugins that are installed, for editors."""
    with reporting(False):
        from only1mcp_kernel.config.schema import json_schema
        from only1mcp_kernel.discovery import discover

        print_json(json_schema(discover()))


def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the configuration as the gateway understands it: defaults filled in, secrets as references."""
    with reporting(as_json):
        loaded = _load(find(config))
        if as_json:
            print_json(loaded.effective)
        else:
            from ruamel.yaml import YAML

            yaml = YAML()
            text = io.StringIO()
            yaml.dump(dict(loaded.effective), text)
            print_lines(text.getvalue().splitlines())


def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The configuration file.")],
    as_json: JsonOption = False,
) -> None:
    """Check a configuration file. Starts nothing."""
    with reporting(as_json):
        _load(file.absolute())
        say(f"{file} is fine")
        if as_json:
            print_json({"ok": True, "path": str(file.absolute())})


def _load(path: Path) -> Any:
    import asyncio

    from only1mcp_kernel.daemon.gateway import read_config
    from only1mcp_kernel.daemon.home import Home
    from only1mcp_kernel.discovery import discover

    home = Home.of(path)
    return asyncio.run(read_config(home.config, home.state, discover()))
