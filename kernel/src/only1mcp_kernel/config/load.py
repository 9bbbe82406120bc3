"""Load a configuration file. Everything that can be wrong with one comes out as a `ConfigError`, all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from only1mcp_kernel.config.assemble import assemble
from only1mcp_kernel.config.document import MAX_BYTES, Node, refuse
from only1mcp_kernel.config.model import Config
from only1mcp_kernel.config.problems import ConfigError
from only1mcp_kernel.config.secrets import Opener, Resolver, names_used, open_secrets
from only1mcp_kernel.offers import Offers
from only1mcp_sdk import OpenFailed, Secret

Reader = Callable[[str, str], Node]


def _yaml() -> Reader:
    from only1mcp_kernel.config.read_yaml import read_yaml

    return read_yaml


def _toml() -> Reader:
    from only1mcp_kernel.config.read_toml import read_toml

    return read_toml


def _json() -> Reader:
    from only1mcp_kernel.config.read_json import read_json

    return read_json


READERS: Mapping[str, Callable[[], Reader]] = {".yaml": _yaml, ".yml": _yaml, ".toml": _toml, ".json": _json}
"""Formats by the ending of a file's name, each with what imports its reader: that of YAML takes 2 MiB."""


async def load_config(path: Path, offers: Offers, open_secret: Opener) -> Config:
    """The configuration in a file, with the secrets it refers to.

    The secret plugins that the file names are open while it is loaded and not longer: `open_secret` opens them, in
    contexts whose `base_dir` should be the file's directory (a `Workshop` has it so). Reads files, so it blocks for a
    moment. Raises `ConfigError`.
    """
    root = parse(read_text(path), path)
    try:
        async with open_secrets(offers, names_used(root), open_secret) as secrets:
            return build(root, path, offers, secrets)
    except OpenFailed as failed:
        raise refuse(str(path), 0, 0, str(failed)) from failed


def load(path: Path, offers: Offers, *, secrets: Mapping[str, Secret]) -> Config:
    """The configuration in a file, with secret plugins that are already open. Raises `ConfigError`."""
    return loads(read_text(path), path, offers, secrets=secrets)


def loads(text: str, path: Path, offers: Offers, *, secrets: Mapping[str, Secret]) -> Config:
    """The configuration in a text, as if it stood in `path`. Raises `ConfigError`."""
    return build(parse(text, path), path, offers, secrets)


def read_text(path: Path) -> str:
    """What stands in a file. Raises `ConfigError` when it can't be read or is no text."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise refuse(str(path), 0, 0, "there is no such file") from None
    except OSError as error:
        raise refuse(str(path), 0, 0, f"can't be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise refuse(str(path), 0, 0, f"larger than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise refuse(str(path), line, column, "not UTF-8 text") from None


def parse(text: str, path: Path) -> Node:
    """A text as a tree, read in the format that the path's ending names. Raises `ConfigError`."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise refuse(str(path), 0, 0, f"is not {', '.join(READERS)}", "rename it after its format")
    return reader()(text, str(path))


def build(root: Node, path: Path, offers: Offers, secrets: Mapping[str, Secret]) -> Config:
    """A tree as a configuration. Raises `ConfigError`."""
    resolver = Resolver(str(path), secrets, tuple(offers.of("secret")))
    resolved = resolver.resolve(root)
    try:
        config = assemble(resolved, path.absolute(), offers, str(path), resolver.vault)
    except ConfigError as error:
        raise ConfigError([*resolver.problems, *error.problems]) from None
    if resolver.problems:
        raise ConfigError(resolver.problems)
    return config
