"""Loading a configuration: what it becomes, and what is said about one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from only1mcp_kernel.config.load import load, read_text
from only1mcp_kernel.config.problems import ConfigError
from only1mcp_kernel.discovery import take
from only1mcp_sdk import PluginConfig, offer
from tests.kernel.config.installed import (
    STANDARD,
    STORE,
    Command,
    Http,
    Tools,
    Url,
    config,
    installed,
    module,
    nothing,
    source,
)


def problems(text: str, name: str = "only1mcp.yaml") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(text, name=name)
    return str(caught.value).splitlines()


def test_an_empty_file_is_a_configuration() -> None:
    loaded = config("")
    assert loaded.path == Path("only1mcp.yaml").absolute()
    (listener,) = loaded.listen
    assert (listener.kind, listener.use, listener.place) == ("listener", "http", "listen[0]")
    assert listener.options == Http()
    assert loaded.servers == {}
    assert loaded.authenticate == loaded.filters == ()
    assert loaded.limits.message_bytes == 4 * 2**20
    assert (loaded.startup_wait, loaded.drain, loaded.log_level) == (2.0, 10.0, "info")
    default = loaded.profiles["default"]
    assert (default.servers, default.names, default.safe_names, default.transforms) == ((), "auto", False, ())


def test_a_connector_is_told_by_what_it_needs() -> None:
    servers = config(
        "servers: {a: {command: x}, b: {url: 'https://b'}, c: {use: local, command: y}, d: {type: inside}}"
    ).servers
    assert [server.replicas[0].component.use for server in servers.values()] == [
        "command",
        "web",
        "command",
        "inside",
    ]
    a = servers["a"]
    assert a.replicas[0].component.options == Command(command="x")
    assert a.replicas[0].component.place == "servers.a"
    assert (a.isolation, a.era, a.balance, a.transforms) == ("auto", "auto", None, ())
    assert (a.connect_timeout, a.list_timeout, a.call_timeout, a.idle_stop) == (30.0, 10.0, 300.0, 300.0)


def test_a_pasted_block_of_a_client_works() -> None:
    text = '{"mcpServers": {"x": {"type": "streamable-http", "url": "https://x", "headers": {"A": "b"}}}}'
    (replica,) = config(text, name="a.json").servers["x"].replicas
    assert replica.component.options == Url(url="https://x", headers={"A": "b"})
    assert replica.component.place == "servers.x"


def test_all_formats_load_alike() -> None:
    yaml = config("servers: {x: {command: y, args: [a], call_timeout: 1}}")
    toml = config('[servers.x]\ncommand = "y"\nargs = ["a"]\ncall_timeout = 1', name="x.toml")
    json = config('{"servers": {"x": {"command": "y", "args": ["a"], "call_timeout": 1}}}', name="x.json")
    assert yaml.servers == toml.servers == json.servers


REPLICAS = """
servers:
  s:
    replicas:
      - {url: "https://a", weight: 3}
      - {url: "https://a"}
      - {use: command, command: x}
    balance: {use: weighted}
"""


def test_replicas() -> None:
    server = config(REPLICAS).servers["s"]
    assert [replica.weight for replica in server.replicas] == [3, 1, 1]
    assert [replica.component.place for replica in server.replicas][1] == "servers.s.replicas[1]"
    keys = [replica.key for replica in server.replicas]
    assert len(set(keys)) == 3
    assert keys[1].startswith(keys[0]), "alike but for the weight"
    assert server.balance is not None
    assert (server.balance.use, server.balance.place) == ("weighted", "servers.s.balance")
    moved = config(REPLICAS.replace('- {url: "https://a"}', '- {url: "https://b"}')).servers["s"]
    assert [replica.key for replica in moved.replicas] == [keys[0], moved.replicas[1].key, keys[2]]
    assert moved.fingerprint != server.fingerprint


@pytest.mark.parametrize(
    "other",
    [
        "{command: y}",
        "{command: x, args: [a]}",
        "{command: x, era: legacy}",
        "{command: x, tools: [a]}",
        "{command: x, transforms: [{use: prefix, prefix: a}]}",
        "{url: 'https://x'}",
        "{command: x, env: {A: '${env:TOKEN}'}}",
    ],
)
def test_a_fingerprint_changes_with_anything(other: str) -> None:
    plain = config("servers: {x: {command: x}}").servers["x"].fingerprint
    assert config(f"servers: {{x: {other}}}").servers["x"].fingerprint != plain


@pytest.mark.parametrize(
    "same",
    [
        "x: {use: local, command: x}",
        "x: {command: x, args: [], isolation: auto, call_timeout: 300}",
        "w: {command: w}\n  x: {command: '${env:NONE:-x}'}",
    ],
)
def test_a_fingerprint_does_not_change_with_how_it_is_said(same: str) -> None:
    plain = config("servers: {x: {command: x}}").servers["x"].fingerprint
    assert config(f"servers:\n  {same}").servers["x"].fingerprint == plain


def test_a_fingerprint_knows_secrets_apart() -> None:
    def fingerprint(token: str) -> str:
        return config(f"servers: {{x: {{url: 'https://x', token: {token}}}}}").servers["x"].fingerprint

    assert fingerprint("one") != fingerprint("two")
    assert fingerprint("'${env:TOKEN}'") == fingerprint("s3cret-value")


def test_transforms_written_straight_into_a_server_come_first() -> None:
    server = config(
        "servers: {x: {command: x, transforms: [{use: prefix, prefix: p}], hide: [b], tools: [a]}}"
    ).servers["x"]
    assert [transform.place for transform in server.transforms] == [
        "servers.x.hide",
        "servers.x.transforms[0]",
    ]
    assert server.transforms[0].options == Tools(tools=("a",), hide=("b",))


def test_profiles_list_servers_in_the_order_of_the_file() -> None:
    loaded = config(
        """
