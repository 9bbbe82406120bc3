"""Runs the legs, prints how they compare, and writes docs/conformance.md when all of them were run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.conformance.legs import (
    CLIENT_SCENARIOS,
    DIRECT,
    SERVER_LEGS,
    run_client_leg,
    run_server_leg,
)
from tests.conformance.report import Run, differences, passed, table
from tests.scenarios.tools import ROOT

SUITE_VERSION = "0.2.0-alpha.12"
SDK_VERSION = "2.3.0"
PAGE = ROOT / "docs" / "conformance.md"
CLIENTS = ("client", "client-" + DIRECT)


def main() -> int:
    names = [leg.name for leg in SERVER_LEGS] + [CLIENTS[0]]
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--leg", action="append", choices=names, help="run only this leg; repeatable")
    parser.add_argument("--scenario", default="", help="run only this scenario")
    parser.add_argument("--keep", type=Path, help="keep what the suite writes in this folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return run(given.leg or names, given.scenario, given.keep or Path(temporary), names)


def run(wanted: list[str], scenario: str, folder: Path, names: list[str]) -> int:
    problems: list[str] = []
    servers: Run = {}
    for leg in SERVER_LEGS:
        if leg.name not in wanted and leg.name != DIRECT:
            continue
        if leg.name == DIRECT and wanted == [CLIENTS[0]]:
            continue
        found = servers[leg.name] = run_server_leg(leg, folder / leg.name, scenario)
        for revision, least in leg.least.items():
            count = passed(found[revision])
            print(f"{leg.name}: {revision}: {count} of {least} required scenarios passed", flush=True)
            if count < least and not scenario:
                problems.append(f"{leg.name}: {revision}: {count} of {least}")
            failed = [name for name, each in found[revision].items() if not each.passed and each.scored]
            print(*(f"    - {name}" for name in failed), sep="\n", end="\n" if failed else "")
        if leg.like_direct:
            problems += [f"{leg.name}: {each}" for each in differences(servers[DIRECT], found)]
    clients = run_clients(wanted, scenario, folder, problems)
    for problem in problems:
        print(f"PROBLEM {problem}")
    if wanted == names and not scenario and not problems:
        PAGE.write_text(table(servers, clients, SUITE_VERSION, SDK_VERSION))
        print(f"written: {PAGE.relative_to(ROOT)}")
    print("conformance: " + ("FAILED" if problems else "all as directly"))
    return 1 if problems else 0


def run_clients(wanted: list[str], scenario: str, folder: Path, problems: list[str]) -> Run:
    if CLIENTS[0] not in wanted:
        return {}
    clients: Run = {
        DIRECT: run_client_leg(True, folder / CLIENTS[1], scenario),
        "through": run_client_leg(False, folder / CLIENTS[0], scenario),
    }
    for name, found in clients.items():
        for revision, scenarios in CLIENT_SCENARIOS.items():
            count = sum(outcome.passed for outcome in found[revision].values())
            print(f"client {name}: {revision}: {count} of {len(scenarios)} scenarios passed", flush=True)
            if count < len(scenarios) and not scenario:
                problems.append(f"client {name}: {revision}: {count} of {len(scenarios)}")
    problems += [f"client: {each}" for each in differences(clients[DIRECT], clients["through"])]
    return clients


if __name__ == "__main__":
    sys.exit(main())
