"""Starting, stopping, reloading and watching gateways, as real processes."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.kernel.daemon.installation import Installation, alive


def test_a_gateway_lives_in_the_background(user: Installation) -> None:
    user.configure(servers={"a": {"use": "canned"}})
    started = user.run("start", "--daemon")
    assert "claude mcp add --transport http only1mcp http://127.0.0.1:8080/mcp" in started.stderr
    assert (
        '{"mcpServers": {"only1mcp": {"type": "http", "url": "http://127.0.0.1:8080/mcp"}}}' in started.stderr
    )
    assert started.stdout == ""
    status = user.json("status")
    assert alive(status["pid"])
    try:
        assert (status["state"], status["config"]) == ("serving", str(user.config))
        assert f"pid {status['pid']}" in user.run("status").stdout
        user.configure(servers={"b": {"use": "canned"}})
        assert user.json("reload")["generation"] == 2
        assert list(user.json("status")["servers"]) == ["b"]
        assert user.json("stop") == {"ok": True, "pid": status["pid"]}
        assert not alive(status["pid"])
    finally:
        user.end(status["pid"])
    for command in ("status", "stop", "reload"):
        assert user.json(command, code=69)["exit_code"] == 69


def test_what_a_gateway_keeps_is_private_and_its_log_is_a_file(user: Installation) -> None:
    user.configure()
    with user.started() as status:
        modes = user.files()
        assert {mode for name, mode in modes.items() if (user.state / name).is_dir()} == {0o700}
        assert {mode for name, mode in modes.items() if not (user.state / name).is_dir()} == {0o600}
        assert "serving" in Path(status["log"]).read_text()


def test_starts_after_its_predecessor_was_killed(user: Installation) -> None:
    user.configure()
    with user.started() as first:
        os.kill(first["pid"], signal.SIGKILL)
        while alive(first["pid"]):
            time.sleep(0.01)
        user.run("status", code=69)
        with user.started() as second:
            assert user.json("status")["pid"] == second["pid"] != first["pid"]


def test_one_configuration_has_one_gateway(user: Installation) -> None:
    user.configure()
    with user.started() as status:
        for options in ([], ["--daemon"]):
            assert f"already running (pid {status['pid']})" in user.run("start", *options, code=75).stderr
        other = user.home / "other.yaml"
        other.write_text(user.config.read_text())
        with user.started("-c", str(other)) as beside:
            assert beside["pid"] != status["pid"]
            assert user.json("status", "-c", "other.yaml")["pid"] == beside["pid"]


def test_only_one_of_many_that_start_at_once_serves(user: Installation) -> None:
    user.configure()
    processes = [user.popen("start", "--daemon") for _ in range(4)]
    codes = []
    for process in processes:
        with process:
            process.communicate(timeout=30)
            codes.append(process.returncode)
    pid = user.json("status")["pid"]
    user.end(pid)
    assert sorted(codes) == [0, 75, 75, 75]


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        ({"listen": [{"use": "still", "port": 1}]}, 1, "listen[0] (still): port 1 is in use"),
        ({"listen": [{"use": "stil"}]}, 78, "only1mcp.yaml:1:"),
        ({"listen": [{"use": "still", "host": "0.0.0.0"}]}, 1, "--insecure"),
    ],
)
def test_what_prevents_a_start_is_told_by_both_ways_to_start(
    user: Installation, config: dict[str, object], code: int, words: str
) -> None:
    user.configure(**config)
    for options in ([], ["--daemon"]):
        failed = user.run("start", *options, code=code)
        assert words in failed.stderr
        assert "Traceback" not in failed.stderr
    user.run("status", code=69)


def test_insecure_lets_others_in(user: Installation) -> None:
    user.configure(listen=[{"use": "still", "host": "0.0.0.0"}])
    with user.started("--insecure") as status:
        assert status["addresses"] == ["http://0.0.0.0:8080/mcp"]


def test_a_background_start_that_crashes_shows_the_end_of_the_log(user: Installation) -> None:
    user.configure()
    user.module.write_text("import os\nos.write(2, b'ouch')\nos._exit(9)")
    failed = user.run("start", "--daemon", code=9)
    assert "the gateway ended while it started" in failed.stderr
    assert failed.stderr.endswith("ouch\n")


def test_host_and_port_come_from_the_command_line_and_stay_over_a_reload(user: Installation) -> None:
    user.configure(listen=[{"use": "stdio"}, {"use": "still", "port": 8081}])
    with user.started("--port", "8082", "--host", "127.0.0.1") as status:
        assert status["addresses"] == ["stdio", "http://127.0.0.1:8082/mcp"]
        user.configure(listen=[{"use": "still", "port": 8083}])
        user.run("reload")
        assert user.json("status")["addresses"] == ["http://127.0.0.1:8082/mcp"]
    assert "command line: --host:" in user.run("start", "--host", "!", code=78).stderr
    user.run("start", "--port", "65536", code=2)
    user.configure(listen=[{"use": "stdio"}])
    assert "no listener" in user.run("start", "--port", "80", code=78).stderr


def test_a_refused_reload_changes_nothing(user: Installation) -> None:
    user.configure(servers={"a": {"use": "canned"}})
    with user.started() as status:
        user.configure(listen=[{"use": "still", "port": 1}])
        assert "port 1 is in use" in user.run("reload", code=1).stderr
        user.config.write_text("servers: {a: {use: cannned}}")
        refused = user.json("reload", code=78)
        assert "cannned" in refused["error"]
        after = user.json("status")
        assert (after["generation"], list(after["servers"])) == (1, ["a"])
        log = Path(status["log"])
        assert "cannned" not in log.read_text()
        os.kill(status["pid"], signal.SIGHUP)
        deadline = time.monotonic() + 10
        while "not reloaded" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "cannned" in log.read_text()


def test_sighup_reloads(user: Installation) -> None:
    user.configure()
    with user.started() as status:
        user.configure(servers={"late": {"use": "canned"}})
        os.kill(status["pid"], signal.SIGHUP)
        deadline = time.monotonic() + 10
        while not user.json("status")["servers"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(user.json("status")["servers"]) == ["late"]


def test_the_foreground_tells_what_it_aggregated_and_what_is_missing(user: Installation) -> None:
    user.configure(
        servers={"good": {"use": "canned", "tools": ["x", "y"]}, "bad": {"use": "canned", "missing": True}}
    )
    with user.foreground() as process:
        assert process.stderr
        lines: list[str] = []
        while not any("bad is missing" in line for line in lines):
            line = process.stderr.readline()
            assert line, lines
            lines.append(line)
        text = "".join(lines)
        assert "1 of 2 servers answered: 2 tools, 0 prompts, 0 resources, 0 resource templates" in text
        assert "bad is missing" in text
        assert "it is not in the box" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_foreground_well(user: Installation, number: signal.Signals) -> None:
    user.configure()
    with user.foreground("--json") as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["addresses"] == ["http://127.0.0.1:8080/mcp"]
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stdout.read() == ""
    user.run("status", code=69)


def test_a_second_stop_does_not_wait_for_clients(user: Installation) -> None:
    user.configure(listen=[{"use": "still", "slow_to_drain": 20}], drain=20)
    with user.started() as status:
        began = time.monotonic()
        assert "again" in user.run("stop", "--timeout", "0.5", code=1).stderr
        assert alive(status["pid"])
        user.run("stop")
        assert not alive(status["pid"])
        assert time.monotonic() - began < 10
        assert (user.home / "closed").exists()


def test_ctrl_c_interrupts_a_command_that_waits(user: Installation) -> None:
    user.configure(listen=[{"use": "still", "slow_to_drain": 20}], drain=20)
    with user.started() as status, user.popen("stop") as process:
        try:
            while user.json("status")["state"] != "stopping":
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
            assert process.stderr
            assert "Traceback" not in process.stderr.read()
            assert alive(status["pid"])
        finally:
            process.kill()
            user.run("stop")


def test_stdio_ends_with_its_client_and_prints_nothing_of_its_own(user: Installation) -> None:
    user.configure(servers={"a": {"use": "canned"}})
    with user.started(), user.popen("stdio") as process:
        out, err = process.communicate("", timeout=20)
    assert (process.returncode, out) == (0, "farewell\n")
    assert "serving" in err


def test_without_a_configuration_a_starter_is_written_and_served(user: Installation) -> None:
    failed = user.run("start", code=78)  # no `http` listener is installed here, so that serving it fails
    assert f"wrote {user.config}" in failed.stderr
    assert "listen:" in user.config.read_text()
    user.config.unlink()
    for command in (["stdio"], ["status"], ["config", "path"], ["tools", "list"]):
        assert "no configuration file" in user.run(*command, code=78).stderr
    assert not user.config.exists()
    assert "no such file" in user.run("start", "-c", "nowhere.yaml", code=78).stderr
