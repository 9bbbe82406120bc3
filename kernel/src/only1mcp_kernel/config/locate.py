"""Where the configuration file is. Light: the command line imports this."""

from __future__ import annotations

from pathlib import Path

NAMES = ("only1mcp.yaml", "only1mcp.yml", "only1mcp.toml", "only1mcp.json")


def locate(given: Path | None = None) -> Path:
    """The file to use: the one that was given, else the first of `NAMES` in the working directory, else in the user's
    configuration directory. When there is none, where a starter file belongs: `default_path()`. Always absolute."""
    if given is not None:
        return given.absolute()
    for directory in (Path.cwd(), _user_directory()):
        for name in NAMES:
            if (directory / name).is_file():
                return directory / name
    return default_path()


def default_path() -> Path:
    """The user's own configuration file, whether or not it exists."""
    return _user_directory() / NAMES[0]


def _user_directory() -> Path:
    from platformdirs import user_config_path

    return user_config_path("only1mcp")
