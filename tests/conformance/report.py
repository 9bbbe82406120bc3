"""What the run says: differences to the direct leg, and the table for the documentation."""

from __future__ import annotations

from collections.abc import Iterator

from tests.conformance.legs import DIRECT, SERVER_LEGS
from tests.conformance.suite import NOT_REQUIRED, REQUIRED, Results

Run = dict[str, dict[str, Results]]
"""Leg -> revision -> what came out."""

OPTIONAL = ("server-sse-streams-functional",)
"""Checks that apply only to answers that are event streams. Where nothing is said before the answer, the gateway
answers plainly, which the specification leaves to it and the suite notes without judging."""

HEAD = """# Conformance

Written by `make conformance`: the official suite (`@modelcontextprotocol/conformance` {suite}) against the
`everything-server` of the Python SDK (`mcp` {sdk}), directly and through the gateway. A scenario is named once for
each revision that has it; `+` is passed, `-` is not, and nothing stands where it was not run. Scenarios in italics are
not required by that revision.

The legs `one` and `two` are compared with `direct` check by check, and any check that comes out worse fails the run.
One check is not made there: whether several event streams work at once where the gateway answers plainly, without one.
"""


def differences(direct: dict[str, Results], other: dict[str, Results]) -> Iterator[str]:
    """What comes out otherwise than without the gateway, check by check. What does not pass without it is left out:
    nothing can be lost of that. A check may be passed more often, since a gateway makes requests of its own."""
    for revision, results in other.items():
        for name, expected in direct[revision].items():
            if not expected.passed:
                continue
            found = results.get(name)
            if found is None:
                yield f"{revision} {name}: was not run"
                continue
            for (check, status), count in sorted((found.checks - expected.checks).items()):
                if status != "SUCCESS":
                    yield f"{revision} {name}: {check}: {status} x{count} more than directly"
            for (check, status), count in sorted((expected.checks - found.checks).items()):
                if not (check in OPTIONAL and check in found.notes):
                    yield f"{revision} {name}: {check}: {status} x{count} less than directly"


def shortfall(leg: dict[str, Results], least: dict[str, int]) -> Iterator[str]:
    """The revisions of which too few required scenarios pass."""
    for revision, count in least.items():
        if passed(leg[revision]) < count:
            yield f"{revision}: {passed(leg[revision])} of {count} required scenarios"


def lost(direct: dict[str, Results]) -> Iterator[str]:
    """What the reference server passed besides, and no longer does."""
    for revision, names in NOT_REQUIRED.items():
        for name in names:
            if name not in direct[revision] or not direct[revision][name].passed:
                yield f"{revision}: {name}"


def passed(results: Results) -> int:
    """How many of the required scenarios passed."""
    return sum(outcome.passed for outcome in results.values() if outcome.scored)


def table(run: Run, tasks: Results, clients: Run, suite: str, sdk: str) -> str:
    """The page for the documentation."""
    legs = [leg for leg in SERVER_LEGS if leg.name in run]
    lines = [HEAD.format(suite=suite, sdk=sdk), "## Servers\n"]
    lines += [f"- `{leg.name}`: {leg.about}" for leg in legs]
    lines += ["", "| required scenarios passed | " + " | ".join(leg.name for leg in legs) + " |"]
    lines.append("|---|" + "---|" * len(legs))
    for revision, required in REQUIRED.items():
        cells = [
            f"{passed(run[leg.name][revision])} of {required}" if revision in run[leg.name] else ""
            for leg in legs
        ]
        lines.append(f"| {revision} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "The two legs across eras can't be complete with this server: its interactive tools ask in the way of one era,",
        "whichever they are called in. `make scenarios` tries the bridge with servers of our own.",
    ]
    for revision in REQUIRED:
        lines += ["", f"### {revision}", "", "| scenario | " + " | ".join(leg.name for leg in legs) + " |"]
        lines.append("|---|" + "---|" * len(legs))
        for name, outcome in run[DIRECT][revision].items():
            if name.startswith("tasks-"):
                continue  # see below
            shown = name if outcome.scored else f"*{name}*"
            cells = [_mark(run[leg.name].get(revision, {}), name) for leg in legs]
            lines.append(f"| {shown} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Tasks",
        "",
        "The reference server lacks the extension `io.modelcontextprotocol/tasks`. These scenarios are run with the",
        "gateway in front of a server that has it (tests/scenarios/servers/jobs.py).",
        "",
        "| scenario | through |",
        "|---|---|",
    ]
    lines += [f"| {name} | {_mark(tasks, name)} |" for name in tasks]
    lines += [
        "",
        "## Clients",
        "",
        "The suite as the server, and the Python SDK's client: directly, through the gateway, and through it with the",
        "client in the other era than the server.",
        "",
        "| revision | scenario | " + " | ".join(clients) + " |",
        "|---|---|" + "---|" * len(clients),
    ]
    for revision, results in clients[DIRECT].items():
        for name in results:
            cells = [_mark(each[revision], name) for each in clients.values()]
            lines.append(f"| {revision} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _mark(results: Results, name: str) -> str:
    outcome = results.get(name)
    return "" if outcome is None else "+" if outcome.passed else "-"
