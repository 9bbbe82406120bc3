"""`make bench`: what the gateway adds to a request, beside the least that Python can, nginx, and stock aiohttp.

Short bursts alternate between the targets and medians of ratios are taken, so they hold on a machine that does other
things too. The figure to compare is CPU per request: the rate of one core is at most the inverse of the other.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.bars import REST_MIB, SESSION_KIB, Verdict, judged
from tests.bench.cells import CELLS, PEERS, measure, rows
from tests.bench.half import half_load, p99
from tests.bench.idle import at_rest
from tests.bench.processes import all_of
from tests.bench.startup import ANSWER_BAR, HELP_BAR, answer_seconds, help_seconds
from tests.bench.targets import CPUS, ROOT

LIBRARIES = ("uvloop", "httptools", "msgspec", "aiohttp")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="bursts of each kind on each target")
    parser.add_argument("--seconds", type=int, default=1, help="length of a burst")
    parser.add_argument("--only", nargs="+", default=[""], help="cells whose names begin so")
    parser.add_argument("--peers", action="store_true", help="other proxies for MCP, too")
    parser.add_argument("--half", type=int, default=15, help="runs at half of full load, of a second")
    parser.add_argument("--idle", action=argparse.BooleanOptionalAction, default=True, help="memory at rest")
    parser.add_argument("--starts", type=int, default=10, help="starts that are timed")
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "bench" / "report.json")
    options = parser.parse_args()

    report: dict[str, Any] = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **machine()}
    verdicts: list[Verdict] = []
    if shutil.which("wrk") is None:
        print("wrk is not installed: no load is measured")
    else:
        with tempfile.TemporaryDirectory() as name:
            verdicts += loaded(options, Path(name), report)
    if options.starts:
        verdicts += started(options.starts)
    if options.idle:
        with tempfile.TemporaryDirectory() as name:
            verdicts += idle(Path(name))
    report["bars"] = [
        {"what": v.what, "value": v.value, v.sense: v.limit, "unit": v.unit, "verdict": v.word}
        for v in verdicts
    ]
    print_table(
        [
            {"bar": v.what, "": v.sense, "limit": f"{v.limit:g}{v.unit}", "now": said(v), "verdict": v.word}
            for v in verdicts
        ]
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report) + "\n")
    print(f"written to {options.out}")
    return 1 if any(v.word == "MISSED" for v in verdicts) else 0


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    models = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    return {
        "cores": f"{len(CPUS)} of {', '.join(sorted(models)) or platform.machine()}",
        "system": f"{platform.system()} {platform.release()}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }


def loaded(options: argparse.Namespace, folder: Path, report: dict[str, Any]) -> list[Verdict]:
    """All that needs the targets; printed and put into the report."""
    cells = [cell for cell in (*CELLS, *[PEERS] * options.peers) if cell.name.startswith(tuple(options.only))]
    names = dict.fromkeys(name for cell in cells for name in cell.targets)
    with all_of(names, folder) as targets:
        seen = measure(cells, targets, options.rounds, options.seconds, folder)
        report["load"] = rows(seen)
        print_table([{k: v for k, v in row.items() if k != "bursts"} for row in report["load"]])
        half = {r["target"]: r["per_second"] / 2 for r in report["load"] if r["cell"] == "call c64"}
        runs: list[dict[str, Any]] = []
        if half:
            ours = half["only1mcp"]
            paces = [("nginx", half["nginx"]), ("nginx", ours), ("floor", ours), ("only1mcp", ours)]
            runs = half_load([(targets[name], rate) for name, rate in paces], options.half, 1, folder)
            print_table(runs)
    report["half_load"] = runs
    tails = (
        [p99(runs, "only1mcp", ours, "nginx", rate) for rate in (half["nginx"], ours)] if half else [None] * 2
    )
    return list(judged(seen, *tails))


def idle(folder: Path) -> list[Verdict]:
    """What is held for nobody in particular."""
    rest, session, count = at_rest(folder)
    return [
        Verdict("memory at rest, ten servers", rest, REST_MIB, unit=" MiB"),
        Verdict(f"memory for each of {count} idle sessions", session, SESSION_KIB, unit=" KiB"),
    ]


def started(times: int) -> list[Verdict]:
    """How long it takes to be there."""
    return [
        Verdict("only1mcp --help", help_seconds(times), HELP_BAR, unit=" s"),
        Verdict("start to the answer to initialize", answer_seconds("legacy", times), ANSWER_BAR, unit=" s"),
        Verdict(
            "start to the answer to server/discover", answer_seconds("modern", times), ANSWER_BAR, unit=" s"
        ),
    ]


def said(verdict: Verdict) -> str:
    return "" if verdict.value is None else f"{verdict.value:.2f}{verdict.unit}"


def print_table(table: Sequence[dict[str, Any]]) -> None:
    """The first column to the left, the others to the right."""
    columns = list(table[0])
    lines = [columns, *(["" if r[c] is None else str(r[c]) for c in columns] for r in table)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for first, *others in lines:
        cells = [first.ljust(widths[0])]
        print("  ".join(cells + [c.rjust(w) for c, w in zip(others, widths[1:], strict=True)]).rstrip())
    print()


if __name__ == "__main__":
    sys.exit(main())
