"""What the gateway itself reads in a configuration file: every key, with its default and its description.

The reference documentation and the JSON Schema are made from these models. A place where a plugin's options go is
declared with a vague type here; `assemble` checks it against the plugin's own model, and `schema` spells it out.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from only1mcp_kernel.config.model import EraChoice, Isolation, LogLevel, NameStyle

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}\Z")
"""What servers and profiles may be called: names end up in URLs and in tool names."""

NAME_RULE = "is no name here: 1 to 32 letters, digits, _ and -, and no _ or - first"

METHODS = re.compile(r"[^\s*]+(/\*)?\Z")
"""What the keys of `methods` may be."""

_SIZE = re.compile(r"(\d{1,15})\s*(B|[kKMG]B|[KMG]iB|)\Z")
_UNITS = {
    "": 1,
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


def parse_size(value: object) -> object:
    """`4MiB` as bytes; what is not text passes. Raises `ValueError` for other text."""
    if not isinstance(value, str):
        return value
    found = _SIZE.match(value)
    if found is None:
        raise ValueError("should be a number of bytes, or one with a unit: B, kB, MB, GB, KiB, MiB, GiB")
    return int(found[1]) * _UNITS[found[2]]


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    Field(ge=1024, le=2**30),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1024, "maximum": 2**30},
                {"type": "string", "pattern": r"^\d{1,15}\s*(B|[kKMG]B|[KMG]iB)?$"},
            ]
        }
    ),
]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Settings(BaseModel):
    """Unknown keys are refused, and no type is guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LimitSettings(Settings):
    message_bytes: Size = Field(
        4 * 2**20,
        description="The largest message taken from a client: bytes, or a size such as `4MiB`.",
    )
    buffer_bytes: Size = Field(
        256 * 2**20,
        description="What may be held at a time of all messages of more than 64 KiB, in either direction.",
    )
    in_flight: int = Field(
        20_000, ge=1, description="Requests under way at a time. Further ones are refused at once (503)."
    )
    in_flight_per_client: int = Field(
        5_000, ge=1, description="Those of any one user. Without authentication, everybody is one user."
    )
    streams_per_client: int = Field(
        20_000,
        ge=1,
        description="Event streams that any one user may have open for what servers say unasked.",
    )


class LogSettings(Settings):
    level: LogLevel = Field("info", description="The least important messages that are still written.")


class ReplicaSettings(Settings):
    weight: int = Field(
        1,
        ge=1,
        le=1_000_000,
        description="The share of the calls it gets, where the balancer honours weights.",
    )


class ServerSettings(Settings):
    disabled: bool = Field(
        False, description="Switch the server off without deleting it. Its secrets need not exist then."
    )
    replicas: list[Any] | None = Field(
        None,
        description="Several equal endpoints of this server: each entry says how to reach one. "
        "Without it, the server's own mapping says how to reach its only endpoint.",
    )
    balance: Any = Field(
        None, description="How a replica is picked for a call. Needed with several replicas."
    )
    transforms: list[Any] = Field([], description="Changes to this server's own catalogue, applied in order.")
    isolation: Isolation = Field(
        "auto",
        description="Who shares a connection to a server that keeps a session. `auto`: one user's windows do, as "
        "long as nothing ties the connection to one of them. `principal`: one user's windows always do. "
        "`session`: nobody. `shared`: everybody, for servers that must exist once.",
    )
    era: EraChoice = Field(
        "auto",
        description="Which protocol to speak to the server: `modern` is 2026-07-28, `legacy` the revisions with a "
        "handshake before it, `auto` what it answers to.",
    )
    connect_timeout: Seconds = Field(
        30.0, gt=0, description="Seconds for reaching the server: the process starts, the handshake is done."
    )
    list_timeout: Seconds = Field(
        10.0, gt=0, description="Seconds for the server to list what it has, all pages together."
    )
    call_timeout: Seconds = Field(
        300.0,
        description="Seconds for a call to be answered, without the time a user takes to reply. 0: no limit.",
    )
    idle_stop: Seconds = Field(
        300.0,
        description="Close a process or session that nobody has used for this many seconds, as long as another one "
        "still serves. 0: never.",
    )

    trusted: bool = Field(
        False,
        description="Believe what the server says about its tools, such as that one only reads. Without it, such "
        "hints are shown to clients, and nothing in the gateway relies on them.",
    )


PLAIN_SETTINGS = (
    "isolation",
    "era",
    "connect_timeout",
    "list_timeout",
    "call_timeout",
    "idle_stop",
    "trusted",
)
"""The settings of a server that name no component; `ServerConfig` has them under the same names."""


class ProfileSettings(Settings):
    servers: Literal["*"] | list[str] = Field(
        "*", description='The servers it shows: `"*"` for all, or a list of names.'
    )
    names: NameStyle = Field(
        "auto",
        description="When names are prefixed with the server's name. `auto`: only where two servers use the same "
        "one. `always`, `never`: as it says.",
    )
    safe_names: bool = Field(
        False,
        description="Show every name with 1 to 64 letters, digits, `_` and `-` only, as some clients demand.",
    )
    transforms: list[Any] = Field([], description="Changes to what the profile shows, applied in order.")
    context: Any = Field(
        None,
        description="How its tools are shown so that they cost a model less, and how long results may be. Without it, "
        "everything is relayed as it is.",
    )
    page_size: int = Field(
        0,
        ge=0,
        le=10_000,
        description="How many entries one page of a list has. 0: all of them, so that each list is one page.",
    )
    methods: dict[str, str] = Field(
        {},
        description="Where methods go that MCP does not define and that name nothing the gateway knows: by the method "
        "(`skills/list`) or all of a prefix (`skills/*`), the name of the server.",
    )


class RootSettings(Settings):
    editor_schema: str = Field(
        "",
        alias="$schema",
        description="Where an editor finds the schema of this file. The gateway does not look.",
    )
    listen: list[Any] = Field(
        [{"use": "http"}], min_length=1, description="Where clients find the gateway. One entry per address."
    )
    authenticate: list[Any] = Field(
        [],
        description="How callers prove who they are, asked in order. Without any, everybody who can connect may "
        "call, and only addresses of this machine are allowed.",
    )
    servers: dict[str, Any] = Field(
        {},
        description="The MCP servers behind the gateway, by the names you give them: up to 32 letters, digits, `_` "
        "and `-`. A client's `mcpServers` block can be pasted in under that name instead.",
    )
    profiles: dict[str, Any] = Field(
        {},
        description="Views of the catalogue, each at its own URL. `default` always exists; unless you say "
        "otherwise it shows everything.",
    )
    filters: list[Any] = Field([], description="What looks at every request and answer, in order.")
    middleware: list[Any] = Field(
        [], description="What surrounds requests and may wait for something, in order, within the filters."
    )
    limits: LimitSettings = Field(LimitSettings(), description="Bounds on what is accepted.")
    startup_wait: Seconds = Field(
        2.0,
        description="Seconds that the first lists wait for slow servers before they are answered without them.",
    )
    drain: Seconds = Field(
        10.0,
        description="Seconds that calls under way get to finish when the gateway stops or a server is removed.",
    )
    log: LogSettings = Field(LogSettings(), description="What is written to the log.")
