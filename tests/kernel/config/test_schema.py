"""The schema for editors: it takes what loads, and finds what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from only1mcp_kernel.config.document import plain
from only1mcp_kernel.config.problems import ConfigError
from only1mcp_kernel.config.read_yaml import read_yaml
from only1mcp_kernel.config.schema import json_schema
from only1mcp_kernel.discovery import take
from tests.kernel.config.installed import config, installed
from tests.kernel.config.json_schema import accepts
from tests.kernel.config.test_load import REPLICAS
from tests.kernel.config.test_secrets import FULL

SCHEMA = json_schema(installed())


def valid(text: str) -> bool:
    return accepts(SCHEMA, plain(read_yaml(text, "f")) or {}, SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "",
        FULL,
        REPLICAS,
        "$schema: x",
        "listen: [{use: http, port: '${env:PORT}'}, {use: pipe}]",
        "servers: {x: {type: local, command: a, limit: {memory: 3}, era: '${env:NONE:-auto}'}}",
        "servers: {x: {use: inside, tools: [a], transforms: [{use: only, hide: []}]}}",
        "mcpServers: {x: {type: streamable-http, url: 'https://a', retries: null}}",
        "profiles: {p: {servers: '*', tools: [a]}, q: {servers: []}}",
        "limits: {message_bytes: 4MiB}\nlog: {level: debug}\ndrain: 0",
        "servers: {x: {replicas: [{use: sse, url: 'https://a'}], balance: {use: spread}}}",
    ],
)
def test_what_loads_is_valid(text: str) -> None:
    config(text)
    assert valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "listn: []",
        "listen: []",
        "listen: [{use: htp}]",
        "listen: [{port: 1}]",
        "listen: [{use: http, prt: 1}]",
        "listen: [{use: http, port: many}]",
        "servers: {x: {comand: a}}",
        "servers: {x: {}}",
        "servers: {x: {use: command}}",
        "servers: {x: {command: a, limit: {memry: 1}}}",
        "servers: {x: {url: ftp}}",
        "servers: {a b: {command: a}}",
        "servers: {x: {command: a, replicas: [{command: b}]}}",
        "servers: {x: {replicas: []}}",
        "servers: {x: {replicas: [{command: a, weight: 0}]}}",
        "servers: {x: {command: a, era: new}}",
        "servers: {x: {command: a, transforms: [{use: prefix}]}}",
        "servers: {}\nmcpServers: {}",
        "profiles: {p: {servers: all}}",
        "profiles: {p: {nams: auto}}",
        "authenticate: [{use: keys}]",
    ],
)
def test_what_does_not_load_is_not_valid(text: str) -> None:
    with pytest.raises(ConfigError):
        config(text)
    assert not valid(text)


def properties(schema: Any) -> list[tuple[str, Any]]:
    """Every property with a schema, anywhere in a schema."""
    if isinstance(schema, list):
        return [found for each in schema for found in properties(each)]
    if not isinstance(schema, dict):
        return []
    own = list(schema.get("properties", {}).items())
    return [*own, *(found for each in schema.values() for found in properties(each))]


def test_every_key_of_the_gateway_is_described() -> None:
    bare = [name for name, schema in properties(SCHEMA) if "description" not in schema]
    assert bare == []


def test_it_is_stable_and_self_contained() -> None:
    text = json.dumps(SCHEMA)
    assert text == json.dumps(json_schema(installed()))
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        assert reference.removeprefix("#/$defs/") in SCHEMA["$defs"]


def test_without_plugins_nothing_that_needs_one_is_valid() -> None:
    schema = json_schema(take([]))
    assert accepts(schema, {"drain": 1}, schema)
    assert not accepts(schema, {"listen": [{"use": "http"}]}, schema)
    assert not accepts(schema, {"servers": {"x": {"command": "a"}}}, schema)
