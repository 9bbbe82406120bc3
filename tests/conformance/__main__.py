"""Runs the legs, prints how they compare, and writes docs/conformance.md when all of them were run."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.conformance.clients import SCENARIOS, WAYS, expected, run_client
from tests.conformance.legs import DIRECT, ECONOMICAL_LEGS, SERVER_LEGS, run_server_leg, run_tasks_leg
from tests.conformance.processes import sdk_version
from tests.conformance.report import Run, differences, lost, passed, shortfall, table
from tests.conformance.suite import Results, version
from tests.scenarios.tools import ROOT

PAGE = ROOT / "docs" / "conformance.md"
TASKS, CLIENT = "tasks", "client"
LEGS = [*(leg.name for leg in SERVER_LEGS), TASKS, CLIENT]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument(
        "--leg",
        action="append",
        choices=[*LEGS, *(leg.name for leg in ECONOMICAL_LEGS)],
        help="run only this leg; repeatable",
    )
    parser.add_argument("--scenario", default="", help="run only this scenario")
    parser.add_argument("--keep", type=Path, help="keep what the suite writes in this folder")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # stops what was started, as ^C does
    with tempfile.TemporaryDirectory() as temporary:
        return run(given.leg or LEGS, given.scenario, given.keep or Path(temporary))


def run(wanted: list[str], scenario: str, folder: Path) -> int:
    problems: list[str] = []
    servers = run_servers(wanted, scenario, folder, problems)
    tasks = run_tasks(scenario, folder, problems) if TASKS in wanted else {}
    clients = run_clients(scenario, folder, problems) if CLIENT in wanted else {}
    print("\n" + "\n".join(problems or ["nothing comes out otherwise through the gateway"]))
    if wanted == LEGS and not scenario and not problems:
        PAGE.write_text(table(servers, tasks, clients, version(), sdk_version()))
        print(f"written: {PAGE.relative_to(ROOT)}")
    return 1 if problems else 0


def run_servers(wanted: list[str], scenario: str, folder: Path, problems: list[str]) -> Run:
    servers: Run = {}
    legs = (*SERVER_LEGS, *ECONOMICAL_LEGS)
    compared = any(leg.like_direct and leg.name in wanted for leg in legs)
    for leg in legs:
        if leg.name not in wanted and not (leg.name == DIRECT and compared):
            continue
        found = servers[leg.name] = run_server_leg(leg, folder / leg.name, scenario)
        for revision in leg.least:
            show(f"{leg.name}: {revision}", found[revision])
        if not scenario:
            problems += [f"{leg.name}: {each}" for each in shortfall(found, leg.least)]
            if leg.name == DIRECT:
                problems += [f"{leg.name}: {each}" for each in lost(found)]
        if leg.like_direct:
            each_one = list(differences(servers[DIRECT], found))
            problems += [
                f"{leg.name}: {each}"
                for each in each_one
                if not leg.differing & set(each.split(": ")[0].split())
            ]
            problems += [
                f"{leg.name}: {scenario}: comes out as directly, which docs/CONTEXT.md denies"
                for scenario in leg.differing
                if not any(f" {scenario}: " in each for each in each_one)
            ]
    return servers


def run_tasks(scenario: str, folder: Path, problems: list[str]) -> Results:
    tasks = run_tasks_leg(folder / TASKS, scenario)
    show(TASKS, tasks)
    problems += [f"{TASKS}: {name}" for name, outcome in tasks.items() if not outcome.passed]
    return tasks


def run_clients(scenario: str, folder: Path, problems: list[str]) -> Run:
    clients: Run = {}
    for way in WAYS:
        found = clients[way] = run_client(way, folder / f"{CLIENT}-{way}", scenario)
        for revision, results in found.items():
            show(f"{CLIENT} {way}: {revision}", results)
        problems += [f"{CLIENT} {way}: {each}" for each in differences(expected(clients[DIRECT], way), found)]
    if not scenario:
        least = {revision: len(each) for revision, each in SCENARIOS.items()}
        problems += [f"{CLIENT} {DIRECT}: {each}" for each in shortfall(clients[DIRECT], least)]
    return clients


def show(leg: str, results: Results) -> None:
    if not results:
        return
    required = [outcome for outcome in results.values() if outcome.scored]
    print(f"{leg}: {passed(results)} of {len(required)} required scenarios passed", flush=True)
    for name, outcome in results.items():
        if outcome.scored and not outcome.passed:
            failed = [check for check, status in outcome.checks if status == "FAILURE"]
            print(f"    - {name}: {', '.join(failed)}")


if __name__ == "__main__":
    sys.exit(main())
