"""Everything wrong that people, clients, servers and plugins do gets an answer that says so, and costs nobody else
anything. Each test ends with an ordinary call."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.gateway import Gateway, tiny
from tests.scenarios.processes import becomes
from tests.scenarios.tools import ONLY1MCP

HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
KEY = "alice-key-0123456789abcdef"
NOTHING_WRONG = (
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":"x"}}}'
)


class Visitor:
    """A client of 2025-11-25 that sends any bytes it likes."""

    def __init__(self, gateway: Gateway, revision: str = "2025-11-25", **headers: str) -> None:
        self.url = gateway.url
        self.headers = {**HEADERS, **headers}
        hello = {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
        status, _, session = self._post(json.dumps(request).encode(), self.headers)
        assert status == 200
        self.headers |= {"Mcp-Session-Id": session, "MCP-Protocol-Version": revision}

    def post(self, body: bytes, **headers: str) -> tuple[int, Any]:
        """The status and the message that came back."""
        changed = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        status, content, _ = self._post(body, changed)
        return status, json.loads(content)

    def request(self, method: str, params: Mapping[str, Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 5, "method": method, "params": params}).encode()
        return self.post(body)[1]

    def works(self) -> bool:
        answer = self.post(NOTHING_WRONG)[1]
        return bool(answer.get("result", {}).get("content") == [{"type": "text", "text": "x"}])

    def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, str]:
        request = urllib.request.Request(self.url, body, dict(headers))
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                content = answer.read()
                if answer.headers["Content-Type"].startswith("text/event-stream"):
                    events = [line for line in content.splitlines() if line.startswith(b"data: {")]
                    content = events[-1].removeprefix(b"data: ")
                return answer.status, content, answer.headers["Mcp-Session-Id"] or ""
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read(), ""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of one server."""
    with Gateway(tmp_path_factory.mktemp("plain"), {"servers": {"tiny": tiny("tiny")}}) as gateway:
        yield gateway.start()


@pytest.fixture
def visitor(plain: Gateway) -> Iterator[Visitor]:
    """A client of it, which is served as before when the test is over."""
    pid = plain.pid
    visitor = Visitor(plain)
    yield visitor
    assert visitor.works()
    assert plain.status()["pid"] == pid


def refused(gateway: Gateway, code: int, *command: str) -> str:
    """What a command says that ends with this code."""
    done = subprocess.run(
        [str(ONLY1MCP), *command, "-c", str(gateway.file)],
        capture_output=True,
        text=True,
        env=gateway.environment,
        timeout=30,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def call(arguments: bytes = b"{}", more: bytes = b"") -> bytes:
    return b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"echo","arguments":%s%s}}' % (
        arguments,
        more,
    )


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b'{"jsonrpc":"2.0",', -32700, "truncated"),
        (b"{'a': 1}", -32700, "malformed"),
        (b"", -32700, "truncated"),
        (call(b'{"text":"\xff"}'), -32700, "UTF-8"),
        (call(b'{"text":NaN}'), -32700, "malformed"),
        (call(b'{"text":' + b"[" * 5000 + b"]" * 5000 + b"}"), -32700, "nested too deeply"),
        (call().replace(b'"id":5', b'"id":5,"id":6'), -32600, "'id'"),
        (call(more=b',"name":"pid"'), -32602, "'name'"),
        (call(more=b',"_meta":{"a":1,"a":2}'), -32602, "'a'"),
        (b"[" + call() + b"]", -32600, "batch"),
    ],
)
def test_no_message(visitor: Visitor, body: bytes, code: int, words: str) -> None:
    status, answer = visitor.post(body)
    assert (status, answer["error"]["code"]) == (400, code)
    assert words in answer["error"]["message"]


def test_too_large(visitor: Visitor) -> None:
    envelope = len(call(b'{"text":""}'))
    for size, expected in ((4 * 2**20, 200), (4 * 2**20 + 1, 413)):
        status, answer = visitor.post(call(b'{"text":"%s"}' % (b"x" * (size - envelope))))
        assert status == expected
        assert ("result" in answer) == (expected == 200)


def test_duplicates_that_nobody_looks_at(visitor: Visitor) -> None:
    assert visitor.post(call(b'{"text":"a","text":"b"}'))[1]["result"]["content"][0]["text"] == "b"