servers: {a: {command: x}, off: {command: x, disabled: true}, b: {command: x}, c: {command: x}}
profiles: {work: {servers: [c, off, a], tools: [x], names: always, safe_names: true}}
"""
    )
    work = loaded.profiles["work"]
    assert (work.servers, work.names, work.safe_names) == (("a", "c"), "always", True)
    assert work.transforms[0].options == Tools(tools=("x",))
    assert loaded.profiles["default"].servers == ("a", "b", "c")
    assert loaded.disabled == ("off",)
    assert "off" not in loaded.servers


def test_the_default_profile_can_be_said_otherwise() -> None:
    loaded = config("servers: {a: {command: x}, b: {command: x}}\nprofiles: {default: {servers: [b]}}")
    assert loaded.profiles["default"].servers == ("b",)


def test_pages_and_methods_of_a_profile() -> None:
    loaded = config(
        """
servers: {a: {command: x}, off: {command: x, disabled: true}, b: {command: x}}
profiles:
  work: {servers: [a, off], page_size: 50, methods: {skills/list: a, "vendor/*": a, gone: off}}
"""
    )
    work, default = loaded.profiles["work"], loaded.profiles["default"]
    assert (work.page_size, dict(work.methods)) == (50, {"skills/list": "a", "vendor/*": "a"})
    assert (default.page_size, dict(default.methods)) == (0, {})


@pytest.mark.parametrize(
    ("size", "count"), [("4096", 4096), ("1MiB", 2**20), ("2 kB", 2000), ("'8192'", 8192), ("1GiB", 2**30)]
)
def test_sizes(size: str, count: int) -> None:
    assert config(f"limits: {{message_bytes: {size}}}").limits.message_bytes == count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listn: []", '1:1: listn: unknown key; did you mean "listen"?'),
        ("- a", "1:1: should be a mapping, not a list"),
        ("a", "1:1: should be a mapping, not text"),
        ("listen: []", "1:9: listen: list should have at least 1 item"),
        ("listen: http", "1:9: listen: should be a valid list, not text"),
        ("listen: [http]", "1:10: listen[0]: should be a mapping, not text; write {use: name}"),
        ("listen: [{port: 1}]", '1:10: listen[0]: missing "use"; installed: http, pipe'),
        ("listen: [{use: htp}]", '1:16: listen[0].use: no listener called \'htp\' is installed; did you mean "http"?'),
        ("listen: [{use: 3}]", "1:16: listen[0].use: should be the name of a listener, not a number"),
        ("listen: [{use: web}]", "no listener called 'web' is installed; installed: http, pipe"),
        ("listen: [{use: http, port: '80'}]", "1:28: listen[0].port: should be a valid integer, not text"),
        ("listen: [{use: http, port: 99999}]", "1:28: listen[0].port: should be less than or equal to 65535"),
        ("listen: [{use: http, port: true}]", "listen[0].port: should be a valid integer, not true or false"),
        ("listen: [{use: http, prt: 1}]", '1:22: listen[0].prt: unknown key; did you mean "port"?'),
        ("servers:\n  x:\n    comand: a", '3:5: servers.x.comand: unknown key; did you mean "command"?'),
        ("servers:\n  x: {command: a,\n    ars: []}", '3:5: servers.x.ars: unknown key; did you mean "args"?'),
        ("servers: {x: {command: a, isolatoin: b}}", 'unknown key; did you mean "isolation"?'),
        ("servers: {x: {command: a, tolls: []}}", 'unknown key; did you mean "tools"?'),
        ("servers: {x: {command: a, limit: {memry: 1}}}", 'servers.x.limit.memry: unknown key; did you mean "memory"?'),
        ("servers: {x: {command: [a]}}", "1:24: servers.x.command: should be valid text, not a list"),
        ("servers: {x: {command: a, args: a}}", "servers.x.args: should be a valid list, not text"),
        ("servers: {x: {command: a, args: [a, 1]}}", "1:37: servers.x.args[1]: should be valid text, not a number"),
        ("servers: {x: {command: a, env: {A: 1}}}", "1:36: servers.x.env.A: should be valid text, not a number"),
        ("servers: {x: {command: a, era: new}}", "servers.x.era: should be 'auto', 'modern' or 'legacy'"),
        ("servers: {x: {command: a, call_timeout: -1}}", "call_timeout: should be greater than or equal to 0"),
        ("servers: {x: {command: a, weight: 2}}", "servers.x.weight: unknown key"),
        ("servers: {x: {}}", '1:11: servers.x: nothing here says how to reach the server; give "use", or one of: '),
        ("servers: {x: {args: []}}", "nothing here says how to reach the server"),
        ("servers: {x: a}", "1:14: servers.x: should be a mapping, not text"),
        ("servers: {x: {command: a, url: b}}", "fits several connectors: command, web; say which with \"use\""),
        ("servers: {x: {use: command}}", '1:11: servers.x: missing "command"'),
        ("servers: {x: {use: cmmand, command: a}}", "no connector called 'cmmand' is installed; did you mean"),
        ("servers: {x: {use: local, type: local, command: a}}", 'servers.x.type: means the same as "use"'),
        ("servers: {'a b': {command: a}}", "1:11: servers.a b: is no name here"),
        (f"servers: {{{'a' * 33}: {{command: a}}}}", "is no name here"),
        ("servers: {}\nmcpServers: {}", '2:1: mcpServers: means the same as "servers"'),
        ("mcpServers: {x: {comand: a}}", 'mcpServers.x.comand: unknown key; did you mean "command"?'),
        ("servers: {x: {command: a}, x: {command: b}}", "1:28: servers.x: given twice"),
        ("servers: {x: {replicas: []}}", "servers.x.replicas: should have at least one entry"),
        ("servers: {x: {replicas: a}}", "servers.x.replicas: should be a valid list, not text"),
        ("servers: {x: {replicas: [a]}}", "servers.x.replicas[0]: should be a mapping, not text"),
        ("servers: {x: {replicas: [{command: a}], command: b}}", "servers.x.command: can't stand beside \"replicas\""),
        ("servers: {x: {replicas: [{command: a}], use: b}}", "servers.x.use: can't stand beside \"replicas\""),
        ("servers: {x: {replicas: [{command: a}], blance: b}}", 'blance: unknown key; did you mean "balance"?'),
        ("servers: {x: {replicas: [{command: a, weight: 0}]}}", "weight: should be greater than or equal to 1"),
        ("servers: {x: {replicas: [{command: a, era: auto}]}}", "servers.x.replicas[0].era: unknown key"),
        (
            "servers: {x: {replicas: [{command: a}, {command: b}]}}",
            '1:11: servers.x: 2 replicas need a "balance"; write balance: {use: name}; installed: weighted, spread',
        ),
        ("servers: {x: {command: a, balance: spread}}", "servers.x.balance: should be a mapping, not text"),
        ("servers: {x: {command: a, balance: {use: spred}}}", 'did you mean "spread"?'),
        ("servers: {x: {command: a, transforms: [{use: prefix}]}}", 'servers.x.transforms[0]: missing "prefix"'),
        ("servers: {x: {command: a, disabled: true, foo: 1}}", "servers.x.foo: unknown key"),
        ("profiles: {p: {servers: [a]}}\nservers: {aa: {command: x}}", 'profiles.p.servers[0]: no server \'a\'; did'),
        ("profiles: {p: {servers: [zz]}}", "profiles.p.servers[0]: no server 'zz'; there are: none"),
        ("profiles: {p: {servers: all}}", "profiles.p.servers: should be '*' or a valid list, not text"),
        ("profiles: {p: {nams: auto}}", 'profiles.p.nams: unknown key; did you mean "names"?'),
        ("profiles: {p: {tols: []}}", 'profiles.p.tols: unknown key; did you mean "tools"?'),
        ("profiles: {p: {page_size: -1}}", "1:27: profiles.p.page_size: should be greater than or equal to 0"),
        ("profiles: {p: {page_size: '5'}}", "profiles.p.page_size: should be a valid integer, not text"),
        ("profiles: {p: }", "profiles.p: should be a mapping, not nothing"),
        ("profiles: {a/b: {}}", "profiles.a/b: is no name here"),
        ("filters: [{use: adit}]", 'no filter called \'adit\' is installed; did you mean "audit"?'),
        ("authenticate: [{use: keys}]", '1:16: authenticate[0]: missing "keys"'),
        ("limits: {message_bytes: 4MuB}", "1:25: limits.message_bytes: should be a number of bytes"),
        ("limits: {message_bytes: 1}", "limits.message_bytes: should be greater than or equal to 1024"),
        ("limits: {mesage_bytes: 1}", 'limits.mesage_bytes: unknown key; did you mean "message_bytes"?'),
        ("log: {level: loud}", "log.level: should be 'debug', 'info', 'warning' or 'error'"),
        ("startup_wait: soon", "startup_wait: should be a valid number, not text"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_wrong_file(text: str, expected: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith("only1mcp.yaml:")
    assert expected in problem


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ("[a]", "2:40: profiles.p.methods: should be a mapping"),
        ("{m: 1}", "2:44: profiles.p.methods.m: should be valid text, not a number"),
        ("{m: c}", "2:44: profiles.p.methods.m: no server 'c'; there are: ab"),
        ("{m: a}", "methods.m: no server 'a'; did you mean \"ab\"?"),
        ("{m: b}", "methods.m: the profile does not show the server 'b'"),
        ("{ping: ab}", "2:41: profiles.p.methods.ping: is MCP's own: where it goes is known; leave it out"),
        ("{tools/*: ab}", "methods.tools/*: is MCP's own"),
        ("{'a*': ab}", "methods.a*: is no method, and no prefix that ends in /*"),
        ("{'a b': ab}", "methods.a b: is no method"),
    ],
)
def test_what_is_said_of_wrong_methods(methods: str, expected: str) -> None:
    servers = "servers: {ab: {command: x}, b: {command: x}}"
    (problem,) = problems(f"{servers}\nprofiles: {{p: {{servers: [ab], methods: {methods}}}}}")
    assert expected in problem


def test_everything_wrong_is_said_at_once_in_order() -> None:
    found = problems(
        "listen: [{use: htp}]\nservers:\n  x: {comand: a}\n  y: {command: 1}\nlog: {level: x}\nfoo: 1"
    )
    assert [problem.split(":")[1] for problem in found] == ["1", "3", "4", "5", "6"]


def test_problems_have_places_in_toml_and_json() -> None:
    assert problems('[servers.x]\ncomand = "y"', "x.toml") == [
        'x.toml:2:1: servers.x.comand: unknown key; did you mean "command"?'
    ]
    assert problems('{\n  "servers": {"x": {"comand": "y"}}}', "x.json") == [
        'x.json:2:21: servers.x.comand: unknown key; did you mean "command"?'
    ]


def test_a_missing_plugin_that_was_refused_says_why() -> None:
    twin = module({"filter": [offer("late", Http, nothing)], "balancer": [offer("spread", Http, nothing)]})
    silent = module({}, ONLY1MCP_API=(9, 0))
    offers = take([source("standard", module(STANDARD)), source("twin", twin), source("silent", silent)])
    with pytest.raises(ConfigError, match="twin offers it, but was refused: the balancer 'spread'"):
        config("filters: [{use: late}]", offers=offers)
    with pytest.raises(
        ConfigError, match=r"plugins that were refused: silent \(it was written for plugin API"
    ):
        config("filters: [{use: unheard}]", offers=offers)


def test_no_plugin_at_all_is_said_too() -> None:
    with pytest.raises(
        ConfigError, match=r"listen\[0\].use: no listener called 'http' is installed; installed: none"
    ):
        config("", offers=take([]))


class Faulty(PluginConfig):
    def model_post_init(self, context: object) -> None:
        raise KeyError("fault")


def test_a_fault_in_a_plugin_s_model_is_a_problem_of_its_place() -> None:
    offers = take(
        [source("s", module(STANDARD)), source("f", module({"filter": [offer("f", Faulty, nothing)]}))]
    )
    with pytest.raises(ConfigError, match=r"filters\[0\]: Faulty can't be checked: KeyError"):
        config("filters: [{use: f}]", offers=offers)


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    def refusal(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            load(path, installed(), secrets={})
        return str(caught.value)

    missing = tmp_path / "none.yaml"
    assert refusal(missing) == f"{missing}: there is no such file"
    assert "can't be read: Is a directory" in refusal(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nb: \xe4")
    assert refusal(latin) == f"{latin}:2:4: not UTF-8 text"
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (2**20 + 1))
    assert "larger than" in refusal(large)
    other = tmp_path / "only1mcp.ini"
    other.write_text("")
    assert ".yaml, .yml, .toml, .json" in refusal(other)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"\xef\xbb\xbf{}")
    assert read_text(file) == "{}"
    assert load(file, installed(), secrets={"env": STORE}).servers == {}


def test_a_schema_for_editors_may_be_named() -> None:
    assert config('{"$schema": "./only1mcp.schema.json"}', name="a.json").servers == {}
