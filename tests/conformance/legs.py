"""The legs: which server stands behind what, and what must come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.conformance.processes import SECOND, gateway, jobs, over_stdio, reference
from tests.conformance.suite import REQUIRED, Results, against_extension, against_server

DIRECT = "direct"
LEGACY, MODERN = "2025-11-25", "2026-07-28"


@dataclass(frozen=True)
class Leg:
    """One way to reach the reference server."""

    name: str
    about: str
    target: Callable[[Path], AbstractContextManager[str]]
    least: dict[str, int]
    """Revision -> how many of its required scenarios must pass."""
    like_direct: bool = False
    """Nothing may differ from the direct leg, but what is in `differing`."""
    differing: frozenset[str] = frozenset()
    """Scenarios, none of them required, that come out otherwise."""


@contextmanager
def _through(folder: Path, form: str = "both", *, second: bool = False) -> Iterator[str]:
    with ExitStack() as stack:
        servers = {"reference": {"url": stack.enter_context(reference(form, folder))}}
        if form == "sse":
            servers["reference"]["use"] = "sse"
        if second:
            servers["time"] = SECOND
        yield stack.enter_context(gateway(servers, folder))


@contextmanager
def _economical(folder: Path, mode: str) -> Iterator[str]:
    with (
        reference("both", folder) as url,
        gateway({"reference": {"url": url}}, folder, context={"use": mode}) as front,
    ):
        yield front


def _pipe(folder: Path) -> AbstractContextManager[str]:
    return gateway({"reference": over_stdio()}, folder)


SERVER_LEGS = (
    Leg(DIRECT, "no gateway", lambda folder: reference("both", folder), REQUIRED),
    Leg("one", "the gateway in front of it", lambda folder: _through(folder), REQUIRED, like_direct=True),
    Leg(
        "two",
        "the gateway in front of it and of another server",
        lambda folder: _through(folder, second=True),
        REQUIRED,
        like_direct=True,
    ),
    Leg("stdio", "the gateway in front of it over stdio", _pipe, REQUIRED),
    Leg("sse", "the gateway in front of it over HTTP+SSE", lambda folder: _through(folder, "sse"), REQUIRED),
    Leg(
        "modern-only",
        "the gateway in front of a server that speaks 2026-07-28 alone",
        lambda folder: _through(folder, "modern"),
        {LEGACY: 26, MODERN: 37},
    ),
    Leg(
        "legacy-only",
        "the gateway in front of a server that does not speak 2026-07-28",
        lambda folder: _through(folder, "legacy"),
        {LEGACY: 30, MODERN: 27},
    ),
)

_SCHEMA = frozenset({"json-schema-2020-12"})
_HIDDEN = _SCHEMA | {"http-custom-header-server-validation"}
ECONOMICAL_LEGS = tuple(
    Leg(
        mode,
        f"the gateway in front of it, its tools shown by `context: {{use: {mode}}}`",
        partial(_economical, mode=mode),
        REQUIRED,
        like_direct=True,
        differing=differing,
    )
    for mode, differing in (
        ("native", frozenset[str]()),
        ("normalise", _SCHEMA),
        ("slim", _SCHEMA),
        ("signatures", _HIDDEN),
        ("search", _HIDDEN),
    )
)
"""Run by name alone. docs/CONTEXT.md names what differs."""

TASK_SCENARIOS = (
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-required-task-error",
    "tasks-mrtr-composition",
)


def run_server_leg(leg: Leg, folder: Path, scenario: str = "") -> dict[str, Results]:
    """Revision -> what came out."""
    with leg.target(folder) as url:
        return {
            revision: against_server(url, revision, folder / revision, scenario) for revision in leg.least
        }


def run_tasks_leg(folder: Path, scenario: str = "") -> Results:
    """The gateway in front of a server with the tasks extension, which the reference server lacks."""
    results: Results = {}
    with gateway({"jobs": jobs()}, folder) as url:
        for each in TASK_SCENARIOS:
            if scenario in ("", each):
                results.update(against_extension(url, each, folder / each))
    return results
