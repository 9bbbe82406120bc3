"""`make bench`: what the gateway adds to a request, beside the least that Python can, nginx, and stock aiohttp.

Short bursts alternate between the targets and medians are taken, so the ratios hold on a machine that does other
things too. The figure to compare is CPU per request: the rate of one is at most the inverse of the other.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.bench.load import OPERATIONS, Burst, burst
from tests.bench.startup import ANSWER_BAR, HELP_BAR, answer_seconds, help_seconds
from tests.bench.targets import ROOT, all_targets


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="bursts of each kind on each target")
    parser.add_argument("--seconds", type=int, default=1, help="length of a burst")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--only", nargs="+", default=[operation.name for operation in OPERATIONS])
    parser.add_argument("--starts", type=int, default=10, help="starts that are timed")
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "bench.json")
    options = parser.parse_args()

    report: dict[str, Any] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load": [],
        "startup": {},
    }
    if shutil.which("wrk") is None:
        print("wrk is not installed: no load is measured")
    else:
        with tempfile.TemporaryDirectory() as name:
            report["load"] = loaded(options, Path(name))
    met = started(options.starts, report["startup"]) if options.starts else True
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written to {options.out}")
    return 0 if met else 1


def loaded(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """All bursts, printed as a table and returned as rows."""
    seen: dict[tuple[str, int, str], list[Burst]] = defaultdict(list)
    operations = [operation for operation in OPERATIONS if operation.name in options.only]
    with all_targets(folder) as targets:
        for target in targets:
            for operation in operations:  # warm, and refused before anything is measured
                burst(target, operation, 16, folder)
        for turn in range(options.rounds):
            for operation in operations:
                for concurrency in options.concurrency:
                    for target in targets if turn % 2 == 0 else reversed(targets):
                        key = (operation.name, concurrency, target.name)
                        seen[key].append(burst(target, operation, concurrency, folder, options.seconds))
    rows = [row(key, bursts, seen[key[0], key[1], "floor"]) for key, bursts in seen.items()]
    rows.sort(key=lambda r: (options.only.index(r["operation"]), r["concurrency"]))
    print_table(rows)
    return rows


def row(key: tuple[str, int, str], bursts: list[Burst], yardstick: list[Burst]) -> dict[str, Any]:
    operation, concurrency, target = key
    median = statistics.median
    return {
        "operation": operation,
        "concurrency": concurrency,
        "target": target,
        "cpu_us": round(median(b.cpu for b in bursts), 1),
        "cpu_to_floor": round(
            median(b.cpu / y.cpu for b, y in zip(bursts, yardstick, strict=True) if y.cpu), 2
        ),
        "per_second": round(median(b.per_second for b in bursts)),
        "p50_us": median(b.p50 for b in bursts),
        "p99_us": median(b.p99 for b in bursts),
        "errors": sum(b.errors for b in bursts),
        "resident_mib": round(max(b.resident_kib for b in bursts) / 1024, 1),
        "bursts": [b.as_json() for b in bursts],
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    columns = [column for column in rows[0] if column != "bursts"]
    table = [columns, *([str(r[column]) for column in columns] for r in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(columns))]
    for line in table:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def started(times: int, report: dict[str, Any]) -> bool:
    """The times to start, printed and recorded; whether they are below their bars."""
    measured = {
        "only1mcp --help": (help_seconds(times), HELP_BAR),
        "start to initialize": (answer_seconds("legacy", times), ANSWER_BAR),
        "start to server/discover": (answer_seconds("modern", times), ANSWER_BAR),
    }
    for name, (seconds, bar) in measured.items():
        report[name] = {"seconds": round(seconds, 4), "bar": bar}
        print(
            f"{name:26} {seconds * 1000:7.0f} ms  (at most {bar * 1000:.0f})  {'' if seconds <= bar else 'OVER'}"
        )
    return all(seconds <= bar for seconds, bar in measured.values())


if __name__ == "__main__":
    sys.exit(main())
