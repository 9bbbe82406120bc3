"""Servers that give a URL and do not say which connector it is for."""

from __future__ import annotations

import pytest

from only1mcp_kernel.config.problems import ConfigError
from only1mcp_kernel.discovery import take
from only1mcp_kernel.offers import Offers
from only1mcp_sdk import PluginConfig, offer
from tests.kernel.config.installed import config, module, nothing, source


class Url(PluginConfig):
    url: str


LISTENER = {"listener": [offer("http", PluginConfig, nothing)]}


def offers() -> Offers:
    made = [
        offer("web", Url, nothing, aliases=("streamable",), schemes=("http", "https")),
        offer("socket", Url, nothing, aliases=("ws",), schemes=("ws", "wss")),
        offer("events", Url, nothing, aliases=("sse",)),
    ]
    return take([source("some", module({"connector": made, **LISTENER}))])


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("url: http://h/mcp", "web"),
        ("url: HTTPS://h/mcp", "web"),
        ("url: ws://h", "socket"),
        ("url: wss://h", "socket"),
        ("url: http://h, type: sse", "events"),
        ("url: http://h, use: events", "events"),
        ("url: http://h, type: ws", "socket"),
        ("url: wss://h, type: streamable", "web"),
    ],
)
def test_the_scheme_tells(server: str, name: str) -> None:
    made = config(f"servers: {{x: {{{server}}}}}", offers=offers())
    assert made.servers["x"].replicas[0].component.use == name


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        (
            "url: htps://h",
            '1:20: servers.x.url: should start with http://, https://, ws://, wss://; did you mean "https"',
        ),
        ("url: localhost:80/mcp", "1:20: servers.x.url: should start with http://"),
        ("url: ftp-a-very-odd-one://h", 'for anything else say which connector with "use"'),
        ("url: 7", "1:20: servers.x.url: should be valid text, not a number"),
        ("url: null", "1:20: servers.x.url: should be valid text, not nothing"),
        ("url: http://h, ulr: x", '1:30: servers.x.ulr: unknown key; did you mean "url"?'),
    ],
)
def test_a_url_that_is_nobodys(server: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(f"servers: {{x: {{{server}}}}}", offers=offers())
    assert problem in str(caught.value)


def test_a_replica_may_be_reached_in_another_way() -> None:
    balancer = offer("any", PluginConfig, nothing)
    more = take(
        [
            source("some", module({"connector": [offer("web", Url, nothing, schemes=("http",))]})),
            source("other", module({"connector": [offer("socket", Url, nothing, schemes=("ws",))]})),
            source("third", module({"balancer": [balancer], **LISTENER})),
        ]
    )
    text = "servers: {x: {balance: {use: any}, replicas: [{url: http://a}, {url: ws://b}]}}"
    made = config(text, offers=more).servers["x"].replicas
    assert [replica.component.use for replica in made] == ["web", "socket"]


def test_a_url_that_can_not_be_resolved_is_reported_once() -> None:
    with pytest.raises(ConfigError) as caught:
        config("servers: {x: {url: '${env:NONE}'}}", offers=offers())
    assert str(caught.value).count("servers.x") == 1