def test_batches_of_the_revision_that_has_them(plain: Gateway) -> None:
    status, answer = Visitor(plain, "2025-03-26").post(b"[" + call(b'{"text":"in a batch"}') + b"]")
    assert status == 200
    (only,) = answer if isinstance(answer, list) else [answer]
    assert only["result"]["content"][0]["text"] == "in a batch"


def test_names_nobody_has(visitor: Visitor) -> None:
    error = visitor.request("tools/lst", {})["error"]
    assert error["code"] == -32601
    assert "tools/lst" in error["message"]
    error = visitor.request("tools/call", {"name": "ehco"})[
        "error"
    ]  # the only server may know it: its answer
    assert (error["code"], error["message"]) == (-32602, "no tool ehco")


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"Content_Type": "text/plain"}, 415, "Content-Type"),
        ({"Accept": "text/html"}, 406, "Accept"),
        ({"Origin": "https://evil.example"}, 403, "Origin"),
        ({"Host": "evil.example"}, 403, "Host"),
        ({"Mcp_Session_Id": "stolen"}, 404, "ession"),
    ],
)
def test_no_client_of_ours(visitor: Visitor, headers: dict[str, str], status: int, words: str) -> None:
    given, answer = visitor.post(NOTHING_WRONG, **headers)
    assert given == status
    assert words in answer["error"]["message"]


def test_a_wrong_key(folder: Path) -> None:
    keys = [{"key": KEY, "principal": "alice"}]
    config = {"authenticate": [{"use": "api_key", "keys": keys}], "servers": {"tiny": tiny("tiny")}}
    with Gateway(folder, config) as gateway:
        alice = Visitor(gateway.start(), Authorization=f"Bearer {KEY}")
        status, answer = alice.post(NOTHING_WRONG, Authorization="Bearer wrong-key-0123456789abcd")
        assert status == 401
        assert "key" in answer["error"]["message"].lower()
        assert "wrong-key" not in json.dumps(answer) + gateway.written()
        assert alice.works()


def test_servers_that_do_not_serve(folder: Path) -> None:
    """They are missing, each for its own reason; the good one is there."""

    def script(text: str) -> dict[str, Any]:
        return {"command": sys.executable, "args": ["-S", "-I", "-u", "-c", text]}

    servers = {
        "tiny": tiny("tiny"),
        "gone": {"command": "no-such-program"},
        "dies": script("import sys; sys.exit('no luck')"),
        "garbage": script("import time\nwhile True: print('{garbage'); time.sleep(.1)"),
        "silent": tiny("silent", "silent"),
    }
    with Gateway(folder, {"servers": servers}) as gateway:
        visitor = Visitor(gateway.start())
        assert becomes(visitor.works, 10)
        assert becomes(lambda: "no luck" in gateway.status()["servers"]["dies"].get("problem", ""), 10)
        status = gateway.status()["servers"]
        assert {name: server["state"] for name, server in status.items() if server["state"] == "up"} == {
            "tiny": "up"
        }
        assert "no-such-program" in status["gone"]["problem"]
        assert "servers.garbage: sent a message that is not JSON-RPC" in gateway.written()
        tools = visitor.request("tools/list", {})["result"]["tools"]
        assert {tool["description"].split()[-1] for tool in tools} == {"tiny"}
        error = visitor.request("tools/call", {"name": "ehco"})["error"]
        assert error["code"] == -32602
        assert "Did you mean echo?" in error["message"]


@pytest.mark.parametrize("way", ["command", "signal"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("servers: {a: {comand: x}}", ':1:15: servers.a.comand: unknown key; did you mean "command"?'),
        ("servers: [", ":1:11: "),
        ("servers: {a: {command: x, env: {K: '${env:NOWHERE}'}}}", ":1:36: servers.a.env.K: "),
        ("filters: [{use: acess_log}]", 'did you mean "access_log"?'),
    ],
)
def test_a_reload_of_a_broken_file(folder: Path, way: str, text: str, words: str) -> None:
    with Gateway(folder, {"servers": {"tiny": tiny("tiny")}}) as gateway:
        visitor = Visitor(gateway.start())
        assert becomes(visitor.works, 10)
        gateway.file.write_text(text)
        if way == "signal":
            os.kill(gateway.pid, signal.SIGHUP)
            assert becomes(lambda: words in gateway.written(), 10), gateway.written()
        else:
            assert words in refused(gateway, 78, "reload")
        assert visitor.works()
        assert gateway.status()["generation"] == 1


