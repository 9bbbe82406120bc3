"""A loaded configuration: what the rest of the kernel walks when it builds a generation.

Plain frozen values, complete and checked: every name in here exists, every reference is resolved, every default is
filled in. Knows nothing of files, YAML or how options are written. Options may hold resolved secrets, so no `repr`
in here prints them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from only1mcp_sdk import PluginConfig

Isolation: TypeAlias = Literal["auto", "shared", "principal", "session"]
EraChoice: TypeAlias = Literal["auto", "modern", "legacy"]
NameStyle: TypeAlias = Literal["auto", "always", "never"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

DEFAULT_PROFILE = "default"
"""The profile that always exists."""


@dataclass(frozen=True)
class Component:
    """One thing to open: `Offers.get(kind, use).offer.open(options, context)`."""

    kind: str
    use: str
    """The offer's own name, whichever alias the file said."""
    options: PluginConfig = field(repr=False)
    place: str
    """Where the file names it, e.g. `servers.files` or `listen[0]`; unique in a configuration."""


@dataclass(frozen=True)
class ReplicaConfig:
    component: Component
    weight: int
    key: str
    """Stable while this replica's own connector and options are unchanged; unique in its server."""


@dataclass(frozen=True)
class ServerConfig:
    """One enabled server. Times are in seconds."""

    name: str
    replicas: tuple[ReplicaConfig, ...]
    """Never empty."""
    balance: Component | None
    """There when there is more than one replica."""
    transforms: tuple[Component, ...]
    isolation: Isolation
    era: EraChoice
    connect_timeout: float
    list_timeout: float
    call_timeout: float
    """0 means none."""
    idle_stop: float
    """0 means never."""
    trusted: bool
    """What it says about its tools is believed."""
    fingerprint: str
    """Equal for two configurations of this server exactly when nothing of it differs, secrets included."""


@dataclass(frozen=True)
class ProfileConfig:
    name: str
    servers: tuple[str, ...]
    """Enabled servers only, in the order in which the file configures the servers."""
    names: NameStyle
    safe_names: bool
    transforms: tuple[Component, ...]
    page_size: int = 0
    """Entries of one page of a list; 0 means all of them."""
    context: Component | None = None
    """What shows its tools so that they cost a model less; without it they are shown as they are."""
    methods: Mapping[str, str] = field(default_factory=dict)
    """Methods that MCP does not define, or prefixes of them that end in `/*`, and the server each goes to."""


@dataclass(frozen=True)
class Limits:
    message_bytes: int
    buffer_bytes: int
    in_flight: int = 20_000
    in_flight_per_client: int = 5_000
    streams_per_client: int = 20_000


@dataclass(frozen=True)
class Config:
    """Everything. Times are in seconds."""

    path: Path
    """The file it came from, absolute."""
    listen: tuple[Component, ...]
    authenticate: tuple[Component, ...]
    servers: Mapping[str, ServerConfig]
    """Enabled ones, in the order of the file."""
    disabled: tuple[str, ...]
    """Names of the servers that are switched off."""
    profiles: Mapping[str, ProfileConfig]
    """`default` is always among them."""
    filters: tuple[Component, ...]
    middleware: tuple[Component, ...]
    limits: Limits
    startup_wait: float
    drain: float
    log_level: LogLevel
    effective: Mapping[str, Any] = field(repr=False)
    """The same in the words of a configuration file, as JSON values: defaults filled in, secrets as references."""

    @property
    def base_dir(self) -> Path:
        """Relative paths in the file start here."""
        return self.path.parent
