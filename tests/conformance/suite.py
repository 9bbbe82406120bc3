"""Running the official suite, and reading what it found.

The suite writes one folder per scenario with the checks it made, as JSON.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.scenarios.tools import NODE_BIN, ROOT, machine

SUITE = NODE_BIN / "conformance"
PACKAGES = ROOT / "tests" / "tools" / "package.json"
_STAMP = re.compile(r"-\d{4}-\d\d-\d\dT[\d-]+Z$")
COUNTED = ("SUCCESS", "FAILURE", "WARNING")
"""What the suite judges by; the rest are notes."""

REQUIRED = {"2025-06-18": 27, "2025-11-25": 30, "2026-07-28": 37}
"""How many scenarios each revision requires of a server."""

NOT_REQUIRED = {
    "2025-06-18": (),
    "2025-11-25": ("server-session-lifecycle", "json-schema-2020-12", "server-sse-polling"),
    "2026-07-28": ("json-schema-2020-12", "http-header-validation", "http-custom-header-server-validation"),
}
"""What the reference server passes besides. It has no tasks: the suite's scenarios for them want another server."""


@dataclass
class Outcome:
    """One scenario's checks: how often each came out how."""

    checks: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: set[str] = field(default_factory=set)
    """The checks that the suite did not judge: what they look at is optional, and was not there."""
    passed: bool = True
    scored: bool = True


Results = dict[str, Outcome]


def against_server(url: str, revision: str, folder: Path, scenario: str = "") -> Results:
    """Run the scenarios of a revision against a server."""
    if revision == "2025-06-18":  # its requirements were never frozen as a set
        wanted = ["--suite", "all", "--spec-version", revision]
    else:
        wanted = ["--requirements", revision]
    if scenario:
        wanted = ["--scenario", scenario, "--spec-version", revision]
    return _run(["server", "--url", url, *wanted], folder, "server-")


def against_extension(url: str, scenario: str, folder: Path) -> Results:
    """Run one scenario of an extension against a server. Extensions belong to no revision."""
    wanted = ["--scenario", scenario, "--spec-version", "2026-07-28", "--force"]
    return _run(["server", "--url", url, *wanted], folder, "server-")


def against_client(command: str, scenario: str, revision: str, folder: Path) -> Results:
    """Run one scenario against a client."""
    arguments = ["client", "--command", command, "--scenario", scenario, "--spec-version", revision]
    return _run([*arguments, "--timeout", "60000"], folder, "")


def version() -> str:
    """The suite's."""
    packages: dict[str, str] = json.loads(PACKAGES.read_text())["dependencies"]
    return packages["@modelcontextprotocol/conformance"]


def _run(arguments: list[str], folder: Path, prefix: str) -> Results:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [str(SUITE), *arguments, "-o", str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **machine(), "NO_COLOR": "1"},
    )
    (folder / "printed.txt").write_text(done.stdout + done.stderr)
    unscored = set(re.findall(r"^  [✓✗] (\S+) \(", done.stdout, re.MULTILINE))
    results: Results = {}
    for file in sorted(folder.glob("*/checks.json")):
        name = _STAMP.sub("", file.parent.name).removeprefix(prefix)
        outcome = results.setdefault(name, Outcome(scored=name not in unscored))
        for check in json.loads(file.read_text()):
            if check["status"] in COUNTED:
                outcome.checks[check["id"], check["status"]] += 1
                outcome.passed &= check["status"] != "FAILURE"
            else:
                outcome.notes.add(check["id"])
    if not results and "SKIPPED: scenario" not in done.stdout:  # one that this revision does not have
        raise RuntimeError(f"the suite ran nothing:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return results