def test_a_port_in_use(plain: Gateway, folder: Path) -> None:
    second = Gateway(folder, {})
    second.port = plain.port
    second.write({})
    for options in ([], ["--daemon"]):
        assert f"127.0.0.1:{plain.port}: another program" in refused(second, 1, "start", *options)
    assert Visitor(plain).works()


PLUGIN = """
    from contextlib import asynccontextmanager
    from only1mcp_sdk import OpenFailed, PluginConfig, hookimpl, offer

    class Strict(PluginConfig):
        mood: str = "fine"

    class Looker:
        place = "server"
        def __init__(self, mood):
            self.mood = mood
        def before(self, exchange):
            if self.mood == "raises":
                raise RuntimeError("out of luck")
            exchange.arguments
        def after(self, exchange, outcome):
            return outcome

    @asynccontextmanager
    async def open_looker(config, context):
        if config.mood == "shut":
            raise OpenFailed("the door is locked")
        if config.mood == "bug":
            raise RuntimeError("out of luck")
        yield Looker(config.mood)

    @hookimpl
    def only1mcp_register_filter():
        return [offer("looker", Strict, open_looker)]
"""


class Extended(Gateway):
    """A gateway with one more distribution installed: `PLUGIN`, or what stands in its place."""

    def __init__(self, folder: Path, config: Mapping[str, Any], source: str = PLUGIN) -> None:
        super().__init__(folder, config)
        information = folder / "site" / "looker-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: looker\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text("[only1mcp.plugins]\nlooker = looker_plugin\n")
        (folder / "site" / "looker_plugin.py").write_text(textwrap.dedent(source))

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "PYTHONPATH": str(self.folder / "site")}


def looking(**options: str) -> dict[str, Any]:
    return {"servers": {"tiny": tiny("tiny")}, "filters": [{"use": "looker", **options}]}


def test_duplicates_that_a_filter_looks_at(folder: Path) -> None:
    with Extended(folder, looking()) as gateway:
        visitor = Visitor(gateway.start())
        assert becomes(visitor.works, 10)
        error = visitor.post(call(b'{"text":"a","text":"b"}'))[1]["error"]
        assert error["code"] == -32602
        assert "text" in error["message"]
        assert visitor.works()


def test_a_plugin_that_raises_while_serving(folder: Path) -> None:
    with Extended(folder, looking(mood="raises")) as gateway:
        visitor = Visitor(gateway.start())
        assert becomes(lambda: gateway.status()["servers"]["tiny"]["state"] == "up", 10)
        error = visitor.post(NOTHING_WRONG)[1]["error"]
        assert error["code"] == -32603
        assert "out of luck" not in error["message"]
        assert "out of luck" in gateway.written()
        gateway.reload({"servers": {"tiny": tiny("tiny")}})
        assert visitor.works()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nowhere_to_be_found", "can't be imported: ModuleNotFoundError"),
        (PLUGIN.replace("return [offer(", "return [("), "filter"),
        (PLUGIN.replace("register_filter", "register_fliter"), "fliter"),
    ],
)  # fmt: skip
def test_a_plugin_that_is_none(folder: Path, source: str, reason: str) -> None:
    """It is refused with its name to who uses it, and hurts nobody who does not."""
    with Extended(folder, looking(), source) as gateway:
        words = refused(gateway, 78, "start")
        assert "no filter called 'looker' is installed" in words
        assert "looker" in words.replace("'looker'", "")
        assert reason in words
        gateway.write({"servers": {"tiny": tiny("tiny")}})
        assert becomes(Visitor(gateway.start()).works, 10)


@pytest.mark.parametrize(("mood", "reason"), [("shut", "the door is locked"), ("bug", "out of luck")])
def test_a_plugin_that_does_not_open(folder: Path, mood: str, reason: str) -> None:
    with Extended(folder, {"servers": {"tiny": tiny("tiny")}}) as gateway:
        visitor = Visitor(gateway.start())
        assert becomes(visitor.works, 10)
        gateway.write(looking(mood=mood))
        words = refused(gateway, 1, "reload")
        assert "looker" in words
        assert reason in words
        assert visitor.works()
        gateway.stop()
        assert reason in refused(gateway, 1, "start")
