"""`tools list` and `tools call`, with and without a running gateway."""

import json
from collections.abc import Iterator

import pytest

from tests.kernel.daemon.installation import Installation


@pytest.fixture(params=["running", "private"])
def served(request: pytest.FixtureRequest, user: Installation) -> Iterator[Installation]:
    user.configure(
        servers={"a": {"use": "canned", "tools": ["echo", "fail"]}}, profiles={"none": {"servers": []}}
    )
    if request.param == "private":
        yield user
    else:
        with user.started():
            yield user


def test_tools(served: Installation) -> None:
    listed = served.run("tools", "list")
    assert listed.stdout.splitlines() == ["echo  Says echo.", "fail  Says fail."]
    assert listed.stderr == ""
    assert [tool["name"] for tool in served.json("tools", "list")] == ["echo", "fail"]
    assert served.json("tools", "list", "--profile", "none") == []
    assert "no profile" in served.run("tools", "list", "--profile", "nix", code=1).stderr.replace("such ", "")

    called = served.run("tools", "call", "echo", "--arg", "count=3", "--arg", "text=3", "--arg", "x=a=b")
    assert called.stdout == 'echo {"count": 3, "text": "3", "x": "a=b"}\n[image image/png]\n'
    assert called.stderr == ""
    for given in (["--json", '{"a": [1]}'], ['--json={"a": [1]}'], ["--json", "--json-args", '{"a": [1]}']):
        result = json.loads(served.run("tools", "call", "echo", *given).stdout)
        assert result["content"][0] == {"type": "text", "text": 'echo {"a": [1]}'}
    assert "result" not in served.json("tools", "call", "echo")
    assert served.run("tools", "call", "echo", "--json-args", "{}").stdout.startswith("echo {}")

    failed = served.run("tools", "call", "fail", code=1)
    assert failed.stdout.startswith("fail {}")
    assert served.run("tools", "call", "fail", "--json", code=1).stdout.startswith("{")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ecko", "--arg", "a=b"], 1, 'did you mean "echo"?'),
        (["ecko"], 1, "(code -32"),
        (["echo", "--arg", "count=three"], 2, "count has to be JSON of type integer"),
        (["echo", "--arg", "count=1.5"], 2, "count has to be of type integer"),
        (["echo", "--arg", "count"], 2, "is not name=value"),
        (["echo", "--json", "{"], 2, "not JSON"),
        (["echo", "--json=[]"], 2, "a JSON object"),
        (["echo", "--arg", "a=b", "--json", "{}"], 2, "either"),
    ],
)
def test_bad_calls(user: Installation, arguments: list[str], code: int, words: str) -> None:
    user.configure(servers={"a": {"use": "canned"}})
    failed = user.run("tools", "call", *arguments, code=code)
    assert words in failed.stderr
    assert "Traceback" not in failed.stderr
